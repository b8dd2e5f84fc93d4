"""Changes a status by conditional update."""

from typing import Any

from django.db.models import Model

from core.errors import Conflict


def transition(obj: Model, to: str, *, field: str = "status", **updates: Any) -> None:
    """Moves `obj` from the status it was read with to `to`, setting `updates` in the same statement.

    The change must be in the model's TRANSITIONS table. Raises `Conflict` when it is not, or when the row's status is no longer
    the one that was read: nothing is written then. On success `obj` has the new values.
    """
    model: Any = type(obj)
    old = getattr(obj, field)
    noun = model._meta.verbose_name
    label = dict(model._meta.get_field(field).choices or []).get(old, old)
    if to not in model.TRANSITIONS.get(old, set()):
        raise Conflict(
            f"This {noun} is {str(label).lower()}, so it cannot become {to.replace('_', ' ')}.",
            "Reload.",
        )
    changed = model._default_manager.filter(pk=obj.pk, **{field: old}).update(**{field: to}, **updates)
    if not changed:
        raise Conflict(
            f"Somebody changed this {noun} before you.",
            "Reload the page to see its present state.",
        )
    setattr(obj, field, to)
    for name, value in updates.items():
        setattr(obj, name, value)
