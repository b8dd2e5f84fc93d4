"""Statistics for PostgreSQL's planner after a bulk load.

Autovacuum collects them too, but about a minute later: until then the planner knows nothing of the new rows, and the first
requests after an import read whole tables.
"""

from django.db import connection
from django.db.models import Model


def analyze(*models: type[Model]) -> None:
    """Call it after the commit: inside a transaction its lock would stay until the end and stop other bulk loads."""
    tables = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in models)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {tables}")
