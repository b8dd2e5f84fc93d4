from dataset.models.imports import DataImport, ImportIssue, Source
from dataset.models.reports import DatasheetAnswer, RowFinding, VersionReport
from dataset.models.versions import DatasetRow, DatasetVersion, GroupSplit, WithheldRow

__all__ = [
    "DataImport",
    "DatasetRow",
    "DatasetVersion",
    "DatasheetAnswer",
    "GroupSplit",
    "ImportIssue",
    "RowFinding",
    "Source",
    "VersionReport",
    "WithheldRow",
]
