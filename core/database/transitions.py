"""Changes a status by conditional update."""

from typing import Any

from django.db.models import Model

from core.errors import Conflict


class UnknownMove(Exception):
    """The code asks for a move that the model's TRANSITIONS table has from no status: a mistake in the program."""


def transition(obj: Model, to: str, *, field: str = "status", **updates: object) -> None:
    """Moves `obj` from the status it was read with to `to`, setting `updates` in the same statement.

    Raises `Conflict` when the model's TRANSITIONS table has no move from that status to `to`, or when the row's
    status is no longer the one read: nothing is written then. On success `obj` carries the new values.
    Raises `UnknownMove` when the table does not name the status that was read, or leads to `to` from nowhere: that
    no person can cause.
    """
    model: Any = type(obj)
    old = getattr(obj, field)
    noun = model._meta.verbose_name
    if old not in model.TRANSITIONS or not any(to in targets for targets in model.TRANSITIONS.values()):
        raise UnknownMove(f"{model.__name__}.TRANSITIONS has no move from {old!r} to {to!r}.")
    label = dict(model._meta.get_field(field).choices or []).get(old, old)
    if to not in model.TRANSITIONS.get(old, set()):
        raise Conflict(
            f"This {noun} is {str(label).lower()}, so it cannot become {to.replace('_', ' ')}.",
            "Reload.",
        )
    changed = model._base_manager.filter(pk=obj.pk, **{field: old}).update(**{field: to}, **updates)
    if not changed:
        raise Conflict(
            f"Somebody changed this {noun} before you.",
            "Reload the page to see its present state.",
        )
    setattr(obj, field, to)
    for name, value in updates.items():
        setattr(obj, name, value)
