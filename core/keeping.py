"""Remembering what was costly to work out and does not change."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from django.core.cache import cache
from redis.exceptions import RedisError

Value = TypeVar("Value")


def kept(key: str, make: Callable[[], Value], *, seconds: int) -> Value:
    """What `make` gave for `key` within the last `seconds`; without the cache it is made each time. Empty is not kept."""
    try:
        found: Value | None = cache.get(key)
    except RedisError:
        return make()
    if found is None:
        found = make()
        if found:
            with suppress(RedisError):
                cache.set(key, found, timeout=seconds)
    return found
