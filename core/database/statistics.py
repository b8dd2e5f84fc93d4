"""Statistics for PostgreSQL's planner after a bulk load.

Autovacuum collects them too, but about a minute later: until then the planner knows nothing of the new rows, and the first
requests after an import read whole tables.
"""

from django.db import connection
from django.db.models import JSONField, Model


def analyze(*models: type[Model]) -> None:
    """Call it after the commit: inside a transaction its lock would stay until the end and stop other bulk loads.

    Columns of JSON are left out: no plan depends on them, and reading their texts takes most of the time.
    """
    tables = ", ".join(map(_table, models))
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {tables}")


def _table(model: type[Model]) -> str:
    columns = [str(field.column) for field in model._meta.concrete_fields if not isinstance(field, JSONField)]
    names = ", ".join(connection.ops.quote_name(column) for column in columns)
    return f"{connection.ops.quote_name(model._meta.db_table)} ({names})"
