"""What is exported: examples as their list finds them, or the rows of a dataset version; and how many a shape leaves out."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, cast

from django.db.models import Count, F, Func, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Length

from annotation.downloads import example_record
from annotation.models import Example
from core.keeping import kept
from core.lists.rows import rows_by_key
from core.models import Project
from dataset.models import DatasetVersion, Source
from dataset.rows import iter_rows
from dataset.writers import WRITERS, LeftOut, Row, Writer

KEEP_SECONDS = 7 * 24 * 3600
# Above this number of rows a page shows itself first and then requests the counts and the first rows.
AT_ONCE = 20_000
# Rows of a version that are looked through for the first that a shape can carry.
_LOOKED_THROUGH = 5_000
# What example_record reads; other columns stay in the database.
_COLUMNS = (
    "pk", "external_id", "messages", "context", "completion", "rejected", "slice", "edge", "tags", "group", "source", "license",
    "status", "revision",
)  # fmt: skip


@dataclass(frozen=True)
class ExportCounts:
    """Counts of an export in one shape. `examples` are found, `unapproved` of them are not approved; `rows` are in the file;
    `left_out` is {reason: examples}."""

    examples: int
    rows: int
    left_out: Mapping[LeftOut, int] = field(default_factory=dict)
    unapproved: int = 0


# --- examples ----------------------------------------------------------------------------------------------
def row_of_example(example: Example) -> Row:
    return {**example_record(example), "split": ""}  # type: ignore[typeddict-item]


def rows_of_examples(matches: QuerySet[Example]) -> Iterator[Row]:
    """The examples by their numbers, a portion at a time."""
    # Named tuples with the same names cost half of what instances of the model cost.
    rows = cast("QuerySet[Example]", matches.values_list(*_COLUMNS, named=True))
    return map(row_of_example, rows_by_key(rows))


_ROLES = Cast(
    Func(F("messages"), Value("$[*].role"), function="jsonb_path_query_array"), output_field=TextField()
)
# dataset.writers.alpaca.ROLES as a regular expression over the JSON of the roles, for the database.
_IN_TURN = r'^\[("system", )?("user", "assistant", )*"user"\]$'
_WITHOUT: dict[LeftOut, Q] = {
    LeftOut.UNANSWERED: Q(completion=""),
    LeftOut.NOT_WORSE: Q(completion="") | Q(rejected=""),
    LeftOut.NO_ANSWER: Q(completion="", rejected=""),
    LeftOut.TURNS: ~Q(completion="") & ~Q(turn_roles__regex=_IN_TURN),
}
# A cell has at most two UTF-16 units for a character of the text or of its JSON as PostgreSQL writes it.
_PERHAPS_LONG = 16_300


def _with_roles(matches: QuerySet[Example], writer: Writer) -> QuerySet[Example]:
    return matches.annotate(turn_roles=_ROLES) if LeftOut.TURNS in writer.left_out else matches


def _with_long_cells(matches: QuerySet[Example], writer: Writer) -> list[int]:
    """The examples that the shape leaves out for their length. The database finds those that can be."""
    lengths = {
        "messages_length": Length(Cast("messages", TextField())),
        "context_length": Length(Cast("context", TextField())),
        "completion_length": Length("completion"),
        "rejected_length": Length("rejected"),
    }
    perhaps = Q()
    for name in lengths:
        perhaps |= Q(**{f"{name}__gt": _PERHAPS_LONG})
    found = matches.only(*_COLUMNS).annotate(**lengths).filter(perhaps)
    return [example.pk for example in rows_by_key(found) if writer.reason(row_of_example(example))]


def figures_of_examples(matches: QuerySet[Example], writer: Writer) -> ExportCounts:
    """Counts of the examples in this shape. One query, and for CSV the reading of long examples."""
    asked: dict[str, Count] = {
        "examples": Count("pk"),
        "unapproved": Count("pk", filter=~Q(status=Example.Status.APPROVED)),
        "both": Count("pk", filter=~Q(completion="") & ~Q(rejected="")),
    }
    by_query = [reason for reason in writer.left_out if reason in _WITHOUT]
    for reason in by_query:
        asked[reason.name] = Count("pk", filter=_WITHOUT[reason])
    counts = _with_roles(matches, writer).order_by().aggregate(**asked)
    left_out = {reason: counts[reason.name] for reason in by_query if counts[reason.name]}
    if LeftOut.LONG_CELL in writer.left_out and (long := len(_with_long_cells(matches, writer))):
        left_out[LeftOut.LONG_CELL] = long
    return ExportCounts(
        examples=counts["examples"],
        rows=counts["examples"] - sum(left_out.values()) + (counts["both"] if writer.two_rows else 0),
        left_out=left_out,
        unapproved=counts["unapproved"],
    )


def first_of_examples(matches: QuerySet[Example], writer: Writer, count: int) -> list[Row]:
    """The first rows that the shape can carry."""
    found = _with_roles(matches, writer)
    for reason in writer.left_out:
        if reason in _WITHOUT:
            found = found.exclude(_WITHOUT[reason])
    rows = map(row_of_example, found.only(*_COLUMNS).order_by("pk")[: 10 * count])
    return list(islice((row for row in rows if not writer.reason(row)), count))


# --- dataset versions --------------------------------------------------------------------------------------
def row_of_frozen(frozen: Mapping[str, Any]) -> Row:
    """A row of a version's artifact. Versions from before there were worse answers have none."""
    return {
        "id": f"example-{frozen['example']}",
        # The artifact has the keys of a message in the order of the alphabet; people expect the role first.
        "messages": [{"role": turn["role"], "content": turn["content"]} for turn in frozen["messages"]],
        "context": frozen["context"],
        "completion": frozen["completion"],
        "rejected": frozen.get("rejected", ""),
        "slice": frozen["slice"],
        "edge": frozen["edge"],
        "tags": frozen["tags"],
        "group": frozen["group"],
        "source": frozen["source"],
        "license": frozen["license"],
        "status": Example.Status.APPROVED.value,
        "revision": frozen["revision"],
        "split": frozen["split"],
    }


