"""The losses of model versions on rows that they were not trained on."""

from django.db import models

from training.models.runs import ModelVersion


class RowLoss(models.Model):
    """How well a version predicts one row it was not trained on: the loss of the row's completion.

    A row is identified by its hash, so the same row in two dataset versions counts as one. `rendered` is a hash of the token ids it was
    measured with: with another system prompt or template the ids differ, and the row is measured again.
    """

    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="row_losses")
    row_hash = models.CharField(max_length=64)
    loss = models.FloatField(help_text="Summed over the completion's tokens, natural log.")
    tokens = models.PositiveIntegerField(help_text="Tokens of the completion, its end included.")
    rendered = models.CharField(max_length=64)
    precision = models.CharField(max_length=10, help_text="Of the weights: float32 or bfloat16.")
    at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="row_loss_once", fields=["version", "row_hash"]),
            models.CheckConstraint(
                name="row_loss_values", condition=models.Q(loss__gte=0, tokens__gt=0, loss__lt=float("inf"))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} on {self.row_hash[:12]}: {self.loss / self.tokens:.3f}"


class LossMeasurement(models.Model):
    """The measurement of two versions on the same test rows: the rows, and the number left out. The losses are RowLoss.

    A pair of versions has one; measuring again gives it another run. The rows depend only on the two versions'
    datasets, so measuring again cannot choose easier rows.
    """

    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="loss_measurements")
    against = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="+")
    run = models.OneToOneField("core.Run", on_delete=models.PROTECT, related_name="loss_measurement")
    rows = models.JSONField(
        default=list, help_text="[{hash, slice, group, weight}]; empty until they are chosen"
    )
    left_out = models.JSONField(
        default=dict, help_text="{trained_on, retired, unusable}: test rows not measured"
    )
    prompts = models.JSONField(
        default=dict, help_text="Hashes of the system prompts it was measured with: {version, against}"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="loss_measurement_once", fields=["version", "against"]),
            models.CheckConstraint(
                name="loss_of_two_versions", condition=~models.Q(version=models.F("against"))
            ),
        ]

    def __str__(self) -> str:
        return f"Loss of {self.version} and {self.against}"
