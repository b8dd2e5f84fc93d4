"""Publishing an event."""

from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from core.events import subscribers_of
from core.models import Delivery, Event, Project
from core.runs.messages import DELIVER, send


def publish(*, project: Project | None, kind: str, payload: dict[str, Any]) -> Event:
    """Writes the event and one delivery per subscriber in the caller's transaction, and sends them on commit."""
    event = Event.objects.create(project=project, kind=kind, payload=payload)
    deliveries = Delivery.objects.bulk_create(
        Delivery(event=event, subscriber=name, due_at=timezone.now()) for name in subscribers_of(kind)
    )
    for delivery in deliveries:
        transaction.on_commit(partial(send, DELIVER, delivery.pk))
    return event
