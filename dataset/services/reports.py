"""The report on a dataset version: which sources and labels its rows have, and what the checks still find in them."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from core.audit.entries import record
from core.errors import Conflict
from core.models import User
from core.runs.control import launch_run
from dataset.actions import DatasetAction
from dataset.models import DatasetVersion, VersionReport
from dataset.queries.preference_versions import refuse_preferences


@transaction.atomic
def start_report(*, by: User | None, dataset: DatasetVersion) -> VersionReport:
    """Launches the run that makes the report; one that exists already is returned as it is, whatever its run does.

    A version is frozen, so its report is made once. Raises Conflict while the version is not ready.
    """
    dataset = DatasetVersion.objects.select_for_update(no_key=True, of=("self",)).get(pk=dataset.pk)
    if dataset.status != DatasetVersion.Status.READY:
        raise Conflict("This dataset has no rows.", "Wait until it is frozen.")
    refuse_preferences(dataset, "report")
    report = VersionReport.objects.filter(dataset=dataset).first()
    if report is None:
        run = launch_run(
            by=by,
            project=dataset.project,
            kind="dataset_report",
            title=f"Report on dataset {dataset.number}",
        )
        report = VersionReport.objects.create(dataset=dataset, run=run)
    return report


@transaction.atomic
def finish_report(*, by: User | None, report: VersionReport, facts: dict[str, Any], rows: int) -> None:
    """Makes the report visible. `rows` is the number of rows with a finding."""
    VersionReport.objects.filter(pk=report.pk).update(facts=facts, made_at=timezone.now())
    record(
        by=by,
        project=report.dataset.project,
        action=DatasetAction.DATASET_CHECKED,
        obj=report.dataset,
        rows=rows,
    )
