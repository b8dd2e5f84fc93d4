"""Engines on the System status page. Without names, since everyone who signs in may see that page."""

from django.utils import timezone

from core.health import SystemPart
from inference.models import Deployment, Engine
from inference.queries import HEARTBEAT_STALE

NEEDED_FOR = "chat, campaigns and answers to applications"


def engines() -> list[SystemPart]:
    """One part per engine that should run, or one that says why there is none. Two queries."""
    rows = list(Engine.objects.exclude(status=Engine.Status.STOPPED).order_by("pk"))
    newest = max((row.heartbeat_at for row in rows if row.heartbeat_at), default=None)
    if rows and (newest is None or newest < timezone.now() - HEARTBEAT_STALE):
        return [
            SystemPart(
                "engines", "Engines", False, "the engines process is not responding", newest, NEEDED_FOR
            )
        ]
    if not rows:
        waiting = (
            Deployment.objects.filter(wanted=Deployment.Wanted.LOADED, status=Deployment.Status.WAITING)
            .order_by("requested_at")
            .first()
        )
        if waiting is None:
            return [SystemPart("engines", "Engines", True, "none is needed", None, NEEDED_FOR)]
        detail = "a model version is waiting for the engines process"
        return [SystemPart("engines", "Engines", False, detail, waiting.requested_at, NEEDED_FOR)]
    return [_part(number, row) for number, row in enumerate(rows, start=1)]


def _part(number: int, engine: Engine) -> SystemPart:
    up = engine.status == Engine.Status.UP
    detail = {
        Engine.Status.UP: "answers",
        Engine.Status.DOWN: "down; it is started again automatically",
    }.get(Engine.Status(engine.status), "starting")
    return SystemPart(
        f"engine-{engine.pk}", f"Engine {number}", up, detail, None if up else engine.since, NEEDED_FOR
    )
