"""Using the database from asynchronous code."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import connection

P = ParamSpec("P")
R = TypeVar("R")


def release_connection() -> None:
    """Gives this thread's connection back to the pool, so that a long stream does not keep one from other requests."""
    if not connection.in_atomic_block:
        connection.close()


async def in_db(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Calls `function` in the request's own thread and gives its connection back when it is done."""

    def call() -> R:
        try:
            return function(*args, **kwargs)
        finally:
            release_connection()

    return await sync_to_async(call)()
