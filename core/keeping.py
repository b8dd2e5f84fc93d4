"""Caches results that are expensive and do not change."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from django.core.cache import cache
from redis.exceptions import RedisError

Value = TypeVar("Value")


def kept(key: str, make: Callable[[], Value], *, seconds: int) -> Value:
    """The result of `make` for `key`, cached for `seconds`; without the cache it is made each time. Empty results are not cached."""
    try:
        value: Value | None = cache.get(key)
    except RedisError:
        return make()
    if value is None:
        value = make()
        if value:
            with suppress(RedisError):
                cache.set(key, value, timeout=seconds)
    return value
