"""Starting and stopping long work."""

from typing import Any

from django.db import transaction

from core.audit import record
from core.errors import Conflict
from core.models import Project, Run, User
from core.runs import kind_of
from core.tasks import end_unstarted, send_run


@transaction.atomic
def launch_run(
    *,
    by: User | None,
    project: Project | None,
    kind: str,
    title: str,
    params: dict[str, Any] | None = None,
) -> Run:
    """Creates a queued run and sends it to its queue once the transaction commits."""
    spec = kind_of(kind)
    run = Run.objects.create(
        project=project,
        kind=kind,
        title=title,
        queue=spec.queue,
        params=params or {},
        max_attempts=spec.max_attempts,
        created_by=by,
        message="Waiting for a worker.",
    )
    record(by=by, project=project, verb="run.launched", obj=run, kind=kind)
    transaction.on_commit(lambda: send_run(run.pk, run.queue))
    return run


@transaction.atomic
def request_cancel(*, by: User, run: Run) -> Run:
    """Cancels a waiting run at once; asks a running one to stop at its next step. Conflict when it has ended."""
    asked = {"cancel_requested_by": by}
    if Run.objects.filter(pk=run.pk, status=Run.Status.QUEUED).update(
        status=Run.Status.CANCELLING, message="Cancelling.", **asked
    ):
        run.refresh_from_db()
        record(by=by, project=run.project, verb="run.cancel_requested", obj=run)
        end_unstarted(run, Run.Status.CANCELLED, message="Cancelled before it started.")
        run.refresh_from_db()
        return run
    if not Run.objects.filter(pk=run.pk, status=Run.Status.RUNNING).update(
        status=Run.Status.CANCELLING,
        message="Cancelling after the current step.",
        **asked,
    ):
        raise Conflict("This run has already ended.", "Reload the page to see how.")
    run.refresh_from_db()
    record(by=by, project=run.project, verb="run.cancel_requested", obj=run)
    return run
