from dataset.models.audits import AuditDecision, AuditFinding, BiasAudit, BiasLexicon, Twin
from dataset.models.duplicates import DuplicateCluster, DuplicateMember, DuplicateSearch, NearTest
from dataset.models.imports import DataImport, ImportIssue, ImportMapping
from dataset.models.preferences import Judgement
from dataset.models.reports import DatasheetAnswer, RowFinding, VersionReport
from dataset.models.sources import (
    DataRule,
    ProjectRules,
    Source,
    SourcePartner,
    Withdrawal,
    WithdrawalDecision,
    WithdrawnExample,
)
from dataset.models.uploads import Upload
from dataset.models.versions import DatasetRow, DatasetVersion, GroupSplit, WithheldRow

__all__ = [
    "AuditDecision",
    "AuditFinding",
    "BiasAudit",
    "BiasLexicon",
    "DataImport",
    "DataRule",
    "DatasetRow",
    "DatasetVersion",
    "DatasheetAnswer",
    "DuplicateCluster",
    "DuplicateMember",
    "DuplicateSearch",
    "GroupSplit",
    "ImportIssue",
    "ImportMapping",
    "Judgement",
    "NearTest",
    "ProjectRules",
    "RowFinding",
    "Source",
    "SourcePartner",
    "Twin",
    "Upload",
    "VersionReport",
    "Withdrawal",
    "WithdrawalDecision",
    "WithdrawnExample",
    "WithheldRow",
]
