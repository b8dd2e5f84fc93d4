"""Measuring what a version forgot: starts the run, and stores what it measured."""

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from core.audit.entries import record
from core.errors import Conflict, Refused
from core.models import Run, User
from core.runs.control import launch_run
from training.actions import TrainingAction
from training.forgetting import KIND, TaskFigures, verdicts
from training.models import ForgettingItem, ForgettingMeasurement, GeneralAnswer, ModelVersion


@transaction.atomic
def measure_forgetting(*, by: User | None, version: ModelVersion) -> ForgettingMeasurement:
    """Starts a run that measures what the version forgot. Answers that it gave before under the same conditions are kept.

    Conflict while it is being measured. Refused for a base model: it is what versions are compared with.
    """
    if version.kind == ModelVersion.Kind.BASE:
        raise Refused("A base model has forgotten nothing.", "Choose a version that was trained.")
    # Two requests run one after the other: the second finds the run of the first.
    ModelVersion.objects.select_for_update(of=("self",)).get(pk=version.pk)
    measurement = ForgettingMeasurement.objects.select_related("run").filter(version=version).first()
    if measurement is not None and measurement.run.is_active:
        raise Conflict("It is being measured already.", "Wait for the result on the version's page.")
    run = launch_run(
        by=by,
        project=version.project,
        kind=KIND,
        title=f"Measure what {version} forgot",
        params={"version": version.pk},
    )
    if measurement is None:
        measurement = ForgettingMeasurement.objects.create(version=version, run=run)
    else:
        measurement.run, measurement.figures, measurement.measured_at = run, [], None
        measurement.save(update_fields=["run", "figures", "measured_at"])
    if by is not None:
        record(by=by, project=version.project, action=TrainingAction.FORGETTING_REQUESTED, obj=version)
    return measurement


def again(run: Run, by: User) -> None:
    """Answers given so far are kept (core.runs.kinds.RunKind.on_again)."""
    # A new measurement of the version holds this lock.
    ModelVersion.objects.select_for_update(of=("self",)).filter(pk=run.params.get("version")).first()
    if not ForgettingMeasurement.objects.filter(run=run).exists():
        raise Conflict("A later run measures this version.", "See the version's page.")


# --- from the worker -------------------------------------------------------------------------------------------
@transaction.atomic
def note_forgetting_begun(
    *,
    measurement: ForgettingMeasurement,
    set_version: str,
    precision: str,
    previous: ModelVersion | None,
    left_out: int,
) -> None:
    """Stores the conditions. Answers given under other conditions are removed."""
    if (measurement.set_version, measurement.precision) != (set_version, precision):
        measurement.items.all().delete()
    measurement.set_version, measurement.precision = set_version, precision
    measurement.previous, measurement.left_out = previous, left_out
    measurement.save(update_fields=["set_version", "precision", "previous", "left_out"])


@transaction.atomic
def note_general_answers(*, answers: Sequence[GeneralAnswer]) -> None:
    """The answers of a base model. Another run may have asked it meanwhile: the first answer stays, which both compare with."""
    GeneralAnswer.objects.bulk_create(answers, ignore_conflicts=True)


@transaction.atomic
def note_forgetting_items(*, items: Sequence[ForgettingItem]) -> None:
    ForgettingItem.objects.bulk_create(items, ignore_conflicts=True)


@transaction.atomic
def note_forgetting_measured(*, measurement: ForgettingMeasurement, figures: Sequence[TaskFigures]) -> None:
    measurement.figures = [one.as_values() for one in figures]
    measurement.measured_at = timezone.now()
    measurement.save(update_fields=["figures", "measured_at"])
    record(
        by=None,
        project=measurement.version.project,
        action=TrainingAction.FORGETTING_MEASURED,
        obj=measurement.version,
        forgot=sum(one.verdict == "forgot" for one in verdicts(figures)),
        tasks=len(figures),
    )
