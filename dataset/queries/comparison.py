"""What differs between two versions of a project: every example that is in one of them has exactly one kind.

The two lists of rows are joined by example, by the hashes that the freeze stored: no text is read until a page shows it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, overload

from django.db import connection, models

from annotation.models import Example
from annotation.queries.categories import edge_names
from annotation.text.changes import ChangedPart, Changes, changes, state_of
from core.keeping import kept
from dataset.models import DatasetVersion, GroupSplit, WithheldRow
from dataset.queries.versions import NO_SLICE
from dataset.rows import first_row, rows_at

KEEP_SECONDS = 7 * 24 * 3600


class Kind(models.TextChoices):
    """`moved` as a filter is every row in another split; as a row's kind it says that nothing else differs."""

    ADDED = "added", "Added"
    REMOVED = "removed", "Removed"
    EDITED = "edited", "Edited"
    METADATA = "metadata", "Only labels changed"
    MOVED = "moved", "In another split"
    UNCHANGED = "unchanged", "Unchanged"


_PAIRED = """
WITH pair AS (
SELECT coalesce(a.example_id, b.example_id) AS example_id, a.position, b.position AS other_position,
       a.split, b.split AS other_split, a.slice, b.slice AS other_slice,
       coalesce(a.split <> b.split, false) AS moved,
       CASE WHEN b.example_id IS NULL THEN 'added' WHEN a.example_id IS NULL THEN 'removed'
            WHEN a.text_hash <> b.text_hash THEN 'edited'
            WHEN CASE WHEN %(same_format)s THEN a.row_hash <> b.row_hash
                      ELSE a.revision_id <> b.revision_id OR a.slice <> b.slice END THEN 'metadata'
            WHEN a.split <> b.split THEN 'moved' ELSE 'unchanged' END AS kind
FROM (SELECT * FROM datasets_datasetrow WHERE dataset_id = %(dataset)s) a
FULL JOIN (SELECT * FROM datasets_datasetrow WHERE dataset_id = %(other)s) b USING (example_id)
WHERE %(slice)s::text IS NULL OR a.slice = %(slice)s OR b.slice = %(slice)s
)
"""
_COUNTS = "SELECT kind, count(*), count(*) FILTER (WHERE moved) FROM pair GROUP BY kind"
_PAGE = """
SELECT example_id, position, other_position, split, other_split, slice, other_slice, moved, kind
FROM pair WHERE kind = ANY(%(kinds)s) OR moved AND %(moved)s
ORDER BY example_id LIMIT %(most)s OFFSET %(start)s
"""


@dataclass(frozen=True)
class VersionDifference:
    """How many rows of each kind. `moved` counts every row in another split, also edited ones; all others add up to the rows that
    either version has, together with the rows that only moved (`only_moved`)."""

    added: int = 0
    removed: int = 0
    edited: int = 0
    metadata: int = 0
    moved: int = 0
    unchanged: int = 0
    only_moved: int = 0

    @property
    def nothing(self) -> bool:
        return not (self.added or self.removed or self.edited or self.metadata or self.moved)

    @property
    def changed(self) -> int:
        """Rows that are not the same in both."""
        return self.added + self.removed + self.edited + self.metadata + self.only_moved

    def of(self, kind: str) -> int:
        return int(getattr(self, kind)) if kind else self.changed


@dataclass(frozen=True)
class ComparedRow:
    """An example in one or both versions. `row` and `other_row` are its frozen rows (dataset.rows.iter_rows), `changes` their
    differences. `withheld` says why a version without the row left it out, if it did."""

    example: int
    kind: str
    moved: bool
    split: str
    other_split: str
    slice: str
    other_slice: str
    position: int | None
    other_position: int | None
    row: dict[str, Any] | None = None
    other_row: dict[str, Any] | None = None
    changes: Changes | None = None
    withheld: WithheldRow | None = None
    status: str = ""

    @property
    def kind_label(self) -> str:
        return str(Kind(self.kind).label)

    @property
    def split_label(self) -> str:
        return str(GroupSplit.Split(self.split).label) if self.split else ""

    @property
    def other_split_label(self) -> str:
        return str(GroupSplit.Split(self.other_split).label) if self.other_split else ""

    @property
    def shown(self) -> dict[str, Any]:
        """The row to show: the one of this version, else the other's."""
        return self.row or self.other_row or {}


