"""Base models, training runs, their measurements, the model versions they produce, learning curves, what base models answer, and what
versions forgot."""

from training.models.bases import BaseModel
from training.models.forgetting import ForgettingItem, ForgettingMeasurement, GeneralAnswer
from training.models.knowledge import KnowledgeAnswer
from training.models.learning_curves import CurvePoint, LearningCurve
from training.models.runs import (
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
    "ForgettingItem",
    "ForgettingMeasurement",
    "GeneralAnswer",
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
