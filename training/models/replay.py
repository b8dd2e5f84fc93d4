"""Rows that a training run practises besides those of its dataset."""

from django.db import models

from training.models.runs import TrainingRun


class ReplayedRow(models.Model):
    """A row of an earlier dataset version of the project that a run practises. Drawn when the run is launched, so that it stays the same
    however often the run is taken up again, and everybody can see what the model was trained on."""

    training_run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="replayed")
    row = models.ForeignKey("datasets.DatasetRow", on_delete=models.RESTRICT, related_name="replays")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(name="replayed_once", fields=["training_run", "row"])]

    def __str__(self) -> str:
        return f"{self.row} in {self.training_run}"
