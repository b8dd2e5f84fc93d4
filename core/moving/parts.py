"""What belongs to an archive of a project. Each app registers its own tables from AppConfig.ready; core knows none of them.

A table that belongs to a project is either a part or left out with a reason; tests/core/test_moving_complete.py names those
that are neither.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from django.db.models import Field, Model, Q, QuerySet

from core.json_types import Json
from core.models import Project

Row = dict[str, Any]  # a row as JSON: {column: value}


class Renumber(Protocol):
    """Gives the new numbers and names of an import. A rule is called twice for each value: first to collect what it asks for (the
    answers are then the old ones), then to rewrite it. So it must not decide by the answers which others to ask for."""

    def id(self, label: str, old: int) -> int | None:
        """The new primary key of a row of the model `label`; None when the archive has no such row."""

    def name(self, old: str) -> str:
        """The new spelling of a text that must be unique in an installation."""

    def url(self, old: str) -> str:
        """The address of a page of the project, with its new parts."""


JsonRule = Callable[[Json, Renumber], Json]


def plain(value: Json, new: Renumber) -> Json:
    """The rule of a JSON value without any reference to rows."""
    return value


class Arrival(Protocol):
    """The import, for what a part does when its rows arrive."""

    old_slug: str
    missing: set[int]

    @property
    def project(self) -> Project: ...

    def failed_run(self, *, kind: str, title: str, message: str, advice: str) -> int: ...


@dataclass(frozen=True)
class Part:
    """One table of an archive.

    `within`   the lookup from a row to the primary key of its project ("example__project"); empty for rows that do not belong
               to one project and come along because others refer to them
    `only`     which rows come along
    `json`     a rule for each JSON column: `plain`, or a function that renumbers the references in it
    `refs`     columns without a foreign key that hold the primary key of another model: {column: model}
    `reset`    columns that do not come along: {column: (the value in the archive, why)}
    `rewrite`  renumbers what the other rules cannot: called with a copy of the row, as often as a rule of a JSON column
    `settle`   changes a row whose state only makes sense in its installation; called when it leaves and when it arrives
    `fresh`    columns that are unique in an installation: gives another value when one is in use
    `check`    what is wrong with a row, in a few words; empty when nothing is
    `arrive`   changes a renumbered row before it is stored
    `reuse`    the primary key of a row of this installation that is the same; None to store a new one. Only for few rows.
    """

    model: type[Model]
    within: str = ""
    only: Q = field(default_factory=Q)
    json: Mapping[str, JsonRule] = field(default_factory=dict)
    refs: Mapping[str, str] = field(default_factory=dict)
    reset: Mapping[str, tuple[Json, str]] = field(default_factory=dict)
    rewrite: Callable[[Row, Renumber], None] | None = None
    settle: Callable[[Row], None] | None = None
    fresh: Mapping[str, Callable[[str], str]] = field(default_factory=dict)
    check: Callable[[Row], str] | None = None
    arrive: Callable[[Row, Arrival], None] | None = None
    reuse: Callable[[Row], int | None] | None = None

    @cached_property
    def label(self) -> str:
        """For example "annotation.Example"."""
        return str(self.model._meta.label)

    @cached_property
    def noun(self) -> str:
        return str(self.model._meta.verbose_name_plural)

    @cached_property
    def fields(self) -> tuple["Field[Any, Any]", ...]:
        """Everything that is stored, except what the database calculates."""
        return tuple(f for f in self.model._meta.concrete_fields if not f.generated)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        return tuple(str(f.column) for f in self.fields)

    @cached_property
    def targets(self) -> dict[str, str]:
        """{column: model that it refers to}."""
        related = {
            str(f.column): str(f.related_model._meta.label)
            for f in self.fields
            if f.is_relation and isinstance(f.related_model, type)
        }
        return related | dict(self.refs)

    def rows(self, project: Project) -> QuerySet[Any]:
        """The rows of a project, for parts with `within`."""
        return self.model._default_manager.filter(self.only, **{self.within: project.pk}).order_by("pk")

    def settled(self, row: Row) -> Row:
        """The row without what does not come along."""
        if self.settle is not None:
            self.settle(row)
        for column, (value, _) in self.reset.items():
            row[column] = value
        return row


def another_uuid(old: str) -> str:
    """For Part.fresh."""
    return str(uuid.uuid4())


@dataclass(frozen=True)
class NotMoved:
    """Something of a project that no archive has. `words` names it for people; empty when it needs no mention."""

    label: str
    words: str
    why: str


_parts: dict[str, Part] = {}
_left_out: dict[str, NotMoved] = {}
_line_rules: dict[str, JsonRule] = {}
_finishers: list[Callable[[Arrival], None]] = []


def register_part(part: Part) -> None:
    """Call from AppConfig.ready. The order decides only in which order rows are stored."""
    _parts[part.label] = part


def register_left_out(model: type[Model] | str, why: str, *, words: str = "") -> None:
    """Call from AppConfig.ready. `why` is one sentence for people, `words` names it: "Open leases". Not only tables can be left out."""
    label = model if isinstance(model, str) else str(model._meta.label)
    _left_out[label] = NotMoved(label, words, why)


def register_line_rule(kind: str, rule: JsonRule) -> None:
    """How the references in each line of an artifact of this kind (JSONL) are renumbered."""
    _line_rules[kind] = rule


def register_finisher(finish: Callable[[Arrival], None]) -> None:
    """`finish` is called in the transaction of an import, when all rows are stored: it checks them (and raises BadArchive), or makes
    what is not in archives (counts, search)."""
    _finishers.append(finish)


def parts() -> list[Part]:
    return list(_parts.values())


def part_of(label: str) -> Part | None:
    return _parts.get(label)


def left_out() -> list[NotMoved]:
    return list(_left_out.values())


def line_rule(kind: str) -> JsonRule | None:
    return _line_rules.get(kind)


def finishers() -> list[Callable[[Arrival], None]]:
    return list(_finishers)
