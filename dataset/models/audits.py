"""Bias audits: a project's lexicons, the audits with their findings and decisions, and the counterfactual twins.

What an audit found does not change: triggers (migration audit) refuse to change the figures of a finished audit and any decision.
"""

from typing import ClassVar

from django.db import models

from annotation.models import Example
from dataset.models.versions import DatasetVersion


class BiasLexicon(models.Model):
    """The project's own words for one characteristic, in place of the shipped ones (dataset.fairness.words)."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="bias_lexicons")
    characteristic = models.CharField(max_length=40)
    content = models.JSONField(help_text="As dataset.fairness.words.read_characteristic reads it.")
    revision = models.PositiveIntegerField(default=1)
    changed_by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(name="bias_lexicon_once", fields=["project", "characteristic"])
        ]

    def __str__(self) -> str:
        return f"Lexicon {self.characteristic}"


class BiasAudit(models.Model):
    """One audit: of a version's rows, or without `dataset` of the examples approved when it ran. `made_at` is empty until then.

    `content_hash` is SHA-256 over settings, lexicons and facts (dataset.services.audits.audit_hash).
    """

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="bias_audits")
    number = models.PositiveIntegerField()
    dataset = models.OneToOneField(
        DatasetVersion, null=True, blank=True, on_delete=models.CASCADE, related_name="bias_audit"
    )
    run = models.OneToOneField("core.Run", null=True, on_delete=models.PROTECT, related_name="bias_audit")
    settings = models.JSONField(
        help_text="correction, and dataset_hash: the version's content hash, or empty."
    )
    lexicons = models.JSONField(
        default=dict, help_text="{characteristic: content}, as they were when it started."
    )
    facts = models.JSONField(default=dict, help_text="As dataset.fairness.counting.facts_of makes them.")
    content_hash = models.CharField(max_length=64, blank=True, default="")
    made_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(name="bias_audit_number", fields=["project", "number"]),
            models.CheckConstraint(
                name="bias_audit_made_with_hash",
                condition=models.Q(made_at__isnull=True, content_hash="")
                | models.Q(made_at__isnull=False) & ~models.Q(content_hash=""),
            ),
        ]

    def __str__(self) -> str:
        return f"Bias audit {self.number}"


class AuditFinding(models.Model):
    """A difference, or a share beside its target, that stands after the correction for many comparisons."""

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        ACCEPTED = "accepted", "Accepted"
        FIXED = "fixed", "Fixed"
        ANSWERED = "answered", "Answered"

    # A decision can be replaced by another one: both stay on record.
    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        status: {"accepted", "fixed", "answered"} - {status} for status in Status.values
    }

    audit = models.ForeignKey(BiasAudit, on_delete=models.CASCADE, related_name="findings")
    characteristic = models.CharField(max_length=40)
    group = models.CharField(max_length=40)
    outcome = models.CharField(
        max_length=20, help_text="A key of dataset.fairness.outcomes.OUTCOMES, or share."
    )
    says = models.TextField()
    figures = models.JSONField(help_text="As dataset.fairness.counting.Comparison.stored gives them.")
    examples = models.JSONField(
        default=list, help_text="Ids of examples that name the group, to make twins of."
    )
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.OPEN)

    class Meta:
        ordering = ["id"]
        verbose_name = "finding"
        constraints = [
            models.UniqueConstraint(
                name="audit_finding_once", fields=["audit", "characteristic", "group", "outcome"]
            ),
            models.CheckConstraint(
                name="audit_finding_status",
                condition=models.Q(status__in=["open", "accepted", "fixed", "answered"]),
            ),
        ]

    def __str__(self) -> str:
        return self.says


class AuditDecision(models.Model):
    """What somebody decided about a finding, and why. Decisions are added, never changed: the newest counts.

    `record_hash` is SHA-256 over the decision and the hash before it, the first one's over the audit's: a decision that is changed or
    missing in the database shows.
    """

    class Decision(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        FIXED = "fixed", "Fixed"
        ANSWERED = "answered", "Answered"

    finding = models.ForeignKey(AuditFinding, on_delete=models.CASCADE, related_name="decisions")
    decision = models.CharField(max_length=8, choices=Decision.choices)
    reason = models.CharField(max_length=500)
    carried_from = models.PositiveIntegerField(
        null=True, blank=True, help_text="The number of the earlier audit from which it was taken over."
    )
    by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    by_name = models.CharField(
        max_length=120, blank=True, help_text="The name at that time; it is in the hash."
    )
    at = models.DateTimeField()
    record_hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                name="audit_decision_known",
                condition=models.Q(decision__in=["accepted", "fixed", "answered"]),
            ),
            models.CheckConstraint(name="audit_decision_reason", condition=~models.Q(reason="")),
        ]

    def __str__(self) -> str:
        return f"{self.finding_id}: {self.decision}"


class Twin(models.Model):
    """An example with the words of two groups swapped, waiting for a person who reads it. Accepted, it becomes an example in review."""

    class Status(models.TextChoices):
        WAITING = "waiting", "To read"
        ACCEPTED = "accepted", "Accepted"
        DISCARDED = "discarded", "Discarded"

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        Status.WAITING: {Status.ACCEPTED, Status.DISCARDED},
        Status.DISCARDED: {Status.WAITING},
        Status.ACCEPTED: set(),
    }

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="bias_twins")
    finding = models.ForeignKey(
        AuditFinding, null=True, blank=True, on_delete=models.SET_NULL, related_name="twins"
    )
    example = models.ForeignKey(Example, on_delete=models.CASCADE, related_name="bias_twins")
    revision = models.PositiveIntegerField(help_text="The revision of the example that was swapped.")
    characteristic = models.CharField(max_length=40)
    one = models.CharField(max_length=120, help_text="The two groups that changed places, by their labels.")
    other = models.CharField(max_length=120)
    messages = models.JSONField()
    context = models.JSONField(default=list)
    completion = models.TextField()
    swaps = models.JSONField(help_text="{text: [{old, new, at, doubt}]} (dataset.fairness.twins).")
    doubts = models.PositiveIntegerField(default=0, help_text="Swaps that a person must look at.")
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.WAITING)
    made = models.OneToOneField(
        Example, null=True, blank=True, on_delete=models.PROTECT, related_name="twin_of"
    )
    created_by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    decided_by = models.ForeignKey(
        "core.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        verbose_name = "twin"
        constraints = [
            models.UniqueConstraint(
                name="bias_twin_once",
                fields=["example", "characteristic", "one", "other"],
                condition=~models.Q(status="discarded"),
            ),
            models.CheckConstraint(
                name="bias_twin_status",
                condition=models.Q(status="accepted", made__isnull=False)
                | models.Q(status__in=["waiting", "discarded"], made__isnull=True),
            ),
        ]
        indexes = [models.Index(name="bias_twin_list", fields=["project", "status", "id"])]

    def __str__(self) -> str:
        return f"Twin of #{self.example_id}"
