"""Engines that run elsewhere, at URLs from settings: found by what they serve."""

import time
from dataclasses import dataclass, field

from django.conf import settings

from inference.engines import BACKENDS, EngineAway, EngineRefused
from inference.models import Engine
from inference.reconcile.checking import Checking
from inference.reconcile.rows import set_status

Status = Engine.Status
LOOK_EVERY_SECONDS = 5.0


@dataclass
class EngineWatch:
    """The loop's state of an engine between passes. Clocks are monotonic seconds."""

    failures: int = 0
    not_before: float = 0.0
    began: float = 0.0
    up_at: float = 0.0
    misses: int = 0
    looked_at: float = 0.0
    restart_asked: float = float("-inf")  # when a restart was last requested that may wait for a quiet moment
    restart_by: float = 0.0  # the latest time for it
    checking: Checking = field(default_factory=Checking)


def look_for(engine: Engine, needed: bool, watch: EngineWatch) -> None:
    """Finds the URL that serves the model. Repeats every few seconds, and in each pass while the engine is offline."""
    if not needed:
        if engine.status != Status.STOPPED:
            set_status(engine=engine, status=Status.STOPPED, attached=True)
        return
    if engine.status == Status.UP and time.monotonic() - watch.looked_at < LOOK_EVERY_SECONDS:
        return
    if time.monotonic() < watch.not_before:
        return  # out of service: it is checked again later
    watch.looked_at = time.monotonic()
    expected = engine.version.served_name if engine.version else engine.base_model.slug
    seen: list[str] = []
    for url in (url.rstrip("/") for url in settings.ENGINE_URLS):
        try:
            names = [model.name for model in BACKENDS[engine.backend].served(url)]
        except (EngineAway, EngineRefused) as error:
            seen.append(f"{url} does not respond ({error})")
            continue
        if expected in names:
            watch.misses = 0
            if engine.status != Status.UP:
                watch.checking = Checking()
            set_status(engine=engine, status=Status.UP, url=url, attached=True, port=None, pid=None)
            return
        seen.append(f"{url} serves {', '.join(names) or 'nothing'}")
    watch.misses += 1
    # One slow response is not an outage.
    if engine.status != Status.UP or watch.misses >= 2:
        set_status(
            engine=engine,
            status=Status.DOWN,
            attached=True,
            port=None,
            pid=None,
            error=f"No attached engine serves {expected}: {'; '.join(seen)}. Start one with --served-model-name {expected}.",
        )
