"""What workers write: progress, loss points, samples and results of a run.

It is below the runner, so that the runner can call it. `training.services` has the actions of users.
"""

import hashlib
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from core.audit.entries import record
from core.database.transitions import transition
from core.models import Artifact, Project, Run, User
from core.services.events import publish
from training import checkpoints
from training.actions import TrainingAction
from training.host.code_version import code_version
from training.models import (
    BaseModel,
    CurvePoint,
    LearningCurve,
    LossMeasurement,
    MetricPoint,
    ModelVersion,
    RowLoss,
    SampleAnswer,
    TrainingRun,
)
from training.serving import Serving

# How long the checkpoints of a failed or cancelled run are kept, so that it can be started again.
CHECKPOINT_DAYS = 14
REGISTERED = "model_version.registered"


# --- base models -------------------------------------------------------------------------------------------
@transaction.atomic
def base_prepared(*, base_model: BaseModel, artifact: Artifact, facts: dict[str, Any]) -> BaseModel:
    """Marks a stored base model as ready."""
    transition(base_model, BaseModel.Status.READY, artifact=artifact, **facts)
    project = base_model.run.project if base_model.run else None
    record(
        by=None,
        project=project,
        action=TrainingAction.BASE_MODEL_READY,
        obj=base_model,
        artifact=artifact.sha256,
    )
    if project is not None:
        make_base_version(by=None, project=project, base_model=base_model)
    return base_model


@transaction.atomic
def make_base_version(*, by: User | None, project: Project, base_model: BaseModel) -> ModelVersion:
    """The project's model version of a ready base model (number 0). Repeated calls return the same one."""
    assert base_model.artifact is not None  # a ready base model has one
    digits = hashlib.sha256(f"{project.pk}/{base_model.pk}".encode()).hexdigest()[:8]
    version, created = ModelVersion.objects.get_or_create(
        project=project,
        base_model=base_model,
        number=0,
        defaults={
            "kind": ModelVersion.Kind.BASE,
            "artifact": base_model.artifact,
            "served_name": f"{project.slug[:48]}-{base_model.slug[:48]}-base-{digits}",
            "parity_prompts": base_model.parity_prompts,
        },
    )
    if created:
        record(by=by, project=project, action=TrainingAction.MODEL_VERSION_REGISTERED, obj=version)
        publish(project=project, kind=REGISTERED, payload={"version": version.pk})
    return version


# --- progress ----------------------------------------------------------------------------------------------
@transaction.atomic
def note_progress(
    *, training_run: TrainingRun, points: Iterable[MetricPoint] = (), **figures: object
) -> None:
    """Writes points and figures during the run. A repeated point of a resumed run replaces the earlier one."""
    MetricPoint.objects.bulk_create(
        points,
        update_conflicts=True,
        unique_fields=["training_run", "series", "step"],
        update_fields=["epoch", "loss", "learning_rate", "tokens_per_second", "figures"],
    )
    if figures:
        for name, value in figures.items():
            setattr(training_run, name, value)
        training_run.save(update_fields=list(figures))


@transaction.atomic
def note_samples(*, training_run: TrainingRun, samples: Iterable[SampleAnswer]) -> None:
    SampleAnswer.objects.bulk_create(
        samples,
        update_conflicts=True,
        unique_fields=["training_run", "step", "question"],
        update_fields=["answer", "reference"],
    )


@transaction.atomic
def note_resume(*, training_run: TrainingRun, attempt: int, from_step: int) -> None:
    """A worker resumed the run: what was measured after the checkpoint is measured again."""
    training_run.resumes = [
        *training_run.resumes,
        {"attempt": attempt, "from_step": from_step, "at": timezone.now().isoformat()},
    ]
    training_run.done_steps = from_step
    training_run.checkpoint_step = from_step or None
    training_run.save(update_fields=["resumes", "done_steps", "checkpoint_step"])
    training_run.points.filter(step__gt=from_step).delete()
    training_run.samples.filter(step__gt=from_step).delete()
    record(
        by=None,
        project=training_run.project,
        action=TrainingAction.TRAINING_RESUMED,
        obj=training_run,
        from_step=from_step,
    )


# --- results -----------------------------------------------------------------------------------------------
def served_name_of(project: Project, number: int, artifact: Artifact, training_run: TrainingRun) -> str:
    """The version's permanent name in engines: `<project>-v<number>-<8 hex>`.

    The digits depend on the weights and on the run, so that two runs with identical weights have different names.
    """
    digits = hashlib.sha256(f"{artifact.sha256}/{project.pk}/{training_run.pk}".encode()).hexdigest()[:8]
    return f"{slugify(project.slug)[:80]}-v{number}-{digits}"


