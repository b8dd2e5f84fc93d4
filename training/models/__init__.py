"""Base models, training runs, their measurements, the model versions they produce, learning curves, and what base models answer."""

from training.models.knowledge import KnowledgeAnswer
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
    "KnowledgeAnswer",
    "LearningCurve",
    "LossMeasurement",
    "MetricPoint",
    "ModelVersion",
    "RowLoss",
    "SampleAnswer",
    "TokenCount",
    "TrainingRun",
]
