"""Who subscribes to which events. Handlers only create rows and queue runs; they can be called more than once."""

from collections.abc import Callable

from core.models import Event

Handler = Callable[[Event], None]
_subscribers: dict[str, dict[str, Handler]] = {}


def subscribe(kind: str, name: str, handler: Handler) -> None:
    """Registers `handler` for events of `kind` under the permanent name `name` (call it from AppConfig.ready)."""
    _subscribers.setdefault(kind, {})[name] = handler


def handler_for(kind: str, name: str) -> Handler | None:
    return _subscribers.get(kind, {}).get(name)


def subscribers_of(kind: str) -> list[str]:
    """The names under which handlers for events of `kind` are registered."""
    return list(_subscribers.get(kind, {}))
