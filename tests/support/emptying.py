"""Empties the test database between tests that commit.

Django truncates every table each time: half a second for a hundred tables, most of them empty. Here only tables with rows are emptied,
by DELETE without triggers; what a test filled with much more than usual is still truncated, so that no dead rows stay behind. The
tables that Django fills from the models themselves keep their rows: they are the same before and after.
"""

from collections.abc import Sequence

from django.core.management.color import Style
from django.db import connection
from django.db.backends.postgresql.operations import DatabaseOperations

# Bytes of all tables with rows, indexes not counted: more than the tests of pages and services fill.
SMALL = 8 << 20
FROM_MODELS = {"auth_permission", "django_content_type"}

_truncated = DatabaseOperations.sql_flush


def sql_flush(
    operations: DatabaseOperations,
    style: Style,
    tables: Sequence[str],
    *,
    reset_sequences: bool = False,
    allow_cascade: bool = False,
) -> list[str]:
    """The statements that empty `tables`; a replacement of DatabaseOperations.sql_flush."""
    filled, size = _filled([table for table in tables if table not in FROM_MODELS])
    if reset_sequences or size > SMALL:
        return list(
            _truncated(
                operations, style, tables, reset_sequences=reset_sequences, allow_cascade=allow_cascade
            )
        )
    if not filled:
        return []
    # Foreign keys and the audit table's guard are triggers, which this setting turns off; the tests' role may set it.
    return [
        "SET session_replication_role = replica;",
        *(f"DELETE FROM {operations.quote_name(table)};" for table in filled),
        "SET session_replication_role = DEFAULT;",
    ]


def _filled(tables: Sequence[str]) -> tuple[list[str], int]:
    """(those with rows, their bytes)."""
    if not tables:
        return [], 0
    quote = connection.ops.quote_name
    asked = " UNION ALL ".join(
        f"SELECT {at}, pg_relation_size('{quote(table)}') WHERE EXISTS (SELECT FROM {quote(table)})"
        for at, table in enumerate(tables)
    )
    with connection.cursor() as cursor:
        cursor.execute(asked)
        rows = cursor.fetchall()
    return [tables[at] for at, _ in rows], sum(size for _, size in rows)
