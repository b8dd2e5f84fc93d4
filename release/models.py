"""Releases and rollbacks, with their evidence and sign-off."""

from django.db import models

from release.gate import summary


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
