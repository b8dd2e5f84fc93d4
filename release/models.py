"""Releases and rollbacks, with their evidence and sign-off, and what a project allows."""

from django.db import models

from release.gate import summary


class ForgettingBudget(models.Model):
    """The largest forgetting that a project's releases may have; without one the defaults hold (release.forgetting.Budget)."""

    project = models.OneToOneField("core.Project", on_delete=models.CASCADE, related_name="forgetting_budget")
    answers = models.FloatField(help_text="Points of right answers, 0 to 100.")
    refusals = models.FloatField(help_text="Points of refused harmful requests, 0 to 100.")
    loss = models.FloatField(
        help_text="Nats per token, of general English and of the previous version's test rows."
    )
    changed_by = models.ForeignKey("core.User", on_delete=models.PROTECT, related_name="+")
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="forgetting_budget_values",
                condition=models.Q(
                    answers__gte=0,
                    answers__lte=100,
                    refusals__gte=0,
                    refusals__lte=100,
                    loss__gte=0,
                    loss__lte=10,
                ),
            )
        ]

    def __str__(self) -> str:
        return f"Forgetting budget of {self.project}"


class Release(models.Model):
    """One change of the live version, with its gate result and the person who signed it off. It never changes."""

    class Action(models.TextChoices):
        LIVE = "live", "Released"
        ROLLBACK = "rollback", "Rolled back"

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="releases")
    action = models.CharField(max_length=8, choices=Action.choices)
    version = models.ForeignKey("training.ModelVersion", on_delete=models.PROTECT, related_name="releases")
    replaced = models.ForeignKey(
        "training.ModelVersion",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    gate = models.JSONField(help_text="[{name, result: pass|hold|fail, says}] at sign-off")
    note = models.TextField(blank=True)
    signed_off_by = models.ForeignKey("core.User", on_delete=models.PROTECT, related_name="releases")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(name="release_by_project", fields=["project", "-id"])]

    def __str__(self) -> str:
        if self.action == self.Action.ROLLBACK:
            return f"Rolled back from {self.replaced or 'nothing'} to {self.version}"
        return f"{self.version} released"

    @property
    def gate_says(self) -> str:
        """The gate's result at sign-off, in a few words."""
        return summary(check["result"] for check in self.gate)
