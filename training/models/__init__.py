from training.models.knowledge import KnowledgeAnswer
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
    "KnowledgeAnswer",
    "LossMeasurement",
    "MetricPoint",
    "ModelVersion",
    "RowLoss",
    "SampleAnswer",
    "TokenCount",
    "TrainingRun",
]
