"""Publishing and subscribing. Handlers only create rows and queue runs; they can be called more than once."""

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.utils import timezone

from core.models import Delivery, Event, Project

Handler = Callable[[Event], None]
_subscribers: dict[str, dict[str, Handler]] = {}


def subscribe(kind: str, name: str, handler: Handler) -> None:
    """Registers `handler` for events of `kind` under the permanent name `name` (call it from AppConfig.ready)."""
    _subscribers.setdefault(kind, {})[name] = handler


def handler_for(kind: str, name: str) -> Handler | None:
    return _subscribers.get(kind, {}).get(name)


def publish(*, project: Project | None, kind: str, payload: dict[str, Any]) -> Event:
    """Writes the event and one delivery per subscriber in the caller's transaction, and sends them on commit."""
    from core.tasks import deliver, send

    event = Event.objects.create(project=project, kind=kind, payload=payload)
    deliveries = Delivery.objects.bulk_create(
        Delivery(event=event, subscriber=name, due_at=timezone.now()) for name in _subscribers.get(kind, {})
    )
    for delivery in deliveries:
        transaction.on_commit(lambda pk=delivery.pk: send(deliver, pk))  # type: ignore[misc]
    return event
