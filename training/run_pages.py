"""The page of the object that a background job of training works on (core.runs.RunKind.subject)."""

from django.urls import reverse

from annotation.models import DatasetVersion
from core.models import Run
from training.models import BaseModel, LossMeasurement, ModelVersion, TrainingRun


def of_training(run: Run) -> tuple[str, str] | None:
    training = TrainingRun.objects.filter(run=run).select_related("project").first()
    if training is None:
        return None
    return str(training), reverse("training:run", args=[training.project.slug, training.number])


def of_base_model(run: Run) -> tuple[str, str] | None:
    base = BaseModel.objects.filter(run=run).first()
    if base is None or run.project is None:
        return None
    return str(base), reverse("training:base", args=[run.project.slug, base.pk])


def of_token_count(run: Run) -> tuple[str, str] | None:
    dataset = DatasetVersion.objects.filter(pk=run.params.get("dataset")).select_related("project").first()
    if dataset is None:
        return None
    return str(dataset), reverse("annotation:dataset", args=[dataset.project.slug, dataset.number])


def of_files_check(run: Run) -> tuple[str, str] | None:
    return _version(ModelVersion.objects.filter(pk=run.params.get("version")).first(), run)


def of_test_loss(run: Run) -> tuple[str, str] | None:
    measurement = LossMeasurement.objects.filter(pk=run.params.get("measurement")).first()
    return _version(measurement.version if measurement else None, run)


def _version(version: ModelVersion | None, run: Run) -> tuple[str, str] | None:
    if version is None or run.project is None:
        return None
    return f"Model version {version}", reverse("training:version", args=[run.project.slug, version.pk])
