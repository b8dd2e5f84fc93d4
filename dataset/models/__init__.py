from dataset.models.imports import DataImport, ImportIssue
from dataset.models.sources import (
    DataRule,
    ProjectRules,
    Source,
    SourcePartner,
    Withdrawal,
    WithdrawalDecision,
    WithdrawnExample,
)
from dataset.models.versions import DatasetRow, DatasetVersion, GroupSplit, WithheldRow

__all__ = [
    "DataImport",
    "DataRule",
    "DatasetRow",
    "DatasetVersion",
    "GroupSplit",
    "ImportIssue",
    "ProjectRules",
    "Source",
    "SourcePartner",
    "Withdrawal",
    "WithdrawalDecision",
    "WithdrawnExample",
    "WithheldRow",
]
