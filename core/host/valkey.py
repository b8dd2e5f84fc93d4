"""Valkey must answer within a second or two, or be done without: one that hangs must not hang pages.

A server that is gone refuses connections at once. One that is stopped, swapping or behind a dead network takes them and says
nothing. So every client has a time limit (here, config.settings and core.health), and after one has waited in vain the
others of this process do not wait for a while.
"""

import time
from collections.abc import Callable
from typing import Any

from django.core.cache.backends.redis import RedisCache
from django.utils.functional import cached_property
from redis.exceptions import ConnectionError as Away
from redis.exceptions import TimeoutError as Silent

# Seconds for one answer, and how long nobody waits after one did not come.
ANSWER_SECONDS = 1.0
PAUSE_SECONDS = 5.0
_silent = {"until": 0.0}


def is_silent() -> bool:
    """Whether a client of this process has waited in vain a moment ago."""
    return time.monotonic() < _silent["until"]


def note_silence() -> None:
    _silent["until"] = time.monotonic() + PAUSE_SECONDS


class _Guarded:
    """Django's client, with each of its calls guarded."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        call: Callable[..., Any] = getattr(self._client, name)

        def guarded(*args: Any, **kwargs: Any) -> Any:
            if is_silent():
                raise Away("Valkey did not answer a moment ago.")
            try:
                return call(*args, **kwargs)
            except Silent:
                note_silence()
                raise

        return guarded


class Cache(RedisCache):
    """Django's cache in Valkey. What uses it does without (core.keeping, core.sign_in.attempts) where it raises RedisError."""

    @cached_property
    def _cache(self) -> Any:
        made: Any = self  # what Django's own property reads
        return _Guarded(made._class(made._servers, **made._options))  # noqa: SLF001
