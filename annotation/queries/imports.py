"""Reads imports and the results of their lines."""

from django.db.models import QuerySet

from annotation.models import Import, ImportIssue
from core.models import Project


def imports_of(project: Project) -> QuerySet[Import]:
    """Newest first, with what a list shows. One query."""
    return Import.objects.filter(project=project).select_related(
        "run__project", "run__created_by", "created_by", "removed_by", "upload"
    )


def issues_of(batch: Import, *, kind: str = "") -> QuerySet[ImportIssue]:
    """Bad and repeated lines in the order of the file. One query."""
    issues = ImportIssue.objects.filter(batch=batch)
    return issues.filter(kind=kind) if kind else issues
