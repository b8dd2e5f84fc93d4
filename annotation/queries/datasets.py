"""Reading dataset versions."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from annotation.models import DatasetRow, DatasetVersion, Example, WithheldRow
from core.models import Project


def approved(
    project: Project, *, slices: Sequence[str] = (), sources: Sequence[str] = ()
) -> QuerySet[Example]:
    """What a freeze would take now."""
    examples = Example.objects.filter(project=project, status=Example.Status.APPROVED)
    if slices:
        examples = examples.filter(slice__in=slices)
    if sources:
        examples = examples.filter(source__name__in=sources)
    return examples


def ready_datasets(project: Project) -> QuerySet[DatasetVersion]:
    """Versions that can be trained on, newest first."""
    return DatasetVersion.objects.filter(project=project, status=DatasetVersion.Status.READY).select_related(
        "artifact", "created_by"
    )
