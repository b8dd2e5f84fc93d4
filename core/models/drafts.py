"""Text that people have typed and not sent yet."""

from django.db import models


class DraftBase(models.Model):
    """A person's unsent text of one form. Each kind of draft adds its owner and object, unique by constraint."""

    content = models.JSONField()
    writer = models.CharField(
        max_length=64,
        blank=True,
        default="",
        help_text="The browser tab that saved it last; other tabs cannot overwrite it.",
    )
    saved_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True
