"""Batches of prepared rows as they travel from the process that reads a file (dataset.runner.apart)."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, overload

from dataset.runner.chats import ParsedExample
from dataset.runner.preparing import PreparedBatch, PreparedRow
from dataset.runner.reading.records import EXCERPT, FileLine


class PackedRow(NamedTuple):
    """A good row, as it travels: of its texts only what a repeat shows. The first three are all that a new row needs."""

    source: str
    license: str
    copied: str
    number: int
    end: int
    part: str
    asked: str
    arrival: str
    content: str


class ReceivedRows(Sequence[PreparedRow]):
    """The good rows of a batch. Each is made into a PreparedRow where it is asked for: rows that are new are stored by their text for
    COPY alone, and making 100,000 instances would cost as much as storing them."""

    def __init__(self, packed: list[tuple[Any, ...]]) -> None:
        self._packed = packed

    def __len__(self) -> int:
        return len(self._packed)

    @overload
    def __getitem__(self, at: int) -> PreparedRow: ...

    @overload
    def __getitem__(self, at: slice) -> list[PreparedRow]: ...

    def __getitem__(self, at: int | slice) -> PreparedRow | list[PreparedRow]:
        rows = self._packed[at]
        return list(map(_row, rows)) if isinstance(rows, list) else _row(rows)

    def copied(self) -> Iterator[tuple[Any, ...]]:
        """(source, license, the other columns) of each row."""
        return (row[:3] for row in self._packed)


def _row(values: tuple[Any, ...]) -> PreparedRow:
    packed = PackedRow(*values)
    return PreparedRow(
        FileLine(packed.number, packed.end, None, part=packed.part),
        ParsedExample(
            [{"role": "user", "content": packed.asked}], source=packed.source, license=packed.license
        ),
        packed.arrival, packed.content, "", "", packed.copied,
    )  # fmt: skip


def packed(batch: PreparedBatch) -> tuple[Any, ...]:
    """The batch as a few lists of plain tuples: instances would cost more than reading the rows."""
    good = [
        (row.example.source, row.example.license, row.copied, row.line.number, row.line.end, row.line.part,
         row.example.messages[-1]["content"][: 2 * EXCERPT], row.arrival, row.content)
        for row in batch.good
    ]  # fmt: skip
    bad = [(line.as_excerpt(), issues) for line, issues in batch.bad]
    return good, bad, batch.notes, batch.shorts


def unpacked(values: tuple[Any, ...]) -> PreparedBatch:
    good, bad, notes, shorts = values
    return PreparedBatch(ReceivedRows(good), bad, notes, shorts)
