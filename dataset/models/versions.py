"""Frozen datasets, their rows, and what was left out of them."""

from typing import ClassVar

from django.db import models

from annotation.models import Example, Revision
from dataset.models.sources import DataRule


class GroupSplit(models.Model):
    """The split that a group got at its first freeze. Permanent: a test group stays test."""

    class Split(models.TextChoices):
        TRAIN = "train", "Train"
        VALIDATION = "validation", "Validation"
        TEST = "test", "Test"

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="group_splits")
    group = models.CharField(max_length=200)
    split = models.CharField(max_length=10, choices=Split.choices)
    decided_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="group_split_once", fields=["project", "group"])]

    def __str__(self) -> str:
        return f"{self.group}: {self.split}"


class DatasetVersion(models.Model):
    """Approved examples, frozen. `content_hash` is SHA-256 over canonical rows, splits and settings."""

    class Kind(models.TextChoices):
        """What a row says. In a preference version `rejected` is the worse answer; a row without it has an answer that people
        liked, and a row with an empty completion has only one that they disliked."""

        SUPERVISED = "supervised", "Examples"
        PREFERENCE = "preference", "Preferences"

    class Status(models.TextChoices):
        FREEZING = "freezing", "Freezing"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        Status.FREEZING: {Status.READY, Status.FAILED},
        Status.READY: set(),
        Status.FAILED: {Status.FREEZING},
    }

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="dataset_versions")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.SUPERVISED)
    note = models.CharField(max_length=300, blank=True)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.FREEZING)
    run = models.OneToOneField(
        "core.Run", null=True, on_delete=models.PROTECT, related_name="dataset_version"
    )
    settings = models.JSONField(
        help_text="validation and test (shares), seed, separate_near_duplicates, slices and sources (filters), "
        "system_prompt, rules (values of DataRule; no entry when the project had none); of preferences also preferences "
        "(dataset.preferences.Choice.as_values)"
    )
    content_hash = models.CharField(max_length=64, blank=True)
    same_as = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        help_text="An earlier version with this content.",
    )
    artifact = models.ForeignKey("core.Artifact", null=True, on_delete=models.PROTECT, related_name="+")
    counts = models.JSONField(
        default=dict,
        help_text="total, train, validation, test, slices: {slice: {split: rows}}, withheld, withheld_near, withheld_marked, "
        "withheld_rules: {data rule: rows}, untested: {slice: why}, near: {groups, clusters, rows, largest}, validation_near_train; of preferences "
        "also preferences: {judged, judgements, pairs, liked, disliked, taken: {source: rows}, outside: {reason: number}}",
    )
    changes_seen = models.BigIntegerField(
        null=True,
        help_text="The newest change of an approved example (annotation.models.ApprovedChange) that this version surely contains.",
    )
    created_by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(name="dataset_number", fields=["project", "number"]),
            models.CheckConstraint(
                name="dataset_ready_has_content",
                condition=~models.Q(status="ready")
                | (~models.Q(content_hash="") & models.Q(artifact__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"Dataset {self.number}"


class DatasetRow(models.Model):
    """One row of a dataset version and its revision.

    The database checks example and revision together, by one foreign key (migration 0008): the revision exists and is one of the
    example. Two keys would lock two rows for each row of a freeze, which took a third of its time.
    """

    dataset = models.ForeignKey(DatasetVersion, on_delete=models.CASCADE, related_name="rows", db_index=False)
    # Both are found by the index of row_example: each index costs as much as the row at a freeze.
    example = models.ForeignKey(
        Example, on_delete=models.PROTECT, related_name="dataset_rows", db_constraint=False, db_index=False
    )
    revision = models.ForeignKey(
        Revision, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    position = models.PositiveIntegerField()
    split = models.CharField(max_length=10, choices=GroupSplit.Split.choices)
    row_hash = models.CharField(max_length=64)
    # Of its prompt and records, normalised (annotation.text.hashes): it identifies test prompts permanently.
    prompt_hash = models.CharField(max_length=64)
    # What lists and comparisons of versions ask for: reading the texts of 100,000 revisions for it would take seconds.
    text_hash = models.CharField(
        max_length=64,
        default="",
        db_default="",
        help_text="Of its texts alone, without slice, tags and the like (dataset.rows.text_hash).",
    )
    slice = models.TextField(default="", db_default="", blank=True)
    has_rejected = models.BooleanField(default=False, db_default=False)
    variant = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        help_text="Which row of its example it is, from 0: a preference version can have several pairs of answers to one prompt.",
    )

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(name="row_position", fields=["dataset", "position"]),
            models.UniqueConstraint(name="row_example", fields=["example", "dataset", "variant"]),
        ]
        indexes = [
            models.Index(name="row_by_split", fields=["dataset", "split", "position"]),
            models.Index(name="row_test_prompt", fields=["prompt_hash"], condition=models.Q(split="test")),
        ]

    def __str__(self) -> str:
        return f"{self.dataset_id}/{self.position}"


class WithheldRow(models.Model):
    """An approved example that a dataset version left out: it would leak a test row, its text contains a control mark, or it breaks
    a data rule."""

    class Reason(models.TextChoices):
        REPEATS_TEST = "repeats_test", "Asks the same as a test row"
        NEAR_TEST = "near_test", "Asks nearly the same as a test row"
        CONTROL_MARK = "control_mark", "Contains a control mark of chat templates"
        RULE = "rule", "Breaks a data rule"

    dataset = models.ForeignKey(DatasetVersion, on_delete=models.CASCADE, related_name="withheld")
    example = models.ForeignKey(Example, on_delete=models.PROTECT, related_name="+")
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="+")
    split = models.CharField(
        max_length=10,
        choices=GroupSplit.Split.choices,
        blank=True,
        help_text="The split it would have; empty where that was not decided.",
    )
    reason = models.CharField(max_length=12, choices=Reason.choices)
    repeats = models.ForeignKey(Example, null=True, on_delete=models.PROTECT, related_name="+")
    mark = models.CharField(max_length=80, blank=True, default="", help_text="The control mark in its text.")
    rule = models.CharField(
        max_length=16,
        choices=DataRule.choices,
        blank=True,
        default="",
        db_default="",
        help_text="The rule it breaks.",
    )
    similarity = models.FloatField(
        null=True,
        help_text="Jaccard similarity of the turns, 0.8 to 1, for a near-duplicate.",
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(name="withheld_once", fields=["dataset", "example"]),
            models.CheckConstraint(
                name="withheld_similarity",
                condition=models.Q(
                    reason__in=["repeats_test", "control_mark", "rule"], similarity__isnull=True
                )
                | models.Q(reason="near_test", similarity__gt=0, similarity__lte=1),
            ),
            models.CheckConstraint(
                name="withheld_because_of",
                condition=models.Q(reason="control_mark", repeats__isnull=True, rule="") & ~models.Q(mark="")
                | models.Q(reason="rule", repeats__isnull=True, mark="") & ~models.Q(rule="")
                | models.Q(reason__in=["repeats_test", "near_test"], repeats__isnull=False, mark="", rule=""),
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.example_id} withheld from {self.dataset_id}"
