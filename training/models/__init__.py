"""Base models, training runs, their measurements, the model versions they produce, and learning curves."""

from training.models.learning_curves import CurvePoint, LearningCurve
from training.models.runs import (
    BaseModel,
    LossMeasurement,
    MetricPoint,
    ModelVersion,
    RowLoss,
    SampleAnswer,
    TokenCount,
    TrainingRun,
)

__all__ = [
    "BaseModel",
    "CurvePoint",
    "LearningCurve",
    "LossMeasurement",
    "MetricPoint",
    "ModelVersion",
    "RowLoss",
    "SampleAnswer",
    "TokenCount",
    "TrainingRun",
]
