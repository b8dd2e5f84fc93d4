"""Counts of examples by language and mood, from the table that the checks fill (annotation.models.traits)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, QuerySet

from annotation.models import Example, ExampleTrait
from core.models import Project

_NAMES = ("language", "mood")
_STATUS = ("status",)


@dataclass(frozen=True)
class TraitCounts:
    """{language or mood: (approved, in work)}; "" where the text does not tell. `total` of both, without retired ones."""

    languages: dict[str, tuple[int, int]] = field(default_factory=dict)
    moods: dict[str, tuple[int, int]] = field(default_factory=dict)
    total: int = 0


def trait_counts(project: Project) -> TraitCounts:
    """One query, which reads one index."""
    rows = (
        ExampleTrait.objects.filter(project=project)
        .exclude(status=Example.Status.RETIRED)
        .order_by()
        .values_list("status", "language", "mood")
        .annotate(n=Count("*"))
    )
    counts: tuple[dict[str, list[int]], ...] = ({}, {})
    total = 0
    for status, *values, n in rows:
        total += n
        for value, into in zip(values, counts, strict=True):
            into.setdefault(value, [0, 0])[status != Example.Status.APPROVED] += n
    languages, moods = ({key: (numbers[0], numbers[1]) for key, numbers in each.items()} for each in counts)
    return TraitCounts(languages, moods, total)


def with_traits(examples: QuerySet[Example], criteria: Mapping[str, Any]) -> QuerySet[Example]:
    """Those with this `language` and `mood`; "-" for those whose text does not tell. Examples that were not read yet have neither."""
    given = {f"trait__{name}": _key(criteria[name]) for name in _NAMES if criteria.get(name)}
    return examples.filter(**given) if given else examples


def trait_count(project: Project, criteria: Mapping[str, Any]) -> int | None:
    """The number of examples with these criteria, from one index; None when others than language, mood and status are given."""
    given = {name for name, value in criteria.items() if value}
    if not given <= {*_NAMES, *_STATUS} or not given & set(_NAMES):
        return None
    wanted = {name: criteria[name] if name in _STATUS else _key(criteria[name]) for name in given}
    return ExampleTrait.objects.filter(project=project, **wanted).count()


def _key(value: object) -> str:
    return "" if value == "-" else str(value)
