from dataset.models.imports import DataImport, ImportIssue, Source
from dataset.models.versions import DatasetRow, DatasetVersion, GroupSplit, WithheldRow

__all__ = ["DataImport", "DatasetRow", "DatasetVersion", "GroupSplit", "ImportIssue", "Source", "WithheldRow"]
