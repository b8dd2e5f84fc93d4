"""What people have typed and not sent yet."""

from django.db import models


class DraftBase(models.Model):
    """A person's unsent words of one form. Each kind of draft adds whose it is and what of, once each by constraint."""

    content = models.JSONField()
    writer = models.CharField(
        max_length=64,
        blank=True,
        default="",
        help_text="The browser tab that saved it last; no other writes over it.",
    )
    saved_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True
