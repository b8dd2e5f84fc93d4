"""Numbers of examples from the kept counts (annotation.models.counts). Exact, and as fast for a million as for ten."""

from collections.abc import Mapping
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet, Sum

from annotation.models import ApprovedChange, Example, ExampleCount
from annotation.queries.traits import trait_count
from core.models import Project

# The filters of a list that the counts know. Others (a text, a tag, a person, an import) need the rows.
_KEPT = {"status", "origin", "source", "slice", "edge"}
# The key of the advisory lock that the trigger on examples takes, shared, before it numbers a change.
_CHANGES_LOCK = 7101


def standing(project: Project) -> dict[str, int]:
    """How many examples are in each status. One query."""
    counts = dict.fromkeys(Example.Status.values, 0)
    counts.update(_rows(project).values_list("status").annotate(Sum("n")))
    return counts


def _rows(project: Project) -> QuerySet[ExampleCount]:
    return ExampleCount.objects.filter(project=project).order_by()


def kept_count(project: Project, criteria: Mapping[str, Any]) -> int | None:
    """The number of examples that `find_examples` finds for these criteria; None when the counts cannot tell. One query;
    for a language or a mood it counts in an index."""
    given = {name for name, value in criteria.items() if value}
    if not given <= _KEPT:
        return trait_count(project, criteria)
    rows = _rows(project).filter(**{name: criteria[name] for name in given - {"slice", "edge"}})
    if slice_name := criteria.get("slice"):
        rows = rows.filter(slice="" if slice_name == "-" else slice_name)
    if edge := criteria.get("edge"):
        rows = rows.filter(~Q(edge="") if edge == "any" else Q(edge=edge))
    return rows.aggregate(n=Sum("n"))["n"] or 0


def approved_count(project: Project) -> int:
    return kept_count(project, {"status": Example.Status.APPROVED}) or 0


def changes_so_far() -> int:
    """A mark: later statements of this transaction see every change of an approved example (ApprovedChange) up to this id.

    A change gets its number before its transaction commits. So this waits until the transactions that have numbered one have
    ended; they are short, and new ones wait for this function only.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, 0)", [_CHANGES_LOCK])
        try:
            return ApprovedChange.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, 0)", [_CHANGES_LOCK])
