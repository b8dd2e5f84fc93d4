"""Parquet with typed columns, written in row groups: one group at a time is in memory."""

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from dataset.writers.base import FIELDS, Content, LeftOut, Options, Row, letters

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET_TYPE = "application/vnd.apache.parquet"
COLUMN_WORDS = {
    "id": "the example's id",
    "messages": "the conversation so far, as a list of `role` and `content`; it ends with the user",
    "context": "the records that the answer may use, as texts",
    "completion": "the answer that a model should give",
    "rejected": "a worse answer to the same question; empty when none is known",
    "slice": "the topic",
    "edge": "the kind of edge case; empty for others",
    "tags": "labels",
    "group": "conversation or document; a group is in one split only",
    "source": "where the example comes from",
    "license": "the license of the example",
    "status": "where the example was in its review",
    "revision": "the number of the example's revision",
    "split": "train, validation or test; empty outside dataset versions",
}
# A row group ends at either: rows, or characters of text, as one row can have 200,000 of them.
GROUP_ROWS = 2_000
GROUP_LETTERS = 8_000_000


class Sink(io.RawIOBase):
    """A file for writers that want one: what they wrote is taken out again while they go on."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._length = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(memoryview(data))  # type: ignore[arg-type]
        self._pieces.append(piece)
        self._length += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._length

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


@cache
def arrow_schema() -> "pa.Schema":
    """The columns, in the order of a row's fields. pyarrow is loaded when it is needed: the web process starts without it."""
    import pyarrow as pa

    lists = {
        "messages": pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])),
        "context": pa.list_(pa.string()),
        "tags": pa.list_(pa.string()),
        "revision": pa.int32(),
    }
    return pa.schema([(name, lists.get(name, pa.string())) for name in FIELDS])


def groups_of(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The rows in portions that fit into memory."""
    group: list[Row] = []
    size = 0
    for row in rows:
        group.append(row)
        size += letters(row)
        if len(group) >= GROUP_ROWS or size >= GROUP_LETTERS:
            yield group
            group, size = [], 0
    if group:
        yield group


def parquet_pieces(groups: Iterable[list[Row]]) -> Iterator[bytes]:
    """One Parquet file, a row group for each of `groups`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = Sink()
    with pq.ParquetWriter(sink, arrow_schema(), compression="zstd") as writer:
        for group in groups:
            writer.write_table(pa.Table.from_pylist(group, schema=arrow_schema()), row_group_size=len(group))
            yield sink.take()
    yield sink.take()


@dataclass(frozen=True)
class Parquet:
    name: str = "parquet"
    label: str = "Parquet"
    says: str = "Everything, in typed columns, for pandas, DuckDB, Spark and other programs of data."
    ending: str = "parquet"
    content_type: str = PARQUET_TYPE
    keys: dict[str, str] = field(default_factory=lambda: {name: name for name in FIELDS})
    keeps_others: bool = False
    left_out: tuple[LeftOut, ...] = ()
    two_rows: bool = False

    def reason(self, row: Row) -> LeftOut | None:
        return None

    def pieces(self, content: Content, options: Options) -> Iterator[bytes]:
        yield from parquet_pieces(groups_of(content.rows("")))

    def sample(self, rows: list[Row], options: Options) -> str:
        """The rows as a reader of the file gives them."""
        import pyarrow as pa

        table = pa.Table.from_pylist(rows, schema=arrow_schema())
        return "\n".join(json.dumps(row, ensure_ascii=False, indent=2) for row in table.to_pylist())


PARQUET = Parquet()
