"""Base models, training runs, their measurements, the model versions they produce, learning curves, what base models answer, what
versions forgot, and personal adapters."""

from training.models.bases import BaseModel
from training.models.forgetting import ForgettingItem, ForgettingMeasurement, GeneralAnswer
from training.models.interpolation import Interpolation
from training.models.knowledge import KnowledgeAnswer
from training.models.learning_curves import CurvePoint, LearningCurve
from training.models.losses import LossMeasurement, RowLoss
from training.models.personal import (
    ApiCaller,
    CorrectionSplit,
    DeletionReceipt,
    PersonalAdapter,
    Team,
    TeamMember,
)
from training.models.replay import ReplayedRow
from training.models.runs import (
    MetricPoint,
    ModelVersion,
    SampleAnswer,
    TokenCount,
    TrainingRun,
)

__all__ = [
    "ApiCaller",
    "BaseModel",
    "CorrectionSplit",
    "CurvePoint",
    "DeletionReceipt",
    "ForgettingItem",
    "ForgettingMeasurement",
    "GeneralAnswer",
    "Interpolation",
    "KnowledgeAnswer",
    "LearningCurve",
    "LossMeasurement",
    "MetricPoint",
    "ModelVersion",
    "PersonalAdapter",
    "ReplayedRow",
    "RowLoss",
    "SampleAnswer",
    "Team",
    "TeamMember",
    "TokenCount",
    "TrainingRun",
]
