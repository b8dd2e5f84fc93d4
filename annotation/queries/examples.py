"""Finds examples, and all data about one of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from django.db import connection
from django.db.models import Q, QuerySet, Sum

from annotation.checks.languages import LANGUAGES
from annotation.models import Category, CoverageTarget, Example, Review, Revision, SearchBacklog
from annotation.queries.categories import edge_names
from annotation.queries.traits import with_traits
from annotation.text.changes import Changes, changes
from core.lists.numbers import whole_number
from core.lists.search import folded, pattern
from core.models import Project, User


def find_examples(project: Project, criteria: Mapping[str, Any]) -> QuerySet[Example]:
    """The project's examples, newest first. One query.

    `criteria`, all optional: q (text, or "#12" for one example), status, slice ("-" for none), edge ("any" for every edge
    case), source (a name), tag, origin, person (primary key of who wrote, submitted or reviewed it), import_id, language and mood
    ("-": the text does not tell).
    """
    matches = Example.objects.filter(project=project).order_by("-pk")
    for name in ("status", "origin", "source", "import_id"):
        if criteria.get(name):
            matches = matches.filter(**{name: criteria[name]})
    if slice_name := criteria.get("slice"):
        matches = matches.filter(slice="" if slice_name == "-" else slice_name)
    if edge := criteria.get("edge"):
        matches = matches.exclude(edge="") if edge == "any" else matches.filter(edge=edge)
    if criteria.get("tag"):
        matches = matches.filter(tags__contains=[criteria["tag"]])
    if person := criteria.get("person"):
        reviewed = Review.objects.filter(by=person, undone_at=None).values("example_id")
        matches = matches.filter(Q(submitted_by=person) | Q(pk__in=reviewed))
    matches = with_traits(matches, criteria)
    return with_text(matches, str(criteria.get("q") or ""))


def with_text(examples: QuerySet[Example], typed: str) -> QuerySet[Example]:
    """Those that contain the text; for "#12" the one with this number; all of them when nothing was typed."""
    if (number := _number(typed)) is not None:
        return examples.filter(pk=number)
    text = words_of(typed)
    return examples if text is None else examples.filter(search__text__contains=text)


def _number(typed: str) -> int | None:
    text = typed.strip()
    return whole_number(text[1:]) if text.startswith("#") else None


def words_of(typed: str) -> str | None:
    """What a search text must contain; None when nothing or a number was typed."""
    text = typed.strip()
    return None if not text or _number(text) is not None else pattern(text) or folded(text)


def not_searched_yet(project: Project, criteria: Mapping[str, Any]) -> int:
    """How many of the project's examples a search by text (`q`) does not find yet: a bulk load stored them just now. 0 without
    such a search; else one query."""
    if not criteria.get("q"):
        return 0
    return SearchBacklog.objects.filter(project=project).aggregate(n=Sum("left"))["n"] or 0


def slices_of(project: Project) -> list[str]:
    """The slices in use, sorted, without the empty one. One query that goes from value to value on an index."""
    return [name for name in _values_in_use("slice", project) if name]


def slices_to_choose(project: Project) -> list[str]:
    """The slices that people are offered for an example: those of the list in its order, then others in use. Two queries."""
    rows = Category.objects.filter(project=project, kind=Category.Kind.SLICE).order_by("position", "pk")
    listed = dict(rows.values_list("key", "active"))
    return [
        *(name for name, active in listed.items() if active),
        *(name for name in slices_of(project) if name not in listed),
    ]


def sources_of(project: Project) -> list[str]:
    """The sources in use, sorted. One query that hops from value to value on an index."""
    return _values_in_use("source", project)


def languages_to_filter(project: Project) -> list[str]:
    """The codes of the languages in use, of those that the project expects, and of those that have a target, sorted. Two queries."""
    targets = CoverageTarget.objects.filter(project=project).exclude(language="")
    in_use = _values_in_use("language", project, table="annotation_exampletrait")
    wanted = {*in_use, *project.languages, *targets.values_list("language", flat=True)}
    return sorted(code for code in wanted if code in LANGUAGES)


def _values_in_use(
    column: Literal["slice", "source", "language"],
    project: Project,
    table: Literal["annotation_example", "annotation_exampletrait"] = "annotation_example",
) -> list[str]:
    # The names are ours, not a person's text.
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH RECURSIVE hop AS (
                (SELECT {column} AS value FROM {table}
                 WHERE project_id = %(p)s AND {column} IS NOT NULL ORDER BY {column} LIMIT 1)
                UNION ALL
                SELECT (SELECT e.{column} FROM {table} e WHERE e.project_id = %(p)s AND e.{column} > hop.value
                        ORDER BY e.{column} LIMIT 1)
                FROM hop WHERE hop.value IS NOT NULL
            )
            SELECT value FROM hop WHERE value IS NOT NULL
            """,  # noqa: S608
            {"p": project.pk},
        )
        return [row[0] for row in cursor.fetchall()]


def people_of(project: Project) -> QuerySet[User]:
    """Members, for the filter."""
    return project.members.order_by("name")


# --- one example -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HistoryStep:
    """One revision, its changes since the one before (none for the first), and its reviews."""

    revision: Revision
    changes: Changes | None = None
    reviews: list[Review] = field(default_factory=list)


def history_of(example: Example, newest: int | None = None) -> list[HistoryStep]:
    """The revisions, newest first: all, or the `newest` so many. Three queries."""
    newest_first = Revision.objects.filter(example=example).select_related("by").order_by("-number")
    # One more than requested, so that the oldest is compared with the one before it.
    revisions = list(newest_first[: newest + 1] if newest else newest_first)[::-1]
    reviews: dict[int, list[Review]] = {}
    for review in Review.objects.filter(example=example).select_related("by").order_by("pk"):
        reviews.setdefault(review.revision_id, []).append(review)
    names = edge_names(example.project)
    steps = []
    before: Revision | None = None
    for revision in revisions:
        changed = changes(before.content, revision.content, edges=names) if before else None
        steps.append(HistoryStep(revision, changed, reviews.get(revision.pk, [])))
        before = revision
    return steps[::-1][:newest]
