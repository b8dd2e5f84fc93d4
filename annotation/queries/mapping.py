"""Reads the newest map of the examples: its intents, its points, and which examples have an intent."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from annotation.models import Example, ExampleMap, ExamplePlace
from core.models import Project


@dataclass(frozen=True)
class Intent:
    """A group of questions with similar words. `words` are those that set it apart, the strongest first; `x` and `y` its middle."""

    number: int
    name: str
    words: list[str]
    examples: int
    approved: int
    in_work: int
    x: float
    y: float


@dataclass(frozen=True)
class MapFacts:
    """What the run found: intents, the largest first, and {band of lengths: (approved, in work)}."""

    made_at: datetime
    examples: int
    intents: list[Intent]
    lengths: Mapping[str, tuple[int, int]]
    drawn: int


def map_of(project: Project) -> ExampleMap | None:
    """The map with its newest run; None before the first. One query."""
    return (
        ExampleMap.objects.select_related("run__project", "run__created_by").filter(project=project).first()
    )


def facts_of(project: Project) -> MapFacts | None:
    """The facts of the newest finished map. One query."""
    made = ExampleMap.objects.filter(project=project, made_at__isnull=False).first()
    return None if made is None else read_facts(made)


def read_facts(made: ExampleMap) -> MapFacts | None:
    if made.made_at is None:
        return None
    facts: dict[str, Any] = made.facts
    return MapFacts(
        made_at=made.made_at,
        examples=facts["examples"],
        intents=[Intent(**intent) for intent in facts["intents"]],
        lengths={key: (numbers[0], numbers[1]) for key, numbers in facts["lengths"].items()},
        drawn=facts["drawn"],
    )


@dataclass(frozen=True)
class Point:
    """One example on the map, with what colours it."""

    example: int
    x: float
    y: float
    intent: int
    slice: str
    status: str
    language: str | None
    mood: str | None


def points_of(project: Project) -> list[Point]:
    """The examples that the map draws, as they are now; those that were removed are not among them. One query."""
    rows = ExamplePlace.objects.filter(project=project, shown=True).order_by("example")
    values = rows.values_list(
        "example_id",
        "x",
        "y",
        "intent",
        "example__slice",
        "example__status",
        "example__trait__language",
        "example__trait__mood",
    )
    return [Point(*row) for row in values]


def examples_with(project: Project, intent: int) -> QuerySet[Example]:
    """The examples of one intent, newest first. One query."""
    return Example.objects.filter(project=project, place__project=project, place__intent=intent).order_by(
        "-pk"
    )
