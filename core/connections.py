"""Gives the pooled database connection back before long work.

The web process has a small pool (GUILDHALL_DB_POOL) and a request keeps its connection from its first query on. Code that waits for something else (a reader, an engine, a disk, another service) gives it back first. The
next query takes one from the pool again, so nothing else changes for the caller.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import connection
from django.db.models import Model, Q, QuerySet

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M", bound=Model)


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


def rows_by_key(
    found: QuerySet[M], *, size: int = 200, newest_first: bool = False, by: str = ""
) -> Iterator[M]:
    """All rows in the order of their keys (or of the field `by`), `size` at a time, each portion by a separate query.

    A cursor would keep a connection from the first row to the last, for as long as the reader needs. Between two portions
    the connection can be given back. This is not a snapshot: a row is as it was when its portion was read. No row comes
    twice, and rows added after the first portion are not included.
    """
    last = found.order_by("-pk").values_list("pk", flat=True).first()
    if last is None:
        return
    order = ["-pk"] if newest_first else [by, "pk"] if by else ["pk"]
    rows: Any = found.filter(pk__lte=last).order_by(*order)
    after = Q()
    while portion := list(rows.filter(after)[:size]):
        yield from portion
        end = portion[-1]
        after = Q(pk__lt=end.pk) if newest_first else Q(pk__gt=end.pk)
        if by:
            value = getattr(end, by)
            after = Q(**{f"{by}__gt": value}) | (Q(**{by: value}) & after)
