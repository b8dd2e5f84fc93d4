"""The page of the object of an annotation run (core.runs.RunKind.subject)."""

from django.urls import reverse

from annotation.models import DatasetVersion, Import
from core.models import Run


def of_import(run: Run) -> tuple[str, str] | None:
    batch = Import.objects.filter(run=run).select_related("project").first()
    if batch is None:
        return None
    return f"Import of {batch.file_name}", reverse("annotation:import", args=[batch.project.slug, batch.pk])


def of_freeze(run: Run) -> tuple[str, str] | None:
    dataset = DatasetVersion.objects.filter(run=run).select_related("project").first()
    if dataset is None:
        return None
    return str(dataset), reverse("annotation:dataset", args=[dataset.project.slug, dataset.number])
