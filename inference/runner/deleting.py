"""The runner of run kind "adapter_deletion": adapters leave the engines, the database and the store, and a receipt keeps their hashes."""

import time

from django.conf import settings

from core.models import Run
from core.runs.context import RunContext, RunFailed
from inference.models import Deployment, Engine
from inference.queries import is_beating
from training.models import DeletionReceipt, PersonalAdapter
from training.services import adapter_deletion

UNLOAD_SECONDS = 120.0
PAUSE_SECONDS = 0.5


def run(ctx: RunContext) -> None:
    receipt = DeletionReceipt.objects.select_related("project").get(run=ctx.run)
    adapters = list(
        PersonalAdapter.objects.filter(pk__in=receipt.wanted)
        .select_related("run", "project", "version__artifact", "version__deployment__engine")
        .order_by("pk")
    )
    total = len(receipt.wanted) + 1
    for adapter in adapters:
        done = len(receipt.wanted) - len(adapters) + adapters.index(adapter)
        ctx.report(done=done, total=total, message=f"Deleting {adapter}.", now=True)
        _wait_for_training(ctx, adapter)
        adapter.refresh_from_db()
        engine = _unload(ctx, adapter)
        adapter_deletion.delete_rows(receipt=receipt, adapter=adapter, engine=engine)
    receipt.refresh_from_db()
    ctx.report(done=total - 1, total=total, message="Deleting the files.", now=True)
    adapter_deletion.delete_files(receipt)
    adapter_deletion.complete(receipt=receipt)
    ctx.report(done=total, total=total, message="Done.", now=True)


def _wait_for_training(ctx: RunContext, adapter: PersonalAdapter) -> None:
    """Until the training of the adapter has stopped: it was cancelled when the deletion was requested."""
    end = time.monotonic() + UNLOAD_SECONDS
    while Run.objects.filter(pk=adapter.run_id, status__in=Run.ACTIVE).exists():
        ctx.report(message=f"Waiting until the training of {adapter} stops.")
        if time.monotonic() > end:
            raise RunFailed("still_training", f"{adapter} is still being trained.", "Try again in a minute.")
        time.sleep(PAUSE_SECONDS)


def _unload(ctx: RunContext, adapter: PersonalAdapter) -> str:
    """Takes the adapter out of its engine, and says where it was. RunFailed when a running engine does not let it go."""
    deployment = Deployment.objects.filter(version=adapter.version_id).first() if adapter.version_id else None
    if deployment is None:
        return "It was never loaded."
    Deployment.objects.filter(pk=deployment.pk).update(wanted=Deployment.Wanted.UNLOADED)
    name = ""
    end = time.monotonic() + UNLOAD_SECONDS
    while True:
        deployment = Deployment.objects.select_related("engine").get(pk=deployment.pk)
        engine = deployment.engine
        name = engine.name if engine else name
        if (
            deployment.status == Deployment.Status.UNLOADED
            or engine is None
            or engine.status != Engine.Status.UP
        ):
            break
        if not is_beating(engine):
            raise RunFailed(
                "engine_away",
                f"The engines process does not respond, so it is not known whether {engine.name} still has the adapter.",
                "Start the engines process, then try again.",
            )
        if time.monotonic() > end:
            raise RunFailed(
                "still_loaded", f"{engine.name} has not unloaded {adapter} yet.", "Try again in a minute."
            )
        ctx.report(message=f"Waiting until {engine.name} has unloaded {adapter}.")
        time.sleep(PAUSE_SECONDS)
    if not name:
        return "No engine had it loaded."
    restart = (
        ""
        if settings.ENGINE_URLS
        else " Memory that it had in the engine's process is reused, and freed at its next start."
    )
    return f"Unloaded from {name}.{restart}"
