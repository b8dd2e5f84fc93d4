"""Learning curves: one recipe trained on growing shares of a dataset version, measured on the same held-out rows."""

from django.db import models

from training.models.runs import BaseModel


class LearningCurve(models.Model):
    """One learning curve: base model + dataset version + recipe, at several shares of the training rows. Its progress is a core Run.

    The models of its points are not kept; their figures are.
    """

    MOST_REPEATS = 5

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="learning_curves")
    run = models.OneToOneField("core.Run", on_delete=models.PROTECT, related_name="learning_curve")
    number = models.PositiveIntegerField()
    base_model = models.ForeignKey(BaseModel, on_delete=models.PROTECT, related_name="learning_curves")
    dataset = models.ForeignKey(
        "datasets.DatasetVersion", on_delete=models.PROTECT, related_name="learning_curves"
    )
    method = models.CharField(max_length=20)
    recipe = models.JSONField(help_text="All parameters, defaults included, as the method's dataclass.")
    recipe_hash = models.CharField(max_length=64)
    repeats = models.PositiveSmallIntegerField(
        help_text="How often each share is drawn and trained, each time with another seed."
    )
    code_version = models.CharField(max_length=80)
    estimated_seconds = models.FloatField(null=True, help_text="As at launch.")
    held_out = models.JSONField(
        default=list,
        help_text="[{hash, slice, group, weight, tokens}] of the rows that every point is measured on; empty until they are chosen",
    )
    left_out = models.PositiveIntegerField(
        default=0, help_text="Chosen test rows that the base model cannot read whole."
    )
    environment = models.JSONField(default=dict, help_text="torch, transformers, peft, device, threads")
    forecast = models.JSONField(
        default=dict, help_text="training.extrapolation.Forecast of the points finished so far"
    )
    launched_by = models.ForeignKey("core.User", on_delete=models.PROTECT, related_name="learning_curves")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(name="learning_curve_number", fields=["project", "number"]),
            models.CheckConstraint(
                name="learning_curve_repeats", condition=models.Q(repeats__gte=1, repeats__lte=5)
            ),
        ]

    def __str__(self) -> str:
        return f"Learning curve {self.number}"


class CurvePoint(models.Model):
    """One point of a learning curve: a share of the training rows, drawn and trained once, and what it then lost on each held-out
    row. A point is finished or not there."""

    curve = models.ForeignKey(LearningCurve, on_delete=models.CASCADE, related_name="points")
    repeat = models.PositiveSmallIntegerField(help_text="From 0.")
    share = models.PositiveSmallIntegerField(help_text="Percent of the training rows.")
    rows = models.PositiveIntegerField()
    tokens = models.BigIntegerField(help_text="Tokens seen in training, padding excluded.")
    steps = models.PositiveIntegerField()
    loss = models.FloatField(help_text="Mean per completion token of the held-out rows, natural log.")
    losses = models.JSONField(
        help_text="Of each row of LearningCurve.held_out in that order: summed over its completion."
    )
    seconds = models.FloatField(help_text="Loading, training and measuring.")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["repeat", "share"]
        constraints = [
            models.UniqueConstraint(name="curve_point_once", fields=["curve", "repeat", "share"]),
            models.CheckConstraint(
                name="curve_point_values",
                condition=models.Q(
                    share__in=[25, 50, 75, 100],
                    repeat__lt=5,
                    rows__gt=0,
                    tokens__gt=0,
                    steps__gt=0,
                    loss__gte=0,
                    loss__lt=float("inf"),
                    seconds__gte=0,
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.share}% of {self.curve}: {self.loss:.3f}"
