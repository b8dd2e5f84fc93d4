"""Events between apps: an event is a row, and each subscriber gets a delivery."""

from typing import ClassVar

from django.db import models


class Event(models.Model):
    project = models.ForeignKey("core.Project", null=True, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=60)
    payload = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.kind


class Delivery(models.Model):
    """The delivery of one event to one subscriber; claimed by conditional update, retried, parked after too many failures."""

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        CLAIMED = "claimed", "Claimed"
        DONE = "done", "Done"
        PARKED = "parked", "Parked"

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        Status.WAITING: {Status.CLAIMED},
        # Back to waiting after a failure, or when its worker died.
        Status.CLAIMED: {Status.WAITING, Status.DONE, Status.PARKED},
        Status.DONE: set(),
        Status.PARKED: set(),
    }

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries")
    subscriber = models.CharField(max_length=120)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="delivery_once", fields=["event", "subscriber"])]
        indexes = [
            models.Index(
                name="delivery_due",
                fields=["due_at"],
                condition=models.Q(status__in=["waiting", "claimed"]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.subscriber}"
