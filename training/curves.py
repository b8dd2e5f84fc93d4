"""Loss curves, drawn the same way on every page."""

from collections.abc import Sequence

from core.charts import Series
from training.models import MetricPoint

# A step has few rows of similar length, so its loss varies with the rows. The mean of some steps shows the trend.
WINDOW = 5
NOTE = f"Mean over completion tokens, in nats. Training: mean of the last {WINDOW} steps. Validation rows are never trained on."


def trailing_mean(values: Sequence[float], window: int = WINDOW) -> list[float]:
    """The mean of each value and the up to `window` - 1 before it."""
    means = []
    for at in range(len(values)):
        part = values[max(0, at - window + 1) : at + 1]
        means.append(sum(part) / len(part))
    return means


def loss_series(points: dict[str, list[MetricPoint]], prefix: str = "") -> list[Series]:
    """Training and validation loss by step; `prefix` distinguishes runs on one chart."""
    train, held_out = points["train"], points["validation"]
    means = trailing_mean([point.loss for point in train])
    return [
        Series(f"{prefix}training", [(point.step, mean) for point, mean in zip(train, means, strict=True)]),
        Series(f"{prefix}validation", [(point.step, point.loss) for point in held_out], dotted=True),
    ]
