"""What the checks found in the project's examples, and what people decided about it."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from annotation.models.examples import Example


class ExampleFinding(models.Model):
    """One finding of a check in one example. There is one row for the same check, kind and words (`fingerprint`), over all edits.

    `spans` is [[field, index, start, end, tone]], `fixes` [[field, index, start, end, text]], both in the text with `content_hash`.
    """

    class Level(models.TextChoices):
        BAD = "bad", "Problem"
        WARN = "warn", "Warning"

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        DISMISSED = "dismissed", "Dismissed"
        FIXED = "fixed", "Fixed"
        GONE = "gone", "No longer found"

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        Status.OPEN: {Status.DISMISSED, Status.FIXED, Status.GONE},
        Status.DISMISSED: {Status.OPEN, Status.GONE},
        # The check finds it again. A dismissal that was no longer found counts again, too.
        Status.FIXED: {Status.OPEN},
        Status.GONE: {Status.OPEN, Status.DISMISSED},
    }

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="findings")
    example = models.ForeignKey(Example, on_delete=models.CASCADE, related_name="findings")
    other = models.ForeignKey(
        Example,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        help_text="The other example that it names.",
    )
    check_name = models.CharField(max_length=40)
    kind = models.CharField(max_length=40, blank=True, help_text="A short stable name inside the check.")
    level = models.CharField(max_length=4, choices=Level.choices)
    says = models.TextField()
    spans = models.JSONField(default=list)
    fixes = models.JSONField(default=list)
    fingerprint = models.CharField(max_length=32)
    content_hash = models.CharField(max_length=64, help_text="The text in which it was found.")
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.OPEN)
    found_at = models.DateTimeField(default=timezone.now)
    decided_by = models.ForeignKey(
        "core.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=300, blank=True, help_text="Why it was dismissed.")
    batch = models.UUIDField(
        null=True, blank=True, help_text="The decisions of one action have the same value: undone together."
    )
    revision = models.PositiveIntegerField(
        null=True, blank=True, help_text="The revision that its fix made, for undoing."
    )
    was = models.CharField(max_length=10, blank=True, help_text="The example's status before the fix.")

    class Meta:
        ordering = ["level", "-id"]
        constraints = [
            models.UniqueConstraint(name="finding_once", fields=["example", "fingerprint"]),
            models.CheckConstraint(name="finding_level", condition=models.Q(level__in=["bad", "warn"])),
            models.CheckConstraint(
                name="finding_status",
                condition=models.Q(status="open", decided_at=None, reason="")
                | (models.Q(status="dismissed", decided_at__isnull=False) & ~models.Q(reason=""))
                | models.Q(status="fixed", decided_at__isnull=False, revision__isnull=False)
                | models.Q(status="gone"),
            ),
        ]
        indexes = [
            models.Index(name="finding_list", fields=["project", "status", "level", "-id"]),
            # With the example, so that the counts (without retired ones) read the index alone.
            models.Index(
                name="finding_kinds",
                fields=["project", "check_name", "kind", "status", "level", "-id"],
                include=["example"],
            ),
            models.Index(name="finding_batch", fields=["batch"], condition=models.Q(batch__isnull=False)),
            models.Index(
                name="finding_recent",
                fields=["project", "-decided_at"],
                condition=models.Q(batch__isnull=False),
            ),
            models.Index(name="finding_other", fields=["other"], condition=models.Q(other__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.check_name} in #{self.example_id}"
