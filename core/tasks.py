"""Celery tasks that every app shares. They have only a primary key as argument, and can be delivered twice."""

import logging
import socket
import uuid
from datetime import timedelta
from typing import Any

from celery import Task, shared_task
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerAway
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from core import events, scratch, valkey
from core.audit import record
from core.disks import storage_error
from core.errors import ExpectedError
from core.models import Delivery, Run
from core.runs import RunCancelled, RunContext, RunFailed, RunHandedBack, RunLost, kind_of, load_named

log = logging.getLogger(__name__)
DELIVERY_ATTEMPTS = 6
Status = Run.Status


def send(task: Task, pk: int, *, queue: str | None = None) -> bool:
    """Sends a message to the broker. False when the broker is offline: the sweep sends it again later."""
    if valkey.is_silent():
        log.warning("The broker did not answer a moment ago; %s(%s) waits for the sweep", task.name, pk)
        return False
    try:
        task.apply_async((pk,), queue=queue)
    except (
        BrokerAway,
        RedisError,
        OSError,
    ) as error:  # RedisError: it answers but refuses writes (its disk is full)
        if isinstance(error, RedisTimeout) or isinstance(error.__cause__, RedisTimeout):
            valkey.note_silence()
        log.warning("The broker is offline; %s(%s) waits for the sweep", task.name, pk)
        return False
    return True


def send_run(run_id: int, queue: str) -> None:
    """Sends a queued run's message and stores when the broker accepted it."""
    if send(execute_run, run_id, queue=queue):
        Run.objects.filter(pk=run_id).update(sent_at=timezone.now())


def _finish(run: Run, claim: uuid.UUID | None, status: str, **fields: Any) -> None:
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
            verb=f"run.{status}",
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
            record(by=None, project=run.project, verb="run.handed_back", obj=run)
    if waits:
        send_run(run.pk, run.queue)
    else:
        _finish(run, claim, Status.CANCELLED, message="Cancelled.")


def end_unstarted(run: Run, status: str, **fields: Any) -> None:
    """Ends a run without a worker (cancelled in the queue, or out of attempts)."""
    _finish(run, run.claim, status, **fields)


@shared_task(name="core.tasks.execute_run", ignore_result=True)
def execute_run(run_id: int) -> None:
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


@shared_task(name="core.tasks.sweep_runs", ignore_result=True)
def sweep_runs() -> None:
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
                verb="run.taken_up",
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


@shared_task(name="core.tasks.deliver", ignore_result=True)
def deliver(delivery_id: int) -> None:
    """Claims one delivery and calls its handler in a transaction; a failure is retried later, then parked."""
    now = timezone.now()
    claimed = Delivery.objects.filter(pk=delivery_id, status=Delivery.Status.WAITING, due_at__lte=now).update(
        status=Delivery.Status.CLAIMED, claimed_at=now, attempts=F("attempts") + 1
    )
    if not claimed:
        return
    delivery = Delivery.objects.select_related("event__project").get(pk=delivery_id)
    mine = Delivery.objects.filter(pk=delivery_id, status=Delivery.Status.CLAIMED, claimed_at=now)
    handler = events.handler_for(delivery.event.kind, delivery.subscriber)
    try:
        if handler is None:
            raise LookupError(f"No handler named {delivery.subscriber} for {delivery.event.kind}.")
        with transaction.atomic():
            handler(delivery.event)
            mine.update(status=Delivery.Status.DONE, error="")
    except Exception as error:
        log.exception("Delivery %s failed (attempt %s)", delivery, delivery.attempts)
        parked = delivery.attempts >= DELIVERY_ATTEMPTS
        mine.update(
            status=Delivery.Status.PARKED if parked else Delivery.Status.WAITING,
            error=f"{type(error).__name__}: {error}"[:2000],
            due_at=now + timedelta(seconds=5 * 2**delivery.attempts),
        )


@shared_task(name="core.tasks.sweep_deliveries", ignore_result=True)
def sweep_deliveries() -> None:
    """Sends due deliveries again; frees deliveries whose worker died."""
    now = timezone.now()
    Delivery.objects.filter(status=Delivery.Status.CLAIMED, claimed_at__lt=now - timedelta(minutes=5)).update(
        status=Delivery.Status.WAITING
    )
    overdue = Delivery.objects.filter(status=Delivery.Status.WAITING, due_at__lt=now - timedelta(seconds=2))
    for pk in overdue.order_by("due_at").values_list("pk", flat=True)[:500]:
        send(deliver, pk)


@shared_task(name="core.tasks.note_alive", ignore_result=True)
def note_alive(part: str) -> None:
    """Beat sends this and a worker runs it, so a recent note shows that both work; the status page reads it."""
    cache.set(f"alive:{part}", timezone.now().isoformat(), timeout=None)


@shared_task(name="core.tasks.sweep_scratch", ignore_result=True)
def sweep_scratch() -> None:
    """Removes folders of work whose process was killed."""
    scratch.sweep()
