"""What a search for duplicates found: clusters of examples that say nearly the same, and examples too near to test rows."""

from typing import ClassVar

from django.db import models

from annotation.models import Example
from dataset.models.versions import DatasetRow


class DuplicateSearch(models.Model):
    """One search over a project's examples. The newest with `found_at` is what the pages show."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="duplicate_searches")
    run = models.OneToOneField(
        "core.Run", null=True, on_delete=models.PROTECT, related_name="duplicate_search"
    )
    counts = models.JSONField(
        default=dict,
        help_text="examples, clusters: {kind: clusters}, disagreeing, near_test, answers (compared), not_compared",
    )
    found_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(name="duplicate_search_newest", fields=["project", "-id"])]

    def __str__(self) -> str:
        return f"Search for duplicates {self.pk}"


class DuplicateCluster(models.Model):
    """Examples with nearly the same prompt, completion, or both. A search replaces the open ones; settled ones stay.

    Clusters of one kind share no example within one search, so `first`, the lowest member, identifies an open one.
    """

    class Kind(models.TextChoices):
        PAIR = "pair", "Same question and answer"
        PROMPT = "prompt", "Same question"
        COMPLETION = "completion", "Same answer"

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        SETTLED = "settled", "Settled"

    class Outcome(models.TextChoices):
        RETIRED = "retired", "Some kept, the others retired"
        WANTED = "wanted", "All are wanted"

    class Disagreement(models.TextChoices):
        VALUES = "values", "Other numbers, dates or times"
        YES_NO = "yes_no", "Yes against no"
        DENIAL = "denial", "One denies what the other says"

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        Status.OPEN: {Status.SETTLED},
        Status.SETTLED: {Status.OPEN},
    }

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="duplicate_clusters")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    status = models.CharField(max_length=7, choices=Status.choices, default=Status.OPEN)
    first = models.ForeignKey(Example, on_delete=models.CASCADE, related_name="+")
    size = models.PositiveIntegerField(help_text="members")
    in_use = models.PositiveIntegerField(help_text="members that are not retired")
    exact = models.BooleanField(default=False, help_text="The texts are equal except for case and spaces.")
    tested = models.BooleanField(default=False, help_text="A member is a test row of a dataset version.")
    disagreement = models.CharField(max_length=6, choices=Disagreement.choices, blank=True, default="")
    says = models.CharField(
        max_length=300, blank=True, default="", help_text="Where two answers to one question disagree."
    )
    likeness = models.FloatField(
        null=True,
        help_text="The lowest cosine similarity of two answers to one question, by their embeddings; empty when not compared.",
    )
    found_at = models.DateTimeField(help_text="when the search ended that found it")
    outcome = models.CharField(max_length=7, choices=Outcome.choices, blank=True, default="")
    reason = models.CharField(max_length=300, blank=True, default="")
    settled_by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "cluster"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                name="duplicate_cluster_open_once",
                fields=["project", "kind", "first"],
                condition=models.Q(status="open"),
            ),
            models.CheckConstraint(
                name="duplicate_cluster_status",
                condition=models.Q(status="open", outcome="", settled_at__isnull=True)
                | models.Q(status="settled", outcome__in=["retired", "wanted"], settled_at__isnull=False),
            ),
            models.CheckConstraint(
                name="duplicate_cluster_kind", condition=models.Q(kind__in=["pair", "prompt", "completion"])
            ),
            models.CheckConstraint(name="duplicate_cluster_size", condition=models.Q(size__gte=2)),
            models.CheckConstraint(
                name="duplicate_cluster_reason", condition=~models.Q(outcome="wanted") | ~models.Q(reason="")
            ),
        ]
        indexes = [
            models.Index(
                name="duplicate_cluster_list", fields=["project", "status", "kind", "-in_use", "id"]
            ),
        ]

    def __str__(self) -> str:
        return f"the {self.size} duplicates of #{self.first_id}"


class DuplicateMember(models.Model):
    """One example of a cluster."""

    cluster = models.ForeignKey(DuplicateCluster, on_delete=models.CASCADE, related_name="members")
    example = models.ForeignKey(Example, on_delete=models.CASCADE, related_name="duplicate_members")
    similarity = models.FloatField(help_text="Jaccard similarity to the first member, 0 to 1.")
    part = models.PositiveIntegerField(
        default=0,
        help_text="Members with one number from 1 ask the same question with the same records and answer it differently.",
    )
    kept = models.BooleanField(null=True, help_text="What the settlement did with it.")
    was = models.CharField(
        max_length=10,
        choices=Example.Status.choices,
        blank=True,
        default="",
        help_text="The status that it had when the settlement retired it.",
    )

    class Meta:
        ordering = ["example"]
        constraints = [
            models.UniqueConstraint(name="duplicate_member_once", fields=["cluster", "example"]),
            models.CheckConstraint(
                name="duplicate_member_similarity",
                condition=models.Q(similarity__gte=0, similarity__lte=1),
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.example_id} in {self.cluster_id}"


class NearTest(models.Model):
    """An example that is too near to a test row of a dataset version: a freeze withholds it. Each search replaces them."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="near_test")
    example = models.OneToOneField(Example, on_delete=models.CASCADE, related_name="near_test")
    row = models.ForeignKey(DatasetRow, on_delete=models.CASCADE, related_name="+")
    similarity = models.FloatField(help_text="Jaccard similarity of the turns, 0.8 to 1.")
    was = models.CharField(
        max_length=10,
        choices=Example.Status.choices,
        blank=True,
        default="",
        db_default="",
        help_text="The status that it had when it was retired from the list.",
    )
    retired_by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-similarity", "example"]
        constraints = [
            models.CheckConstraint(
                name="near_test_retired",
                condition=models.Q(was="", retired_at=None)
                | (~models.Q(was="") & ~models.Q(retired_at=None)),
            ),
        ]
        indexes = [models.Index(name="near_test_list", fields=["project", "-similarity", "example"])]

    def __str__(self) -> str:
        return f"#{self.example_id} near row {self.row_id}"
