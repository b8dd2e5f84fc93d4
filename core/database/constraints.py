"""When PostgreSQL checks foreign keys."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def checked_at_once() -> Iterator[None]:
    """In the caller's transaction: each statement's constraints are checked with it, and not all at the commit. A bulk load then
    prepares its next rows while PostgreSQL checks the last ones. All our deferrable constraints are deferred again afterwards."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    yield
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