def rows_of_version(dataset: DatasetVersion, split: str = "") -> Iterator[Row]:
    """The rows in the version's order, or those of one split."""
    return map(row_of_frozen, iter_rows(dataset, split or None))


# Part of the key of counts that are kept: the shapes and reasons of which they have counts.
_COUNTED = "2." + ".".join(f"{writer.name}-{len(writer.left_out)}" for writer in WRITERS)


@dataclass
class _Tally:
    rows: int = 0
    both: int = 0
    left_out: dict[str, Counter[str]] = field(default_factory=dict)
    licenses: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, row: Row, writers: Iterable[Writer]) -> None:
        self.rows += 1
        self.both += bool(row["completion"] and row["rejected"])
        self.licenses[row["license"], row["source"]] += 1
        for writer in writers:
            if reason := writer.reason(row):
                self.left_out.setdefault(writer.name, Counter())[reason.name] += 1


def _tallies(dataset: DatasetVersion) -> dict[str, _Tally]:
    """{split: counts, "": of all}, for every shape. The artifact is read once: a version does not change."""

    def count() -> dict[str, _Tally]:
        selective = [writer for writer in WRITERS if writer.left_out]
        tallies = {"": _Tally()}
        for row in rows_of_version(dataset):
            for split in ("", row["split"]):
                tallies.setdefault(split, _Tally()).add(row, selective)
        return tallies

    return kept(f"exports.{_COUNTED}.{dataset.artifact_id}", count, seconds=KEEP_SECONDS)


def figures_of_version(dataset: DatasetVersion, writer: Writer, split: str = "") -> ExportCounts:
    tally = _tallies(dataset).get(split, _Tally())
    left_out = {LeftOut[name]: count for name, count in tally.left_out.get(writer.name, {}).items()}
    return ExportCounts(
        examples=tally.rows,
        rows=tally.rows - sum(left_out.values()) + (tally.both if writer.two_rows else 0),
        left_out=left_out,
    )


def licenses_of_version(dataset: DatasetVersion, split: str = "") -> dict[str, int]:
    """{license: rows}, "" where none is known. One query, if the rows were counted before."""
    tally = _tallies(dataset).get(split, _Tally())
    return with_licenses_of_sources(dataset.project, tally.licenses)


def with_licenses_of_sources(project: Project, counts: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """{license: rows} of {(license of the row, its source): rows}: where a row names no license, its source's counts. One query."""
    of_source = dict(Source.objects.filter(project=project).values_list("name", "license"))
    licenses: Counter[str] = Counter()
    for (own, source), count in counts.items():
        licenses[own or of_source.get(source, "")] += count
    return dict(licenses)


def first_of_version(dataset: DatasetVersion, writer: Writer, count: int, split: str = "") -> list[Row]:
    """The first rows that the shape can carry, among the first of the version."""
    rows = islice(rows_of_version(dataset, split), _LOOKED_THROUGH)
    return list(islice((row for row in rows if not writer.reason(row)), count))
