"""What the data of a project should contain: targets, and the tasks that people write examples for."""

from typing import ClassVar

from django.db import models
from django.db.models import Q


class CoverageTarget(models.Model):
    """How many approved examples a part of the data should have.

    The part is a slice, a kind of edge case, both together, or one of these alone: a band of lengths, a language, a mood. `slice` and
    `edge` are keys of categories.
    """

    class Unit(models.TextChoices):
        NUMBER = "number", "examples"
        SHARE = "share", "% of the approved examples"

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="coverage_targets")
    slice = models.CharField(max_length=120, blank=True, default="")
    edge = models.CharField(max_length=24, blank=True, default="")
    length = models.CharField(max_length=10, blank=True, default="", help_text="A band of lengths; alone.")
    language = models.CharField(max_length=8, blank=True, default="", help_text="Its code; alone.")
    mood = models.CharField(
        max_length=8, blank=True, default="", help_text="A key of annotation.moods; alone."
    )
    amount = models.PositiveIntegerField()
    unit = models.CharField(max_length=6, choices=Unit.choices, default=Unit.NUMBER)
    owner = models.ForeignKey("core.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    set_by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                name="coverage_target_once",
                fields=["project", "slice", "edge", "length", "language", "mood"],
            ),
            models.CheckConstraint(
                name="coverage_target_part",
                condition=~Q(slice="", edge="") & Q(length="", language="", mood="")
                | ~Q(length="") & Q(slice="", edge="", language="", mood="")
                | ~Q(language="") & Q(slice="", edge="", length="", mood="")
                | ~Q(mood="") & Q(slice="", edge="", length="", language=""),
            ),
            models.CheckConstraint(
                name="coverage_target_amount",
                condition=Q(amount__gte=1)
                & (Q(unit="number", amount__lte=1_000_000) | Q(unit="share", amount__lte=100)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.slice or self.edge or self.length or self.language or self.mood}: {self.amount} {self.unit}"


class AuthoringTask(models.Model):
    """Examples that are missing and that people write: what, how many, and who sees to it."""

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        Status.OPEN: {Status.DONE, Status.CANCELLED},
        # Open again when somebody reopens it, or when a decision that completed it is undone.
        Status.DONE: {Status.OPEN},
        Status.CANCELLED: {Status.OPEN},
    }

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="authoring_tasks")
    slice = models.CharField(max_length=120, blank=True, default="")
    edge = models.CharField(max_length=24, blank=True, default="")
    language = models.CharField(max_length=8, blank=True, default="")
    mood = models.CharField(max_length=8, blank=True, default="")
    wanted = models.CharField(max_length=500, help_text="What is to be written, in words.")
    quota = models.PositiveIntegerField(help_text="Approved examples that complete the task.")
    owner = models.ForeignKey(
        "core.User", null=True, blank=True, on_delete=models.PROTECT, related_name="authoring_tasks"
    )
    due_on = models.DateField(null=True, blank=True)
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.OPEN)
    created_by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # Nobody: it ended by itself, when its quota was reached.
    ended_by = models.ForeignKey(
        "core.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        verbose_name = "authoring task"
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="authoring_task_status", condition=Q(status__in=["open", "done", "cancelled"])
            ),
            models.CheckConstraint(
                name="authoring_task_quota", condition=Q(quota__gte=1, quota__lte=100_000)
            ),
            models.CheckConstraint(
                name="authoring_task_ended", condition=Q(status="open", ended_at=None) | ~Q(status="open")
            ),
            models.CheckConstraint(name="authoring_task_wanted", condition=~Q(wanted="")),
        ]
        indexes = [
            models.Index(name="authoring_task_open", fields=["project", "owner"], condition=Q(status="open")),
        ]

    def __str__(self) -> str:
        return self.wanted[:80]


class ExampleMap(models.Model):
    """The newest map of a project's examples, made by a run. `made_at` is empty until the first one is finished."""

    project = models.OneToOneField("core.Project", on_delete=models.CASCADE, related_name="example_map")
    run = models.OneToOneField("core.Run", null=True, on_delete=models.PROTECT, related_name="example_map")
    facts = models.JSONField(
        default=dict,
        help_text="Intents with their names and counts, lengths: annotation.queries.mapping.MapFacts.",
    )
    made_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"Map of {self.project}"


class ExamplePlace(models.Model):
    """Where one example is on the map, and its intent: a number of ExampleMap.facts."""

    example = models.OneToOneField(
        "annotation.Example", primary_key=True, on_delete=models.CASCADE, related_name="place", db_index=False
    )
    project = models.ForeignKey(
        "core.Project", on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    x = models.FloatField()
    y = models.FloatField()
    intent = models.PositiveSmallIntegerField()
    shown = models.BooleanField(
        default=False, help_text="Whether it is one of the points that the map draws."
    )

    class Meta:
        indexes = [
            models.Index(name="place_intent", fields=["project", "intent", "example"]),
            models.Index(name="place_shown", fields=["project"], condition=Q(shown=True)),
        ]

    def __str__(self) -> str:
        return f"#{self.example_id}"
