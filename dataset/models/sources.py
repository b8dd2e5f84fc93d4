"""Sources of examples, who of outside sees them, the rules for their data, and the withdrawal of a source."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Source(models.Model):
    """Where examples come from: a transcript archive, a handbook, a rating campaign. It is the document that says whether they
    may be used.

    `Example.source` is its name: a foreign key in the database, which follows a new name. The examples of a withdrawn source are
    retired, and a freeze leaves them out.
    """

    class Consent(models.TextChoices):
        CONSENT = "consent", "Consent of the people in it"
        CONTRACT = "contract", "Contract"
        LEGITIMATE_INTEREST = "legitimate_interest", "Legitimate interest"
        PUBLIC = "public", "Public data"
        OWN = "own", "Our own data, without other people in it"
        UNKNOWN = "unknown", "Unknown"

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="sources")
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True, default="", db_default="")
    license = models.CharField(
        max_length=120,
        blank=True,
        help_text="An SPDX identifier such as CC-BY-4.0, or a text; empty when unknown.",
    )
    consent = models.CharField(
        max_length=20, choices=Consent.choices, default=Consent.UNKNOWN, db_default=Consent.UNKNOWN.value
    )
    consent_note = models.CharField(max_length=500, blank=True, default="", db_default="")
    owner = models.CharField(max_length=120, blank=True, default="", db_default="")
    contact = models.CharField(max_length=200, blank=True, default="", db_default="")
    expires_on = models.DateField(null=True, blank=True, help_text="The last day on which it may be used.")
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_by = models.ForeignKey(
        "core.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    withdrawn_reason = models.CharField(max_length=500, blank=True, default="", db_default="")
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(name="source_once", fields=["project", "name"]),
            models.CheckConstraint(name="source_named", condition=~models.Q(name="")),
            models.CheckConstraint(
                name="source_consent",
                condition=models.Q(
                    consent__in=[
                        "consent",
                        "contract",
                        "legitimate_interest",
                        "public",
                        "own",
                        "unknown",
                    ]
                ),
            ),
            models.CheckConstraint(
                name="source_withdrawn_with_reason",
                condition=models.Q(withdrawn_at__isnull=True, withdrawn_reason="", withdrawn_by__isnull=True)
                | models.Q(withdrawn_at__isnull=False) & ~models.Q(withdrawn_reason=""),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SourcePartner(models.Model):
    """A source that an outside partner sees. A partner's membership sees no other source."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="partners")
    membership = models.ForeignKey(
        "core.Membership", on_delete=models.CASCADE, related_name="partner_sources"
    )
    added_by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["membership__user__name"]
        constraints = [
            models.UniqueConstraint(name="source_partner_once", fields=["source", "membership"]),
        ]

    def __str__(self) -> str:
        return f"{self.membership_id} sees {self.source_id}"


class DataRule(models.TextChoices):
    """What can keep an approved example out of a dataset version. A project chooses its rules; a withdrawn source always does."""

    KNOWN_LICENSE = "known_license", "No data without a known license"
    COMMERCIAL = "commercial", "No data whose license forbids commercial use"
    DERIVATIVES = "derivatives", "No data whose license forbids derivatives"
    SHARE_ALIKE = "share_alike", "No data with a share-alike license"
    CONSENT = "consent", "No data whose consent basis is unknown"
    EXPIRED = "expired", "No data from a source that has expired"
    WITHDRAWN = "withdrawn", "No data from a withdrawn source"


class ProjectRules(models.Model):
    """The data rules that a project has chosen. A project without a row has none."""

    project = models.OneToOneField("core.Project", on_delete=models.CASCADE, related_name="data_rules")
    rules = ArrayField(
        models.CharField(max_length=16, choices=DataRule.choices),
        default=list,
        blank=True,
        help_text="Values of DataRule but `withdrawn`, which always holds.",
    )
    changed_by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="project_rules_known",
                condition=models.Q(
                    rules__contained_by=[
                        "known_license",
                        "commercial",
                        "derivatives",
                        "share_alike",
                        "consent",
                        "expired",
                    ]
                ),
            ),
        ]

    def __str__(self) -> str:
        return ", ".join(self.rules) or "no rules"


class Withdrawal(models.Model):
    """One withdrawal of a source, with the run that retires its examples. It stays on record after the source is restored."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="withdrawals")
    reason = models.CharField(max_length=500)
    run = models.OneToOneField(
        "core.Run", null=True, on_delete=models.PROTECT, related_name="withdrawal", help_text="Retires."
    )
    restore_run = models.OneToOneField(
        "core.Run",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="restored_withdrawal",
        help_text="Gives the examples the status that they had.",
    )
    by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    restored_by = models.ForeignKey(
        "core.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    restored_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                name="withdrawal_open_once", fields=["source"], condition=models.Q(restored_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"withdrawal of {self.source_id}"


class WithdrawnExample(models.Model):
    """An example that a withdrawal retired, and the status that it had. The row goes when the example gets it back."""

    withdrawal = models.ForeignKey(Withdrawal, on_delete=models.CASCADE, related_name="examples")
    example = models.OneToOneField(
        "annotation.Example", on_delete=models.CASCADE, related_name="withdrawn_by"
    )
    status = models.CharField(max_length=10, help_text="Example.Status before.")

    def __str__(self) -> str:
        return f"#{self.example_id} was {self.status}"


class WithdrawalDecision(models.Model):
    """What a person decided about one use of withdrawn data: it is accepted as it is, for a reason.

    `use` names it: "dataset:<id>" or, from the apps above, "model:<id>". What the database can see (a new dataset version, a
    retired model version) is not stored here but looked up.
    """

    withdrawal = models.ForeignKey(Withdrawal, on_delete=models.CASCADE, related_name="decisions")
    use = models.CharField(max_length=60)
    reason = models.CharField(max_length=500)
    by = models.ForeignKey("core.User", null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(name="withdrawal_decision_once", fields=["withdrawal", "use"]),
            models.CheckConstraint(
                name="withdrawal_decision_says_why", condition=~models.Q(reason="") & ~models.Q(use="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.use} accepted"
