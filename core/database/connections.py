"""Gives the pooled database connection back before long work.

The web process has a small pool (GUILDHALL_DB_POOL) and a request keeps its connection from its first query on. Code that waits for something else (a reader, an engine, a disk, another service) gives it back first. The
next query takes one from the pool again, so nothing else changes for the caller.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import connection

P = ParamSpec("P")
R = TypeVar("R")


def release_connection() -> None:
    """Gives this thread's connection back to the pool. Inside a transaction it does nothing, because the transaction needs the connection."""
    if not connection.in_atomic_block:
        connection.close()


@contextmanager
def without_connection() -> Iterator[None]:
    """For long work without database queries. RuntimeError inside a transaction, which would keep the connection."""
    blocks = connection.atomic_blocks
    # The transaction that a test wraps around itself does not count, as for `atomic(durable=True)`.
    if blocks and not getattr(blocks[-1], "_from_testcase", False):
        raise RuntimeError("Long work inside a transaction would hold a database connection; do it outside.")
    release_connection()
    yield


async def in_db(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Calls `function` in the request's thread and gives its connection back when it is done."""

    def call() -> R:
        try:
            return function(*args, **kwargs)
        finally:
            release_connection()

    return await sync_to_async(call)()