@transaction.atomic
def register_version(
    *,
    training_run: TrainingRun,
    artifact: Artifact,
    kind: str,
    serving: Serving,
    adapter_rank: int | None,
    parity_prompts: list[dict[str, Any]],
) -> ModelVersion:
    """The run's model version, numbered per project. A run has one; repeated calls return it."""
    # The lock numbers two runs of one project that end at the same moment one after the other.
    project = Project.objects.select_for_update(no_key=True).get(pk=training_run.project_id)
    existing = ModelVersion.objects.filter(training_run=training_run).first()
    if existing is not None:
        return existing
    newest = ModelVersion.objects.filter(project=project).order_by("-number").first()
    number = (newest.number if newest else 0) + 1
    parent = training_run.continued_from
    version = ModelVersion.objects.create(
        project=project,
        number=number,
        kind=kind,
        serving=serving,
        base_model=training_run.base_model,
        training_run=training_run,
        parent=parent,
        parent_number=parent.number if parent else None,
        artifact=artifact,
        served_name=served_name_of(project, number, artifact, training_run),
        adapter_rank=adapter_rank,
        parity_prompts=parity_prompts,
        note=training_run.note,
    )
    record(
        by=None,
        project=project,
        action=TrainingAction.MODEL_VERSION_REGISTERED,
        obj=version,
        run=training_run.number,
        artifact=artifact.sha256,
    )
    publish(project=project, kind=REGISTERED, payload={"version": version.pk})
    return version


@transaction.atomic
def note_files_checked(*, version: ModelVersion, wrong: list[str]) -> None:
    version.files_report = {"at": timezone.now().isoformat(), "wrong": wrong}
    version.save(update_fields=["files_report"])
    record(
        by=None,
        project=version.project,
        action=TrainingAction.MODEL_VERSION_FILES_CHECKED,
        obj=version,
        wrong=wrong,
    )


# --- test losses ----------------------------------------------------------------------------------------
@transaction.atomic
def note_rows_chosen(
    *,
    measurement: LossMeasurement,
    rows: list[dict[str, Any]],
    left_out: dict[str, int],
    prompts: dict[str, str],
) -> None:
    """Stores the chosen rows before the first one is measured, in the shapes of LossMeasurement."""
    measurement.rows, measurement.left_out, measurement.prompts = rows, left_out, prompts
    measurement.save(update_fields=["rows", "left_out", "prompts"])


@transaction.atomic
def note_row_losses(*, losses: Iterable[RowLoss]) -> None:
    """Stores losses during the measurement. A repeated row (with another prompt or precision) replaces the earlier
    one."""
    RowLoss.objects.bulk_create(
        losses,
        update_conflicts=True,
        unique_fields=["version", "row_hash"],
        update_fields=["loss", "tokens", "rendered", "precision", "at"],
    )


@transaction.atomic
def note_losses_measured(*, measurement: LossMeasurement) -> None:
    record(
        by=None,
        project=measurement.version.project,
        action=TrainingAction.MODEL_VERSION_LOSS_MEASURED,
        obj=measurement.version,
        against=str(measurement.against),
        rows=len(measurement.rows),
    )


# --- learning curves ------------------------------------------------------------------------------------
@transaction.atomic
def note_curve_begun(
    *,
    curve: LearningCurve,
    held_out: list[dict[str, Any]],
    left_out: int,
    environment: dict[str, Any],
) -> None:
    """Stores the rows that all points are measured on, before the first point."""
    curve.held_out, curve.left_out, curve.environment = held_out, left_out, environment
    curve.code_version = code_version()
    curve.save(update_fields=["held_out", "left_out", "environment", "code_version"])


@transaction.atomic
def note_curve_point(*, point: CurvePoint, forecast: dict[str, Any]) -> None:
    """Stores a finished point, and what the curve says with it."""
    point.save(force_insert=True)
    LearningCurve.objects.filter(pk=point.curve_id).update(forecast=forecast)


@transaction.atomic
def note_curve_measured(*, curve: LearningCurve, points: int) -> None:
    record(
        by=None,
        project=curve.project,
        action=TrainingAction.LEARNING_CURVE_MEASURED,
        obj=curve,
        points=points,
    )


@transaction.atomic
def drop_old_checkpoints() -> list[int]:
    """Removes this machine's checkpoints of training runs that ended CHECKPOINT_DAYS ago or no longer exist; returns
    their ids.

    A run that is started again at this moment finds either all its checkpoints or none.
    """
    here = checkpoints.training_runs()
    since = timezone.now() - timedelta(days=CHECKPOINT_DAYS)
    training_runs = TrainingRun.objects.filter(pk__in=here)
    kept = training_runs.filter(run__status__in=Run.ACTIVE) | training_runs.filter(
        run__finished_at__gte=since
    )
    old = sorted(here - set(kept.values_list("pk", flat=True)))
    TrainingRun.objects.filter(pk__in=old).update(checkpoint_step=None)
    for training_run_id in old:
        checkpoints.remove(training_run_id)
    return old
