"""Reads imports and the results of their lines."""

from django.db.models import QuerySet

from core.access import Access
from core.models import Project
from dataset.mapping import fingerprint
from dataset.models import DataImport, ImportIssue, ImportMapping, Upload


def imports_of(project: Project) -> QuerySet[DataImport]:
    """Newest first, with what a list shows. One query."""
    return DataImport.objects.filter(project=project).select_related(
        "run__project", "run__created_by", "created_by", "removed_by", "upload"
    )


def issues_of(data_import: DataImport, *, kind: str = "") -> QuerySet[ImportIssue]:
    """Bad and repeated lines in the order of the file. One query."""
    issues = ImportIssue.objects.filter(data_import=data_import)
    return issues.filter(kind=kind) if kind else issues


def uploads_of(access: Access) -> QuerySet[Upload]:
    """The person's own unfinished uploads in the project, newest first. One query."""
    return Upload.objects.filter(project=access.project, by=access.user)


def remembered_mapping(data_import: DataImport) -> ImportMapping | None:
    """What the project last chose for files with these columns. One query."""
    names = [str(column["name"]) for column in data_import.columns]
    if not names:
        return None
    known = ImportMapping.objects.filter(project=data_import.project_id, fingerprint=fingerprint(names))
    return known.select_related("by").first()
