"""Reads imports and the results of their lines."""

from django.db.models import QuerySet

from core.models import Project
from dataset.models import DataImport, ImportIssue


def imports_of(project: Project) -> QuerySet[DataImport]:
    """Newest first, with what a list shows. One query."""
    return DataImport.objects.filter(project=project).select_related(
        "run__project", "run__created_by", "created_by", "removed_by", "upload"
    )


def issues_of(data_import: DataImport, *, kind: str = "") -> QuerySet[ImportIssue]:
    """Bad and repeated lines in the order of the file. One query."""
    issues = ImportIssue.objects.filter(data_import=data_import)
    return issues.filter(kind=kind) if kind else issues
