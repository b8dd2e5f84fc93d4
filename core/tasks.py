"""Celery tasks that every app shares. They have only a primary key as argument, and can be delivered twice."""

import logging
from datetime import timedelta

from celery import shared_task
from django.core.cache import cache
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from core import events
from core.host import scratch
from core.models import Delivery
from core.moving.services import remove_old_files
from core.runs import execution
from core.runs.messages import DELIVER, EXECUTE_RUN, send

log = logging.getLogger(__name__)
DELIVERY_ATTEMPTS = 6


@shared_task(name=EXECUTE_RUN, ignore_result=True)
def execute_run(run_id: int) -> None:
    execution.execute(run_id)


@shared_task(name="core.tasks.sweep_runs", ignore_result=True)
def sweep_runs() -> None:
    execution.sweep()


@shared_task(name=DELIVER, ignore_result=True)
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
        send(DELIVER, pk)


@shared_task(name="core.tasks.note_alive", ignore_result=True)
def note_alive(part: str) -> None:
    """Beat sends this and a worker runs it, so a recent note shows that both work; the status page reads it."""
    cache.set(f"alive:{part}", timezone.now().isoformat(), timeout=None)


@shared_task(name="core.tasks.sweep_scratch", ignore_result=True)
def sweep_scratch() -> None:
    """Removes folders of work whose process was killed."""
    scratch.sweep()


@shared_task(name="core.tasks.sweep_archives", ignore_result=True)
def sweep_archives() -> None:
    """Removes archives of projects that have expired, and uploads of imports that have ended."""
    remove_old_files()
