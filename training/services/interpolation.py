"""Weights between a base model and a version: starts the measurement, and makes a version of a share."""

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from core.audit.entries import record
from core.errors import Conflict, Invalid, Refused
from core.models import Project, Run, User
from core.runs.control import launch_run
from training.actions import TrainingAction
from training.host.code_version import code_version
from training.interpolation import BETWEEN, KIND, STORE_KIND, BlendFigures, why_not
from training.models import Interpolation, ModelVersion, TrainingRun

# Copied from the run that trained: they say what the weights have seen.
_SAME = (
    "base_model", "dataset", "method", "objective", "recipe", "recipe_hash", "serving_plan",
    "planned_steps", "done_steps", "train_rows", "data_facts", "loss_before",
)  # fmt: skip


def _refuse(version: ModelVersion) -> TrainingRun:
    why = why_not(version.kind, version.training_run.method if version.training_run else "")
    if why or version.training_run is None:
        raise Refused(why, "Choose a version that was trained with LoRA or with all weights.")
    return version.training_run


@transaction.atomic
def measure_interpolation(*, by: User, version: ModelVersion) -> Interpolation:
    """Starts a run that measures PERCENTS of the way. Refused for versions without weights between; Conflict while it is measured."""
    _refuse(version)
    # Two requests run one after the other: the second finds the run of the first.
    ModelVersion.objects.select_for_update(of=("self",)).get(pk=version.pk)
    measurement = Interpolation.objects.select_related("run").filter(version=version).first()
    if measurement is not None and measurement.run.is_active:
        raise Conflict("It is being measured already.", "Wait for the result on this page.")
    run = launch_run(
        by=by,
        project=version.project,
        kind=KIND,
        title=f"Measure the way to {version}",
        params={"version": version.pk},
    )
    if measurement is None:
        measurement = Interpolation.objects.create(version=version, run=run)
    else:
        measurement.run, measurement.measured_at = run, None
        measurement.save(update_fields=["run", "measured_at"])
    record(by=by, project=version.project, action=TrainingAction.INTERPOLATION_REQUESTED, obj=version)
    return measurement


@transaction.atomic
def store_share(*, by: User, version: ModelVersion, percent: int) -> TrainingRun:
    """Starts a run that makes a new version so much of the way from the base model to this one, which stays as it is.

    Invalid for a share that is not one of BETWEEN, or that was not measured. Conflict when it was made already.
    """
    source = _refuse(version)
    if percent not in BETWEEN:
        raise Invalid("Choose a share between the ends.", fields={"percent": ["Choose one of the shares."]})
    # The lock gives out numbers one at a time per project, and lets a second request see the first one's run.
    Project.objects.select_for_update(no_key=True).get(pk=version.project_id)
    measured = Interpolation.objects.filter(version=version).first()
    if measured is None or percent not in {one["percent"] for one in measured.figures}:
        raise Invalid("This share was not measured.", fields={"percent": ["Measure the shares first."]})
    made = TrainingRun.objects.filter(continued_from=version, percent=percent).exclude(
        run__status__in=Run.UNFINISHED
    )
    if made.exists():
        raise Conflict(
            f"{percent}% of the way to {version} is a version already, or becomes one.",
            "See Model versions.",
        )
    highest = TrainingRun.objects.filter(project=version.project_id).aggregate(highest=Max("number"))
    number = (highest["highest"] or 0) + 1
    run = launch_run(
        by=by,
        project=version.project,
        kind=STORE_KIND,
        title=f"Run {number}: {percent}% of the way to {version}",
    )
    training_run = TrainingRun.objects.create(
        project=version.project,
        run=run,
        number=number,
        continued_from=version,
        percent=percent,
        note=f"{percent}% of the way from the base model to {version}",
        code_version=code_version(),
        launched_by=by,
        **{name: getattr(source, name) for name in _SAME},
    )
    record(
        by=by,
        project=version.project,
        action=TrainingAction.SHARE_STORED,
        obj=version,
        percent=percent,
        run=number,
    )
    return training_run


def again(run: Run, by: User) -> None:
    """Shares measured so far are kept (core.runs.kinds.RunKind.on_again)."""
    # A new measurement of the version holds this lock.
    ModelVersion.objects.select_for_update(of=("self",)).filter(pk=run.params.get("version")).first()
    if not Interpolation.objects.filter(run=run).exists():
        raise Conflict("A later run measures this version.", "See the version's page.")


def store_again(run: Run, by: User) -> None:
    """It starts from the beginning (core.runs.kinds.RunKind.on_again)."""
    training_run = TrainingRun.objects.select_related("project").get(run=run)
    Project.objects.select_for_update(no_key=True).get(pk=training_run.project_id)
    others = TrainingRun.objects.filter(
        continued_from=training_run.continued_from_id, percent=training_run.percent
    ).exclude(pk=training_run.pk)
    if (
        ModelVersion.objects.filter(training_run=training_run).exists()
        or others.exclude(run__status__in=Run.UNFINISHED).exists()
    ):
        raise Conflict("This share is a version already, or becomes one.", "See Model versions.")


# --- from the worker -------------------------------------------------------------------------------------------
@transaction.atomic
def note_interpolation_begun(
    *, measurement: Interpolation, set_version: str, precision: str, rows: int
) -> None:
    """Stores the conditions. Shares measured under other conditions are removed."""
    conditions = (set_version, precision, rows)
    if (measurement.set_version, measurement.precision, measurement.rows) != conditions:
        measurement.figures = []
    measurement.set_version, measurement.precision, measurement.rows = conditions
    measurement.save(update_fields=["set_version", "precision", "rows", "figures"])


@transaction.atomic
def note_share(*, measurement: Interpolation, figures: BlendFigures) -> None:
    measurement.figures = [*measurement.figures, figures.as_values()]
    measurement.save(update_fields=["figures"])


@transaction.atomic
def note_interpolation_measured(*, measurement: Interpolation) -> None:
    measurement.measured_at = timezone.now()
    measurement.save(update_fields=["measured_at"])
    record(
        by=None,
        project=measurement.version.project,
        action=TrainingAction.INTERPOLATION_MEASURED,
        obj=measurement.version,
        shares=len(measurement.figures),
    )
