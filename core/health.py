"""Which parts are up, and since when a part is offline. Each check is short and returns errors instead of raising."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

import psycopg
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone
from redis import Redis
from redis.exceptions import RedisError

from core.text import lines_of

_away_since: dict[str, datetime] = {}
_lock = Lock()


@dataclass(frozen=True)
class SystemPart:
    """One part of the system, for the status page and /readyz."""

    name: str
    label: str
    up: bool
    detail: str
    since: datetime | None
    needed_for: str


Check = Callable[[], list[SystemPart]]
_checks: dict[str, Check] = {}


def register_check(name: str, check: Check) -> None:
    """Apps above core add their parts (the engines) from AppConfig.ready."""
    _checks[name] = check


def note_away(name: str) -> datetime:
    """Stores when this process first found the part offline, and returns that time."""
    with _lock:
        return _away_since.setdefault(name, timezone.now())


def note_up(name: str) -> None:
    with _lock:
        _away_since.pop(name, None)


def _part(name: str, label: str, up: bool, detail: str, needed_for: str) -> SystemPart:
    if up:
        note_up(name)
    return SystemPart(name, label, up, detail, None if up else note_away(name), needed_for)


def postgres() -> SystemPart:
    """Uses a new connection: a pool would first wait for one of its old connections."""
    try:
        with psycopg.connect(settings.DATABASE_URL, connect_timeout=2) as link:
            link.execute("SELECT 1")
    except psycopg.Error as error:
        detail = (lines_of(str(error).strip()) or ["it does not answer"])[0]
        return _part("postgres", "PostgreSQL", False, detail, "every page")
    return _part("postgres", "PostgreSQL", True, "answers", "every page")


def broker() -> SystemPart:
    try:
        client = Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1)
        client.ping()
    except (RedisError, OSError) as error:
        return _part(
            "broker",
            "Broker (Valkey)",
            False,
            str(error),
            "starting imports, training and campaigns",
        )
    return _part(
        "broker",
        "Broker (Valkey)",
        True,
        "answers",
        "starting imports, training and campaigns",
    )


def beat() -> SystemPart:
    """A worker writes beat's note, so the note shows that beat and the default queue work."""
    try:
        noted = cache.get("alive:beat")
    except Exception:  # noqa: BLE001
        return _part("worker", "Workers", False, "unknown while the broker is offline", "long work")
    fresh = noted and datetime.fromisoformat(noted) > timezone.now() - timedelta(seconds=90)
    detail = "working" if fresh else "beat and worker do not answer"
    return _part("worker", "Workers", bool(fresh), detail, "imports, training, campaigns")


def parts() -> list[SystemPart]:
    """Every part's state, the database first."""
    system_parts = [postgres(), broker(), beat()]
    # The other checks read the database: without it they would only wait.
    for check in _checks.values() if system_parts[0].up else ():
        try:
            system_parts.extend(check())
        except Exception as error:  # noqa: BLE001
            system_parts.append(
                SystemPart(
                    "engines",
                    "Engines",
                    False,
                    str(error).split("\n")[0],
                    None,
                    "answers from models",
                )
            )
    return system_parts
