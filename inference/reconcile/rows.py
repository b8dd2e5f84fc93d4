"""The rows of engines. Only the reconciler calls these functions."""

from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from core.audit.entries import record
from inference.actions import InferenceAction
from inference.models import Engine
from inference.queries import backend_of
from inference.reconcile.plan import EnginePlan


def rows_for(plan: EnginePlan) -> list[Engine]:
    """A row for every engine of the plan, and the existing ones."""
    rows = {
        (row.backend, row.base_model_id, row.version_id): row
        for row in Engine.objects.select_related("base_model__artifact", "version__artifact")
    }
    for (backend, base_id), need in plan.bases.items():
        if (backend, base_id, None) not in rows:
            row, _ = Engine.objects.get_or_create(
                base_model=need.base_model,
                version=None,
                backend=backend,
                defaults={"name": name_of(backend, need.base_model.slug)},
            )
            rows[backend, base_id, None] = row
    for version in plan.full.values():
        backend = backend_of(version)
        if (backend, version.base_model_id, version.pk) not in rows:
            row, _ = Engine.objects.get_or_create(
                version=version,
                defaults={
                    "base_model": version.base_model,
                    "backend": backend,
                    "name": name_of(backend, version.served_name),
                },
            )
            rows[backend, version.base_model_id, version.pk] = row
    return list(rows.values())


def name_of(backend: str, model: str) -> str:
    """Unique, and short enough for the column: a base model has an engine of each kind."""
    return model if backend == Engine.Backend.VLLM else f"{model[:105]}-{backend}"


@transaction.atomic
def set_status(
    *, engine: Engine, status: str, error: str = "", restarted: bool = False, **fields: object
) -> None:
    """Stores the engine's state. `since` changes only when the status changes."""
    values: dict[str, Any] = {"error": error[:4000], **fields}
    changed = engine.status != status
    if changed:
        values |= {"status": status, "since": timezone.now()}
    if restarted:
        values["restarts"] = F("restarts") + 1
    Engine.objects.filter(pk=engine.pk).update(**values)
    engine.refresh_from_db()
    if changed and status in (Engine.Status.UP, Engine.Status.DOWN, Engine.Status.STOPPED):
        record(
            by=None, project=None, action=InferenceAction(f"engine.{status}"), obj=engine, error=error[:500]
        )


def take_load(*, engine: Engine) -> bool:
    """Counts an adapter that is about to be loaded. False when the engine cannot load more before a restart."""
    rows = Engine.objects.filter(pk=engine.pk)
    limit = engine.options.get("adapter_loads")
    if limit is not None:
        rows = rows.filter(adapter_loads__lt=limit)
    return bool(rows.update(adapter_loads=F("adapter_loads") + 1))


def has_room(*, engine: Engine) -> bool:
    """Whether `take_load` would count another adapter."""
    limit = engine.options.get("adapter_loads")
    return limit is None or Engine.objects.filter(pk=engine.pk, adapter_loads__lt=limit).exists()
