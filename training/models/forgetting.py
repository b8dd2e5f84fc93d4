"""What a model version forgot: the answers of a base model and of a version to the items of the general set."""

from django.db import models
from django.db.models import Q

from training.models.runs import BaseModel, ModelVersion

_LOSS = {"gte": 0, "lt": float("inf")}


def _losses(*names: str) -> Q:
    found = Q(tokens__gt=0)
    for name in names:
        found &= Q(**{f"{name}__{bound}": value for bound, value in _LOSS.items()})
    return found


class GeneralAnswer(models.Model):
    """The answer of a base model to one item. A base model is asked once for each version of the general set and precision, for all
    projects."""

    base_model = models.ForeignKey(BaseModel, on_delete=models.CASCADE, related_name="general_answers")
    set_version = models.CharField(max_length=64)
    precision = models.CharField(max_length=10, help_text="Of the weights: float32 or bfloat16.")
    task = models.CharField(max_length=20)
    item = models.CharField(max_length=40)
    answer = models.TextField(blank=True, help_text="Empty for prose, which is only predicted.")
    correct = models.BooleanField(null=True, help_text="Null for items without a check.")
    loss = models.FloatField(help_text="Of the reference answer, summed over its tokens, natural log.")
    tokens = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="general_answer_once", fields=["base_model", "set_version", "precision", "item"]
            ),
            models.CheckConstraint(name="general_answer_values", condition=_losses("loss")),
        ]

    def __str__(self) -> str:
        return f"{self.base_model} on {self.item}"


class ForgettingMeasurement(models.Model):
    """What one version forgot against its base model, and against the version before it on that one's test rows.

    A version has one; measuring again gives it another run. Answers under the same conditions are kept.
    """

    version = models.OneToOneField(ModelVersion, on_delete=models.CASCADE, related_name="forgetting")
    run = models.OneToOneField("core.Run", on_delete=models.PROTECT, related_name="forgetting")
    previous = models.ForeignKey(
        ModelVersion,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The version whose test rows were measured too; null without one.",
    )
    set_version = models.CharField(max_length=64, blank=True, help_text="Empty until the run begins.")
    precision = models.CharField(max_length=10, blank=True)
    figures = models.JSONField(
        default=list, help_text="[training.forgetting.TaskFigures]; empty until all is measured"
    )
    left_out = models.PositiveIntegerField(default=0, help_text="Items that the base model cannot be asked.")
    measured_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="forgetting_of_two_versions",
                condition=Q(previous=None) | ~Q(version=models.F("previous")),
            ),
            models.CheckConstraint(
                name="forgetting_measured_has_figures",
                condition=Q(measured_at=None, figures=[]) | (Q(measured_at__isnull=False) & ~Q(figures=[])),
            ),
        ]

    def __str__(self) -> str:
        return f"Forgetting of {self.version}"


class ForgettingItem(models.Model):
    """One item before and after training. The texts are kept here, so that they stay readable when the general set changes."""

    measurement = models.ForeignKey(ForgettingMeasurement, on_delete=models.CASCADE, related_name="items")
    task = models.CharField(max_length=20)
    item = models.CharField(max_length=40)
    question = models.TextField(blank=True)
    reference = models.TextField()
    base_answer = models.TextField(blank=True)
    answer = models.TextField(blank=True)
    base_correct = models.BooleanField(null=True)
    correct = models.BooleanField(null=True)
    base_loss = models.FloatField(help_text="Of the reference, summed over its tokens, natural log.")
    loss = models.FloatField()
    tokens = models.PositiveIntegerField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(name="forgetting_item_once", fields=["measurement", "item"]),
            models.CheckConstraint(
                name="forgetting_item_values",
                condition=_losses("base_loss", "loss")
                & (
                    Q(base_correct__isnull=True, correct__isnull=True)
                    | Q(base_correct__isnull=False, correct__isnull=False)
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item} of {self.measurement}"
