"""Files that arrive in pieces."""

import uuid
from pathlib import Path

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class Upload(models.Model):
    """A file that a browser or a program sends in pieces; after a lost connection it goes on where it stopped.

    The bytes are in a file of RESUMABLE_DIR until the upload is used: then the file is an artifact and this row is deleted.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="uploads")
    by = models.ForeignKey("core.User", on_delete=models.CASCADE, related_name="uploads")
    file_name = models.CharField(max_length=200)
    fingerprint = models.CharField(
        max_length=100,
        blank=True,
        default="",
        help_text="What the sender knows the file by: its size and time of change.",
    )
    size_bytes = models.BigIntegerField()
    received_bytes = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    touched_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="upload_received",
                condition=Q(size_bytes__gt=0, received_bytes__gte=0, received_bytes__lte=F("size_bytes")),
            ),
        ]
        indexes = [models.Index(name="upload_by_person", fields=["project", "by", "-id"])]

    def __str__(self) -> str:
        return self.file_name

    @property
    def is_complete(self) -> bool:
        return self.received_bytes == self.size_bytes

    @property
    def percent(self) -> int:
        return self.received_bytes * 100 // self.size_bytes

    @property
    def path(self) -> Path:
        return Path(settings.RESUMABLE_DIR) / str(self.public_id)
