"""Starts and cancels background jobs."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from core.audit.actions import CoreAction
from core.audit.entries import record
from core.errors import Conflict, Refused
from core.models import Project, Run, User
from core.runs.execution import end_unstarted
from core.runs.kinds import again_for, kind_of, load_named
from core.runs.messages import send_run


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
    record(by=by, project=project, action=CoreAction.RUN_LAUNCHED, obj=run, kind=kind)
    transaction.on_commit(lambda: send_run(run.pk, run.queue))
    return run


@transaction.atomic
def request_cancel(*, by: User, run: Run) -> Run:
    """Cancels a queued run immediately; asks a running one to stop at its next step. Conflict when it has ended."""
    requested = {"cancel_requested_by": by}
    if Run.objects.filter(pk=run.pk, status=Run.Status.QUEUED).update(
        status=Run.Status.CANCELLING, message="Cancelling.", **requested
    ):
        run.refresh_from_db()
        record(by=by, project=run.project, action=CoreAction.RUN_CANCEL_REQUESTED, obj=run)
        end_unstarted(run, Run.Status.CANCELLED, message="Cancelled before it started.")
        run.refresh_from_db()
        return run
    if not Run.objects.filter(pk=run.pk, status=Run.Status.RUNNING).update(
        status=Run.Status.CANCELLING,
        message="Cancelling after the current step.",
        **requested,
    ):
        raise Conflict("This background job has already ended.", "Reload the page to see its result.")
    run.refresh_from_db()
    record(by=by, project=run.project, action=CoreAction.RUN_CANCEL_REQUESTED, obj=run)
    return run


@transaction.atomic
def start_again(*, by: User, run: Run) -> Run:
    """Puts a failed or cancelled run back into its queue with new attempts; its runner continues from its saved state.

    Of two requests at the same moment one succeeds. Conflict when the run is active or succeeded, or when its kind refuses
    (its rows changed in the meantime); Refused when only operators can do it. Nothing is written then.
    """
    was = run.status
    again = again_for(run, by)
    if again is not None and not again.allowed:
        raise Refused("Only an operator can start this background job again.", "Ask an operator.")
    changed = again is not None and Run.objects.filter(pk=run.pk, status=was).update(
        status=Run.Status.QUEUED,
        attempt=0,
        claim=None,
        error_code="",
        error_message="",
        error_advice="",
        message="Waiting for a worker.",
        sent_at=None,
        finished_at=None,
        queued_at=timezone.now(),
        cancel_requested_by=None,
    )
    if not changed:
        raise Conflict(
            "Only a failed or cancelled background job can be started again.",
            "Reload the page to see its state.",
        )
    run.refresh_from_db()
    if on_again := kind_of(run.kind).on_again:
        load_named(on_again)(run, by)
    record(
        by=by,
        project=run.project,
        action=CoreAction.RUN_RETRIED if was == Run.Status.FAILED else CoreAction.RUN_RESUMED,
        obj=run,
    )
    transaction.on_commit(lambda: send_run(run.pk, run.queue))
    return run
