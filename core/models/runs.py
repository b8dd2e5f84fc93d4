"""Background jobs: imports, freezes, training, evaluations, deployments."""

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.utils import timezone

# An estimated end that is past by this much is not shown.
LATE = timedelta(seconds=15)


class Run(models.Model):
    """A background job. Workers claim it by conditional update and show that they are alive by a heartbeat.

    A run whose heartbeat stops goes back to `queued` and another worker takes it; its kind decides where it
    continues (a checkpoint, a line number).
    """

    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        CANCELLING = "cancelling", "Cancelling"
        CANCELLED = "cancelled", "Cancelled"
        FAILED = "failed", "Failed"
        SUCCEEDED = "succeeded", "Done"

    ACTIVE: ClassVar[tuple[str, ...]] = (
        Status.QUEUED,
        Status.RUNNING,
        Status.CANCELLING,
    )
    # Ended, and can be started again.
    UNFINISHED: ClassVar[tuple[str, ...]] = (Status.FAILED, Status.CANCELLED)

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        Status.QUEUED: {Status.RUNNING, Status.CANCELLING, Status.FAILED},
        # Back to the queue when its worker died or was stopped.
        Status.RUNNING: {Status.QUEUED, Status.CANCELLING, Status.FAILED, Status.SUCCEEDED},
        # A runner may end before it notices that somebody cancels.
        Status.CANCELLING: {Status.CANCELLED, Status.FAILED, Status.SUCCEEDED},
        Status.CANCELLED: {Status.QUEUED},
        Status.FAILED: {Status.QUEUED},
        Status.SUCCEEDED: set(),
    }

    project = models.ForeignKey("core.Project", null=True, on_delete=models.CASCADE, related_name="runs")
    kind = models.CharField(max_length=40)
    title = models.CharField(max_length=200)
    queue = models.CharField(max_length=20, default="default")
    params = models.JSONField(default=dict)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.QUEUED)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0, help_text="0 while not known")
    message = models.CharField(max_length=300, blank=True, help_text="What it does now, one sentence.")
    eta_at = models.DateTimeField(null=True, blank=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=3)
    claim = models.UUIDField(null=True, blank=True)
    worker = models.CharField(max_length=120, blank=True)
    error_code = models.CharField(max_length=60, blank=True)
    error_message = models.TextField(blank=True)
    error_advice = models.TextField(blank=True)
    created_by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="runs")
    created_at = models.DateTimeField(auto_now_add=True)
    queued_at = models.DateTimeField(default=timezone.now, help_text="When it last joined the queue.")
    sent_at = models.DateTimeField(
        null=True, blank=True, help_text="When the broker last accepted its message."
    )
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_by = models.ForeignKey(
        "core.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(name="run_by_project", fields=["project", "-id"]),
            models.Index(
                name="run_active",
                fields=["status"],
                condition=models.Q(status__in=["queued", "running", "cancelling"]),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="run_status",
                condition=models.Q(
                    status__in=[
                        "queued",
                        "running",
                        "cancelling",
                        "cancelled",
                        "failed",
                        "succeeded",
                    ]
                ),
            ),
            models.CheckConstraint(name="run_progress", condition=models.Q(done__gte=0, total__gte=0)),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_active(self) -> bool:
        return self.status in self.ACTIVE

    @property
    def percent(self) -> int | None:
        """Whole percent done, or None while the total is not known."""
        if self.status == self.Status.SUCCEEDED:
            return 100
        return min(100, self.done * 100 // self.total) if self.total else None

    @property
    def time_left(self) -> timedelta | None:
        """At least a second while it runs; None when it is unknown, and when the run takes longer than estimated."""
        if self.eta_at is None or self.status != self.Status.RUNNING:
            return None
        left = self.eta_at - timezone.now()
        return None if left < -LATE else max(left, timedelta(seconds=1))
