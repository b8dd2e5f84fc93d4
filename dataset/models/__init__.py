from dataset.models.imports import DataImport, ImportIssue, ImportMapping, Source
from dataset.models.reports import DatasheetAnswer, RowFinding, VersionReport
from dataset.models.uploads import Upload
from dataset.models.versions import DatasetRow, DatasetVersion, GroupSplit, WithheldRow

__all__ = [
    "DataImport", "DatasetRow", "DatasetVersion", "DatasheetAnswer", "GroupSplit", "ImportIssue", "ImportMapping", "RowFinding",
    "Source", "Upload", "VersionReport", "WithheldRow",
]  # fmt: skip
