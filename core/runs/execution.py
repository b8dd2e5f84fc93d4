"""Doing a queued run: a worker claims it, works, and ends it; a sweep takes up what a dead worker left."""

import logging
import socket
import uuid
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from core.audit.actions import CoreAction
from core.audit.entries import record
from core.errors import ExpectedError
from core.host.disks import storage_error
from core.models import Run
from core.runs.context import RunBroken, RunCancelled, RunContext, RunFailed, RunHandedBack, RunLost
from core.runs.kinds import kind_of, load_named
from core.runs.messages import send_run

log = logging.getLogger(__name__)
Status = Run.Status


def _finish(run: Run, claim: uuid.UUID | None, status: str, **fields: object) -> None:
    """Ends a run whose `claim` is still valid, lets its kind update its own rows, and writes the audit entry."""
    with transaction.atomic():
        ended = Run.objects.filter(pk=run.pk, claim=claim, status__in=Run.ACTIVE).update(
            status=status, finished_at=timezone.now(), eta_at=None, **fields
        )
        if not ended:
            return
        run.refresh_from_db()
        kind = kind_of(run.kind)
        if kind.on_end:
            load_named(kind.on_end)(run)
        record(
            by=None,
            project=run.project,
            action=CoreAction(f"run.{status}"),
            obj=run,
            kind=run.kind,
            error=run.error_message,
        )


def _fail(run: Run, claim: uuid.UUID, error: RunFailed | ExpectedError) -> None:
    _finish(
        run,
        claim,
        Status.FAILED,
        message="Failed.",
        error_code=error.code,
        error_message=error.message,
        error_advice=error.advice,
    )


def _hand_back(run: Run, claim: uuid.UUID) -> None:
    """Puts a run whose `claim` is still valid back into its queue. A request to cancel in the meantime is respected."""
    with transaction.atomic():
        waits = Run.objects.filter(pk=run.pk, claim=claim, status=Status.RUNNING).update(
            status=Status.QUEUED,
            claim=None,
            attempt=F("attempt") - 1,
            eta_at=None,
            sent_at=None,
            queued_at=timezone.now(),
            message="Its worker was stopped; waiting for another.",
        )
        if waits:
            record(by=None, project=run.project, action=CoreAction.RUN_HANDED_BACK, obj=run)
    if waits:
        send_run(run.pk, run.queue)
    else:
        _finish(run, claim, Status.CANCELLED, message="Cancelled.")


def end_unstarted(run: Run, status: str, **fields: object) -> None:
    """Ends a run without a worker (cancelled in the queue, or out of attempts)."""
    _finish(run, run.claim, status, **fields)


def execute(run_id: int) -> None:
    """Claims a queued run and does it. A message for a run that is not queued does nothing."""
    claim = uuid.uuid4()
    claimed = Run.objects.filter(pk=run_id, status=Status.QUEUED).update(
        status=Status.RUNNING,
        claim=claim,
        attempt=F("attempt") + 1,
        worker=socket.gethostname()[:120],
        message="Starting.",
        started_at=timezone.now(),
        heartbeat_at=timezone.now(),
        eta_at=None,
    )
    if not claimed:
        return
    run = Run.objects.select_related("project", "created_by").get(pk=run_id)
    try:
        runner = load_named(kind_of(run.kind).runner)
        with RunContext(run, claim) as context:
            runner(context)
    except RunLost:
        log.warning("Run %s has another worker now; this one stops", run_id)
    except RunBroken:
        # Without a heartbeat the sweep takes the run up again, or ends it after too many attempts.
        log.exception("Run %s lost a process; it will be taken up again", run_id)
    except RunHandedBack:
        _hand_back(run, claim)
    except RunCancelled:
        _finish(run, claim, Status.CANCELLED, message="Cancelled.")
    except RunFailed as error:
        _fail(run, claim, error)
    except Exception as error:
        log.exception("Run %s failed", run_id)
        if (full := storage_error(error)) is not None:
            _fail(run, claim, full)
            return
        _finish(
            run,
            claim,
            Status.FAILED,
            message="Failed.",
            error_code="unexpected",
            error_message=f"There was an unexpected error ({type(error).__name__}).",
            error_advice="The worker's log has the details. Try again. If it fails again, show this page "
            "to the operator.",
        )
    else:
        _finish(run, claim, Status.SUCCEEDED, message="Done.")


def sweep() -> None:
    """Restarts runs whose worker died, and sends messages again that the broker lost."""
    now = timezone.now()
    stale = now - timedelta(seconds=settings.RUN_STALE_SECONDS)
    for run in Run.objects.filter(status=Status.RUNNING, heartbeat_at__lt=stale):
        if run.attempt >= run.max_attempts:
            end_unstarted(
                run,
                Status.FAILED,
                message="Failed.",
                error_code="worker_lost",
                error_message=f"The worker stopped answering {run.attempt} times while doing this.",
                error_advice="Perhaps it needs more memory. Make the work smaller, or give the worker more memory.",
            )
            continue
        again = Run.objects.filter(
            pk=run.pk,
            status=Status.RUNNING,
            claim=run.claim,
            heartbeat_at=run.heartbeat_at,
        ).update(
            status=Status.QUEUED,
            claim=None,
            eta_at=None,
            queued_at=now,
            message="Its worker stopped; waiting for another.",
        )
        if again:
            record(
                by=None,
                project=run.project,
                action=CoreAction.RUN_TAKEN_UP,
                obj=run,
                attempt=run.attempt,
            )
            send_run(run.pk, run.queue)
    for run in Run.objects.filter(status=Status.CANCELLING, heartbeat_at__lt=stale):
        end_unstarted(run, Status.CANCELLED, message="Cancelled.")
    for run in Run.objects.filter(
        status=Status.QUEUED, sent_at=None, created_at__lt=now - timedelta(seconds=5)
    ):
        send_run(run.pk, run.queue)
    # A broker that lost its data has no message for older runs; a second message does no harm.
    for run in Run.objects.filter(status=Status.QUEUED, sent_at__lt=now - timedelta(minutes=2)):
        send_run(run.pk, run.queue)
