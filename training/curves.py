"""Loss curves, drawn the same way on every page."""

from collections.abc import Sequence

from django.utils.safestring import SafeString

from core.charts import Series, line_chart
from training.models import MetricPoint, TrainingRun
from training.objectives import SUPERVISED, Objective

# A step has few rows of similar length, so its loss varies with the rows. The mean of some steps shows the trend.
WINDOW = 5


def loss_note(objective: Objective | None) -> str:
    words = (objective or SUPERVISED).loss_words
    return f"{words} Training: mean of the last {WINDOW} steps. Validation rows are never trained on."


def preference_note(objective: Objective | None) -> str:
    if objective is None or not objective.reward_words:
        return ""
    return (
        f"{objective.reward_words} The margin is the mean reward of liked answers minus that of disliked ones. An accuracy of 0.5 is "
        "chance. Measured on validation rows, which are never trained on."
    )


def trailing_mean(values: Sequence[float], window: int = WINDOW) -> list[float]:
    """The mean of each value and the up to `window` - 1 before it."""
    means = []
    for at in range(len(values)):
        part = values[max(0, at - window + 1) : at + 1]
        means.append(sum(part) / len(part))
    return means


def _figure_series(points: Sequence[MetricPoint], lines: Sequence[tuple[str, str]]) -> list[Series]:
    """Lines of figures of held-out preferences by step; `lines` are (figure, name on the chart)."""
    return [
        Series(
            name,
            [(point.step, point.figures[figure]) for point in points if figure in point.figures],
            dotted=True,
        )
        for figure, name in lines
    ]


def preference_charts(training_run: TrainingRun, measured: list[MetricPoint]) -> list[tuple[str, SafeString]]:
    """(title, chart) of what was measured on held-out preferences; none for a supervised run."""
    if not measured:
        return []
    charts = (
        ("Reward margin", [("margin", "better minus worse")], "reward"),
        ("Accuracy", [("accuracy", "share told rightly")], "share"),
        ("Rewards", [("reward_liked", "liked"), ("reward_disliked", "disliked")], "reward"),
    )
    return [
        (
            title,
            line_chart(
                series=_figure_series(measured, lines),
                label=f"{title} of {training_run} on held-out preferences by step",
                x_title="step",
                y_title=y_title,
                x_max=training_run.planned_steps or None,
            ),
        )
        for title, lines, y_title in charts
    ]


def loss_series(points: dict[str, list[MetricPoint]], prefix: str = "") -> list[Series]:
    """Training and validation loss by step; `prefix` distinguishes runs on one chart."""
    train, held_out = points["train"], points["validation"]
    means = trailing_mean([point.loss for point in train])
    return [
        Series(f"{prefix}training", [(point.step, mean) for point, mean in zip(train, means, strict=True)]),
        Series(f"{prefix}validation", [(point.step, point.loss) for point in held_out], dotted=True),
    ]
