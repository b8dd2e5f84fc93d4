"""What weights between a base model and a version do."""

from django.db import models
from django.db.models import Q

from training.models.runs import ModelVersion


class Interpolation(models.Model):
    """The shares of the way from a base model to a version, as they were measured. A version has one; measuring again gives it another
    run, and keeps shares that were measured under the same conditions."""

    version = models.OneToOneField(ModelVersion, on_delete=models.CASCADE, related_name="interpolation")
    run = models.OneToOneField("core.Run", on_delete=models.PROTECT, related_name="interpolation")
    set_version = models.CharField(
        max_length=64, blank=True, help_text="Of the general set; empty until the run begins."
    )
    precision = models.CharField(max_length=10, blank=True)
    rows = models.PositiveIntegerField(default=0, help_text="Validation rows that the loss is measured on.")
    figures = models.JSONField(
        default=list, help_text="[training.interpolation.BlendFigures], as far as measured"
    )
    measured_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="interpolation_measured_has_figures",
                condition=Q(measured_at=None) | ~Q(figures=[]),
            )
        ]

    def __str__(self) -> str:
        return f"Interpolation of {self.version}"
