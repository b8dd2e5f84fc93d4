"""Measuring two model versions on the same test rows."""

from django.db import transaction

from core.errors import Conflict, Refused
from core.models import Run, User
from core.runs.control import launch_run
from training import losses
from training.models import LossMeasurement, ModelVersion


@transaction.atomic
def measure_loss(*, by: User | None, version: ModelVersion, against: ModelVersion) -> LossMeasurement:
    """Starts a background job that measures the loss of both versions on the same test rows.

    Rows that were measured before under the same conditions are not measured again. Conflict while the two are being
    measured. Refused when they are the same version, of different projects, or without test rows.
    """
    if version.pk == against.pk or version.project_id != against.project_id:
        raise Refused("Choose two different versions of one project.")
    if not losses.count_test_rows(version, against):
        raise Refused(
            f"The data of {version} and {against} has no test rows, so their loss cannot be measured.",
            "Freeze a dataset with test rows, and train on it.",
        )
    # Two requests run one after the other: the second finds the run of the first.
    ModelVersion.objects.select_for_update(of=("self",)).get(pk=version.pk)
    measurement = (
        LossMeasurement.objects.select_related("run").filter(version=version, against=against).first()
    )
    if measurement is not None and measurement.run.is_active:
        raise Conflict("They are being measured already.", "Wait for the result on this page.")
    run = launch_run(
        by=by,
        project=version.project,
        kind="test_loss",
        title=f"Measure the test loss of {version} and {against}",
        params={"version": version.pk},
    )
    if measurement is None:
        measurement = LossMeasurement.objects.create(version=version, against=against, run=run)
    else:
        measurement.run, measurement.rows = run, []
        measurement.save(update_fields=["run", "rows"])
    return measurement


def again(run: Run, by: User) -> None:
    """Rows that are measured already are kept (core.runs.kinds.RunKind.on_again)."""
    # A new measurement of the two holds this lock.
    ModelVersion.objects.select_for_update(of=("self",)).filter(pk=run.params.get("version")).first()
    if not LossMeasurement.objects.filter(run=run).exists():
        raise Conflict("A later run measures these two versions.", "See the version's release page.")
