"""Finds examples, and all data about one of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from annotation.changes import Changes, changes
from annotation.models import DatasetRow, Example, Review, Revision, Source
from core.models import Project, User
from core.numbers import whole_number
from core.search import pattern


def find_examples(project: Project, wanted: Mapping[str, Any]) -> QuerySet[Example]:
    """The project's examples, newest first. One query.

    `wanted`, all optional: q (text, or "#12" for one example), status, slice ("-" for none), edge ("any" for every edge
    case), source (a primary key), tag, origin, person (primary key of who wrote, submitted or reviewed it), batch (primary
    key of an import).
    """
    found = Example.objects.filter(project=project).order_by("-pk")
    for name in ("status", "origin"):
        if wanted.get(name):
            found = found.filter(**{name: wanted[name]})
    if slice_name := wanted.get("slice"):
        found = found.filter(slice="" if slice_name == "-" else slice_name)
    if edge := wanted.get("edge"):
        found = found.exclude(edge="") if edge == "any" else found.filter(edge=edge)
    for name in ("source", "batch"):
        if wanted.get(name):
            found = found.filter(**{f"{name}_id": wanted[name]})
    if wanted.get("tag"):
        found = found.filter(tags__contains=[wanted["tag"]])
    if person := wanted.get("person"):
        reviewed = Review.objects.filter(by=person, undone_at=None).values("example_id")
        found = found.filter(Q(submitted_by=person) | Q(pk__in=reviewed))
    return _search(found, str(wanted.get("q") or "").strip())


def _search(found: QuerySet[Example], text: str) -> QuerySet[Example]:
    if text.startswith("#") and (number := whole_number(text[1:])) is not None:
        return found.filter(pk=number)
    wanted = pattern(text)
    return found.filter(search_text__contains=wanted) if wanted else found


def slices_of(project: Project) -> list[str]:
    """The slices in use, sorted, without the empty one. One query that goes from value to value on an index."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE hop AS (
                (SELECT slice FROM annotation_example WHERE project_id = %(p)s ORDER BY slice LIMIT 1)
                UNION ALL
                SELECT (SELECT e.slice FROM annotation_example e WHERE e.project_id = %(p)s AND e.slice > hop.slice
                        ORDER BY e.slice LIMIT 1)
                FROM hop WHERE hop.slice IS NOT NULL
            )
            SELECT slice FROM hop WHERE slice <> ''
            """,
            {"p": project.pk},
        )
        return [row[0] for row in cursor.fetchall()]


def sources_of(project: Project) -> QuerySet[Source]:
    return Source.objects.filter(project=project)


def people_of(project: Project) -> QuerySet[User]:
    """Members, for the filter."""
    return project.members.order_by("name")


# --- one example -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One revision, its changes since the one before (none for the first), and its reviews."""

    revision: Revision
    changes: Changes | None = None
    reviews: list[Review] = field(default_factory=list)


def history_of(example: Example, newest: int | None = None) -> list[Step]:
    """The revisions, newest first: all, or the `newest` so many. Two queries."""
    found = Revision.objects.filter(example=example).select_related("by").order_by("-number")
    # One more than requested, so that the oldest is compared with the one before it.
    revisions = list(found[: newest + 1] if newest else found)[::-1]
    reviews: dict[int, list[Review]] = {}
    for review in Review.objects.filter(example=example).select_related("by").order_by("pk"):
        reviews.setdefault(review.revision_id, []).append(review)
    steps = []
    before: Revision | None = None
    for revision in revisions:
        what = changes(before.content, revision.content) if before else None
        steps.append(Step(revision, what, reviews.get(revision.pk, [])))
        before = revision
    return steps[::-1][:newest]


def datasets_holding(example: Example) -> QuerySet[DatasetRow]:
    """Its rows in dataset versions, newest version first. One query."""
    return (
        DatasetRow.objects.filter(example=example)
        .select_related("dataset", "revision")
        .order_by("-dataset__number")
    )
