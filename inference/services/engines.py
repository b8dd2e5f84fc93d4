"""The rows that tell of engines. Only the reconciler calls these."""

from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from core.audit import record
from inference.models import Engine


def note_alive(engine: Engine) -> None:
    """The reconciler's beat. A row that stops being touched tells that the reconciler is dead, whatever its status."""
    Engine.objects.filter(pk=engine.pk).update(heartbeat_at=timezone.now())


@transaction.atomic
def set_status(
    *, engine: Engine, status: str, error: str = "", restarted: bool = False, **fields: Any
) -> None:
    """Writes what the engine is now. `since` moves only when the status does."""
    values: dict[str, Any] = {"error": error[:4000], **fields}
    changed = engine.status != status
    if changed:
        values |= {"status": status, "since": timezone.now()}
    if restarted:
        values["restarts"] = F("restarts") + 1
    Engine.objects.filter(pk=engine.pk).update(**values)
    engine.refresh_from_db()
    if changed and status in (Engine.Status.UP, Engine.Status.DOWN, Engine.Status.STOPPED):
        record(by=None, project=None, verb=f"engine.{status}", obj=engine, error=error[:500])
