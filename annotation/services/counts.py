"""Keeps the counts of examples short, and compares them with the examples."""

from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Count

from annotation.models import ExampleCount
from core.models import Project

# A project with more new rows than this gets their sums.
_MANY = 300
_AT_ONCE = 100
_PROPERTIES = "project_id, status, origin, edge, slice, source"
_ROLL_UP = f"""
WITH gone AS (DELETE FROM annotation_examplecount WHERE project_id = %s RETURNING {_PROPERTIES}, n)
INSERT INTO annotation_examplecount ({_PROPERTIES}, n, rolled)
SELECT {_PROPERTIES}, sum(n), true FROM gone GROUP BY {_PROPERTIES} HAVING sum(n) <> 0
"""  # noqa: S608 - all names are ours
_FORGET = """
DELETE FROM annotation_{} c WHERE NOT EXISTS (SELECT FROM core_project p WHERE p.id = c.project_id)
"""
_DIFFERENCES = f"""
SELECT {_PROPERTIES}, coalesce(sum(real), 0), coalesce(sum(kept), 0)
FROM (
    SELECT project_id, status, origin, edge, slice, coalesce(source, '') AS source, 1 AS real, 0 AS kept FROM annotation_example
    UNION ALL
    SELECT {_PROPERTIES}, 0, n FROM annotation_examplecount
) AS both_sides
GROUP BY {_PROPERTIES} HAVING sum(real) <> sum(kept) ORDER BY {_PROPERTIES}
"""  # noqa: S608 - all names are ours


def roll_up(project_id: int) -> None:
    """Replaces the project's rows by their sums, in one statement: a reader sees all of the old rows or all of the new ones.

    Rows that are written meanwhile stay as they are. Two at the same moment do not count twice: the second does not find what the
    first has deleted.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ROLL_UP, [project_id])


def sweep_counts() -> None:
    """Rolls up every project with many new rows, and forgets deleted projects."""
    new = ExampleCount.objects.filter(rolled=False).order_by().values("project_id")
    many = new.annotate(rows=Count("pk")).filter(rows__gt=_MANY).order_by("-rows")[:_AT_ONCE]
    for project_id in [row["project_id"] for row in many]:
        roll_up(project_id)
    with connection.cursor() as cursor:
        for table in ("examplecount", "approvedchange"):
            cursor.execute(_FORGET.format(table))


@dataclass(frozen=True)
class WrongCount:
    """Examples with these properties: how many there are, and how many the kept counts say."""

    project: int
    status: str
    origin: str
    edge: str
    slice: str
    source: str
    real: int
    kept: int


def differences() -> list[WrongCount]:
    """Counts all examples again, in one statement, and returns where the kept counts differ. Empty, unless a table was changed
    without its triggers (a restore of single tables, for example)."""
    with connection.cursor() as cursor:
        cursor.execute(_DIFFERENCES)
        return [WrongCount(*row) for row in cursor.fetchall()]


@transaction.atomic
def mend() -> list[WrongCount]:
    """Corrects the kept counts, and returns what was wrong. Writers wait until it has ended: they would be counted twice or not."""
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE annotation_example IN SHARE MODE")
    wrong = differences()
    known = set(Project.objects.values_list("pk", flat=True))
    ExampleCount.objects.bulk_create(
        ExampleCount(
            project_id=one.project,
            status=one.status,
            origin=one.origin,
            edge=one.edge,
            slice=one.slice,
            source=one.source,
            n=one.real - one.kept,
        )
        for one in wrong
        if one.project in known
    )
    return wrong
