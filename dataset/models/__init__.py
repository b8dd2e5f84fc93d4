from dataset.models.imports import DataImport, ImportIssue, ImportMapping, Source
from dataset.models.uploads import Upload
from dataset.models.versions import DatasetRow, DatasetVersion, GroupSplit, WithheldRow

__all__ = [
    "DataImport", "DatasetRow", "DatasetVersion", "GroupSplit", "ImportIssue", "ImportMapping", "Source", "Upload", "WithheldRow",
]  # fmt: skip