class VersionComparison:
    """`dataset` compared with `other`, an older or newer version of the same project: added means in `dataset` only."""

    def __init__(self, dataset: DatasetVersion, other: DatasetVersion) -> None:
        self.dataset, self.other = dataset, other

    @cached_property
    def same_format(self) -> bool:
        """Whether the rows of both have the same fields; without that, the hashes of two equal rows differ."""
        return _fields(self.dataset) == _fields(self.other)

    def counts(self, slice_name: str = "") -> VersionDifference:
        """One query, about 0.2 s for 100,000 rows against 100,000. Frozen versions do not change, so it is cached."""
        chosen = hashlib.sha256(slice_name.encode()).hexdigest()[:16] if slice_name else ""
        key = f"comparison.{self.dataset.pk}.{self.other.pk}.{chosen}"
        return kept(key, lambda: self._counts(slice_name), seconds=KEEP_SECONDS)

    def rows(self, *, kind: str = "", slice_name: str = "") -> "ComparedRows":
        """The rows that differ, of one kind, also of one slice (in either version); "unchanged" lists the others."""
        return ComparedRows(self, kind, slice_name)

    def slices(self) -> list[str]:
        """The names of the slices of both."""
        return sorted({*self.dataset.counts.get("slices", {}), *self.other.counts.get("slices", {})})

    def settings(self) -> list[ChangedPart]:
        """The settings of the two freezes that differ, in words."""
        parts = []
        for name, label in _SETTINGS.items():
            old, new = (_worded(version.settings.get(name)) for version in (self.other, self.dataset))
            if old != new:
                parts.append(ChangedPart("changed", old, new, label=label))
        return parts

    def _values(self, slice_name: str) -> dict[str, Any]:
        chosen = None if not slice_name else "" if slice_name == NO_SLICE else slice_name
        return {
            "dataset": self.dataset.pk,
            "other": self.other.pk,
            "slice": chosen,
            "same_format": self.same_format,
        }

    def _counts(self, slice_name: str) -> VersionDifference:
        counts = dict.fromkeys((field.name for field in fields(VersionDifference)), 0)
        for kind, rows, moved in _select(_PAIRED + _COUNTS, self._values(slice_name)):
            counts["only_moved" if kind == Kind.MOVED else kind] += rows
            counts["moved"] += moved
        return VersionDifference(**counts)

    def page(self, kind: str, slice_name: str, start: int, most: int) -> list[ComparedRow]:
        differing = [one for one in Kind.values if one != Kind.UNCHANGED]
        values = self._values(slice_name) | {
            "kinds": [kind] if kind else differing,
            "moved": kind in ("", Kind.MOVED),
            "start": start,
            "most": most,
        }
        found = [
            ComparedRow(
                example, row_kind, moved, split or "", other_split or "", slice_ or "", other_slice or "",
                position, other_position,
            )
            for example, position, other_position, split, other_split, slice_, other_slice, moved, row_kind
            in _select(_PAIRED + _PAGE, values)
        ]  # fmt: skip
        return self._with_texts(found)

    def _with_texts(self, found: Sequence[ComparedRow]) -> list[ComparedRow]:
        """Reads the frozen rows of one page from both artifacts, and why rows are missing from a version. Two queries."""
        rows, others = (
            {row["position"]: row for row in rows_at(version, [n for n in positions if n is not None])}
            for version, positions in (
                (self.dataset, [row.position for row in found]),
                (self.other, [row.other_position for row in found]),
            )
        )
        examples = [row.example for row in found if row.position is None or row.other_position is None]
        withheld = {
            (left_out.dataset_id, left_out.example_id): left_out
            for left_out in WithheldRow.objects.filter(
                dataset__in=[self.dataset, self.other], example__in=examples
            ).select_related("dataset")
        }
        statuses = dict(Example.objects.filter(pk__in=examples).values_list("pk", "status"))
        full = []
        edges = edge_names(self.dataset.project)
        for row in found:
            new = None if row.position is None else rows[row.position]
            old = None if row.other_position is None else others[row.other_position]
            missing = self.dataset if row.kind == Kind.REMOVED else self.other
            status = statuses.get(row.example)
            full.append(
                replace(
                    row,
                    row=new,
                    other_row=old,
                    changes=row_changes(old, new, edges) if new and old else None,
                    withheld=withheld.get((missing.pk, row.example)),
                    status=str(Example.Status(status).label) if status else "",
                )
            )
        return full


class ComparedRows(Sequence[ComparedRow]):
    """The rows of a comparison as a paginator takes them: their number, and one slice of them at a time."""

    def __init__(self, comparison: VersionComparison, kind: str, slice_name: str) -> None:
        self._comparison, self._kind, self._slice = comparison, kind, slice_name
        self.counts = comparison.counts(slice_name)

    def __len__(self) -> int:
        return self.counts.of(self._kind)

    @overload
    def __getitem__(self, index: int) -> ComparedRow: ...

    @overload
    def __getitem__(self, index: slice) -> list[ComparedRow]: ...

    def __getitem__(self, index: int | slice) -> ComparedRow | list[ComparedRow]:
        if isinstance(index, int):
            return self._comparison.page(self._kind, self._slice, index, 1)[0]
        start, stop, _ = index.indices(len(self))
        return self._comparison.page(self._kind, self._slice, start, max(stop - start, 0))


_SETTINGS = {
    "validation": "Validation share",
    "test": "Test share",
    "slices": "Slices",
    "sources": "Sources",
    "separate_near_duplicates": "Near-duplicates separated",
    "seed": "Random seed",
    "system_prompt": "System prompt",
}
_LABELS = {"group": "Group", "source": "Source", "license": "License"}


def _worded(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0%}" if value < 1 else f"{value:g}"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "all"
    return "" if value is None else str(value)


def row_changes(old: dict[str, Any], new: dict[str, Any], edges: Mapping[str, str]) -> Changes:
    """The differences of two frozen rows: texts, and every label that training or an export can see."""
    found = changes(old, new, edges=edges)
    extra = [
        _changed(old, new, name, label) for name, label in {"rejected": "Worse answer", **_LABELS}.items()
    ]
    return Changes(found.messages, found.context, found.completion, [*found.fields, *extra])


def _changed(old: dict[str, Any], new: dict[str, Any], name: str, label: str) -> ChangedPart:
    before, after = str(old.get(name) or ""), str(new.get(name) or "")
    return ChangedPart(state_of(before, after), before, after, label=label)


def _fields(version: DatasetVersion) -> str:
    return kept(
        f"row-fields.{version.pk}", lambda: ",".join(sorted(first_row(version))), seconds=KEEP_SECONDS
    )


def _select(sql: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()
