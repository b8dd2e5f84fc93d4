"""Measuring two model versions on the same test rows."""

from django.db import transaction

from core.errors import Conflict, Refused
from core.models import Run, User
from core.runs.control import launch_run
from training import losses
from training.models import LossMeasurement, ModelVersion


@transaction.atomic
def measure_loss(*, by: User | None, version: ModelVersion, against: ModelVersion) -> LossMeasurement:
    """Starts a run that measures the loss of both versions on the same test rows.

    Rows that were measured before under the same conditions are not measured again. Conflict while a measurement of the
    two is under way; Refused when they are one, of different projects, or have no test rows.
    """
    if version.pk == against.pk or version.project_id != against.project_id:
        raise Refused("Two different versions of one project are needed.")
    if not losses.count_test_rows(version, against):
        raise Refused(
            f"The data of {version} and {against} holds no test rows, so there is nothing to measure them on.",
            "Freeze a dataset with test rows, and train on it.",
        )
    # One after the other: the second of two people finds the first one's run.
    ModelVersion.objects.select_for_update(of=("self",)).get(pk=version.pk)
    found = LossMeasurement.objects.select_related("run").filter(version=version, against=against).first()
    if found is not None and found.run.is_active:
        raise Conflict("They are being measured already.", "Wait for the result on this page.")
    run = launch_run(
        by=by,
        project=version.project,
        kind="test_loss",
        title=f"Measure the loss of {version} and {against} on test rows",
    )
    if found is None:
        found = LossMeasurement.objects.create(version=version, against=against, run=run)
    else:
        found.run, found.rows = run, []
        found.save(update_fields=["run", "rows"])
    run.params = {"measurement": found.pk}
    run.save(update_fields=["params"])
    return found


def again(run: Run, by: User) -> None:
    """Rows that are measured already are kept (core.runs.kinds.RunKind.on_again)."""
    measurement = LossMeasurement.objects.filter(pk=run.params.get("measurement")).first()
    if measurement is not None:
        # Whoever measures the two again at this moment holds this lock.
        ModelVersion.objects.select_for_update(of=("self",)).get(pk=measurement.version_id)
    if not LossMeasurement.objects.filter(run=run).exists():
        raise Conflict("A later run measures these two versions.", "See the version's release page.")
