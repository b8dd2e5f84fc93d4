"""Valkey must answer within a second or two, or the program continues without it: a hanging Valkey must not block pages.

A server that has ended refuses connections immediately. One that is stopped, swapping or behind a broken network accepts them
and does not answer. So every client has a time limit (here, config.settings and core.health), and after one timeout the
others of this process do not wait for a while.
"""

import time
from collections.abc import Callable
from typing import Any

from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from django.utils.functional import cached_property
from redis.exceptions import ConnectionError as Away
from redis.exceptions import TimeoutError as Silent

# Seconds for one answer, and how long no client waits after a timeout.
ANSWER_SECONDS = 1.0
PAUSE_SECONDS = 5.0
_silent = {"until": 0.0}


def is_silent() -> bool:
    """Whether a client of this process had a timeout a moment ago."""
    return time.monotonic() < _silent["until"]


def note_silence() -> None:
    _silent["until"] = time.monotonic() + PAUSE_SECONDS


class _Guarded:
    """Django's client, with each of its calls guarded."""

    def __init__(self, client: RedisCacheClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        call: Callable[..., Any] = getattr(self._client, name)

        def guarded(*args: object, **kwargs: object) -> Any:
            if is_silent():
                raise Away("Valkey did not answer a moment ago.")
            try:
                return call(*args, **kwargs)
            except Silent:
                note_silence()
                raise

        return guarded


class Cache(RedisCache):
    """Django's cache in Valkey. Its users continue without it (core.keeping, core.sign_in.attempts) when it raises RedisError."""

    @cached_property
    def _cache(self) -> Any:
        made: Any = self  # Django's property reads this
        return _Guarded(made._class(made._servers, **made._options))  # noqa: SLF001
