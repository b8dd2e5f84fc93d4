"""The content of a dataset version: canonical rows, their hashes, and reading them.

Everything but `iter_rows` is a pure function of its arguments.
"""

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

from annotation.text.hashes import canonical_json, canonical_texts, nfc
from core.storage import storage
from dataset.models import DatasetVersion

# Part of every content hash: a change of the fields of a canonical row is a change of format.
FORMAT = 2
ROW_FIELDS = (
    "messages",
    "context",
    "completion",
    "rejected",
    "slice",
    "edge",
    "tags",
    "group",
    "source",
    "license",
)
# Fields that format 1 did not have.
_ADDED = {"rejected"}


# --- rows and hashes ---------------------------------------------------------------------------------------


def canonical_row(fields: Mapping[str, Any], *, earlier: bool = False) -> dict[str, Any]:
    """Only ROW_FIELDS, in Unicode form NFC, tags sorted. Raises KeyError when one is missing. `earlier`: in format 1."""
    names = [name for name in ROW_FIELDS if not (earlier and name in _ADDED)]
    row: dict[str, Any] = {name: nfc(fields[name]) for name in names}
    row["tags"] = sorted(set(row["tags"]))
    return row


def canonical_body(fields: Mapping[str, Any]) -> bytes:
    """`canonical_json(canonical_row(fields)).encode()`, in a third of the time for texts that are in NFC, as nearly all are."""
    row = {name: fields[name] for name in ROW_FIELDS}
    row["tags"] = sorted(set(row["tags"]))
    body = canonical_texts(row)
    if body.isascii() or unicodedata.is_normalized("NFC", body.decode()):
        return body
    return canonical_json(canonical_row(fields)).encode()


def row_hash(row: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of one canonical row without its split: the name of the row, and its place in the order."""
    return body_hash(canonical_json(row).encode())


def body_hash(body: bytes) -> str:
    """`row_hash` of a row that is canonical JSON already."""
    return hashlib.sha256(body).hexdigest()


def text_hash(content_sha256: str, rejected: str) -> str:
    """The name of a row's texts alone, to tell an edited text from another slice or tag. `content_sha256` is the example's own
    hash of messages, records and completion (annotation.text.hashes.content_hash)."""
    if not rejected:
        return content_sha256
    return hashlib.sha256(f"{content_sha256}\n{nfc(rejected)}".encode()).hexdigest()


def line_head(*, example: int, position: int, revision: int, split: str) -> bytes:
    """The beginning of a row's line in an artifact: all but what its canonical body says, which follows without its first brace."""
    return b'{"example":%d,"position":%d,"revision":%d,"split":"%b",' % (
        example, position, revision, split.encode()
    )  # fmt: skip


class ContentHash:
    """SHA-256 over the settings and then every row with its split, each on a line of its own.

    Rows are added in the order of their hash. That order depends on content alone, so the same content gives the
    same hash in any project, with any numbers of the examples.
    """

    def __init__(self, settings: Mapping[str, Any], *, earlier: bool = False) -> None:
        number = 1 if earlier else FORMAT
        self._sha = hashlib.sha256(canonical_json({"format": number, **settings}).encode() + b"\n")
        self._last = ""

    def add(self, row_sha256: str, split: str) -> None:
        if row_sha256 < self._last:
            raise ValueError("Rows must be added in the order of their hash.")
        self._last = row_sha256
        self._sha.update(f"{row_sha256} {split}\n".encode())

    def hexdigest(self) -> str:
        return self._sha.hexdigest()


# --- reading back ------------------------------------------------------------------------------------------


def iter_rows(dataset: DatasetVersion, split: str | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a frozen version in their order, or those of one split, streamed from its artifact.

    Each is a dict: position (int, from 0), example (primary key), revision (its number within the example), split, slice,
    edge, tags (list), group, source, license, messages ([{role, content}]), context (list of texts), completion.
    Raises ValueError while the version is not ready.
    """
    if dataset.artifact is None:
        raise ValueError(f"{dataset} is not ready: it has no rows to read.")
    path = storage().local_path(dataset.artifact) / dataset.artifact.manifest[0]["path"]
    with path.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            row: dict[str, Any] = json.loads(line)
            if split is None or row["split"] == split:
                yield row


def first_row(dataset: DatasetVersion) -> dict[str, Any]:
    """The first row: it shows which fields the rows of this version have. Empty for a version without rows."""
    return next(iter_rows(dataset), {})


_FEW = 200  # rows that are found faster by halving than by reading all lines


def rows_at(dataset: DatasetVersion, positions: Iterable[int]) -> Iterator[dict[str, Any]]:
    """The rows at these positions, as `iter_rows` gives them, in their order. Only these are parsed. Positions beyond the last
    row are left out.

    Lines are in the order of their positions: a few rows are found by halving (25 of 100,000 in some milliseconds).
    Raises ValueError while the version is not ready.
    """
    if dataset.artifact is None:
        raise ValueError(f"{dataset} is not ready: it has no rows to read.")
    path = storage().local_path(dataset.artifact) / dataset.artifact.manifest[0]["path"]
    wanted = sorted(set(positions))
    with path.open("rb") as lines:
        for line in _few_lines(lines, wanted) if len(wanted) <= _FEW else _many_lines(lines, wanted):
            row: dict[str, Any] = json.loads(line)
            yield row


def _many_lines(lines: BinaryIO, wanted: list[int]) -> Iterator[bytes]:
    left = set(wanted)
    for position, line in enumerate(lines):
        if position in left:
            yield line
            left.discard(position)
            if not left:
                return


def _few_lines(lines: BinaryIO, wanted: list[int]) -> Iterator[bytes]:
    start, size = 0, lines.seek(0, os.SEEK_END)
    for position in wanted:
        start = _line_of(lines, position, start, size)
        lines.seek(start)
        if line := lines.readline():
            yield line
            start += len(line)


_POSITION = re.compile(rb'"position": ?(\d+)')


def _line_of(lines: BinaryIO, position: int, low: int, size: int) -> int:
    """Where the first line begins whose row is at `position` or after it; `size` when there is none. `low` is the beginning of a
    line at or before it."""
    found, high = size, size  # the lines that begin from `low` to before `high` are not known yet
    while low < high:
        middle = (low + high) // 2
        if middle > low:
            lines.seek(middle - 1)
            lines.readline()  # to the end of the line that has this byte
        else:
            lines.seek(low)
        begins = lines.tell()
        line = lines.readline() if begins < high else b""
        at = _POSITION.search(line)
        if at and int(at[1]) < position:
            low = begins + len(line)
            continue
        if at:
            found = begins
        high = middle
    return found
