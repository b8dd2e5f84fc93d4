"""Downloads of any length, for pages and API: only the portion that is being sent is in memory.

They use no database connection while they send: it goes back to the pool first (core.database.connections).
"""

import asyncio
import csv
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any

from django.http import StreamingHttpResponse

from core.database.connections import in_db
from core.errors import TooMany
from core.models import User

CSV = "text/csv; charset=utf-8"
JSONL = "application/jsonl; charset=utf-8"
ZIP = "application/zip"
# Bytes or characters of one portion. Large enough that switching threads costs little.
_PORTION = 1 << 20
# Each open download costs a thread and a portion in memory, in each web process.
AT_ONCE_EACH = 4

_open: Counter[int] = Counter()
_lock = Lock()


class Download(StreamingHttpResponse):
    """A streamed file that counts as open until it is closed, or dropped by the server."""

    def __init__(
        self, pieces: AsyncIterator[Any], *, person: int, content_type: str, headers: dict[str, str]
    ) -> None:
        _take_place(person)
        self._leave = weakref.finalize(self, _give_place_back, person)
        super().__init__(pieces, content_type=content_type, headers=headers)

    def close(self) -> None:
        self._leave()
        super().close()


def _take_place(person: int) -> None:
    with _lock:
        if _open[person] >= AT_ONCE_EACH:
            raise TooMany(
                f"You have {AT_ONCE_EACH} downloads open already.",
                "Wait until one of them has finished, or stop one, then try again.",
            )
        _open[person] += 1


def _give_place_back(person: int) -> None:
    with _lock:
        _open[person] -= 1
        if _open[person] <= 0:
            del _open[person]


def attachment(
    pieces: Callable[[], Iterable[str] | Iterable[bytes]],
    *,
    method: str | None,
    by: User,
    name: str,
    content_type: str,
    length: int | None = None,
) -> StreamingHttpResponse:
    """A download called `name`, made while it is sent. `pieces` can give a generator that reads the database: with
    `core.lists.rows.rows_by_key`, as a cursor would be lost between two portions.

    `method` is the request's: for HEAD the headers are the same and `pieces` is not called. `length` is the size in
    bytes, if it is known before: browsers then show the progress. Raises TooMany (429) when the person has AT_ONCE_EACH open
    in this process.
    """
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    if length is not None:
        headers["Content-Length"] = str(length)
    if method == "HEAD":
        # Not a plain response without a body: that would get a Content-Length of 0.
        return StreamingHttpResponse(_portions(iter(())), content_type=content_type, headers=headers)
    made = pieces()
    stream = _portions_of_file(made.path) if isinstance(made, _File) else _portions(iter(made))
    return Download(stream, person=by.pk, content_type=content_type, headers=headers)


async def _portions(pieces: Iterator[Any]) -> AsyncIterator[Any]:
    """The server is asynchronous; given a plain generator, Django would collect all of it before the first byte."""
    try:
        while portion := await in_db(_portion, pieces):
            yield portion
    finally:
        if close := getattr(pieces, "close", None):
            await in_db(close)


def _portion(pieces: Iterator[Any]) -> Any:
    """The next pieces as one, empty at the end."""
    taken, size = [], 0
    for piece in pieces:
        taken.append(piece)
        size += len(piece)
        if size >= _PORTION:
            break
    return taken[0][:0].join(taken) if taken else b""


class _File:
    """The bytes of a file. `attachment` reads it without the thread of the request, which others may wait for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while piece := file.read(_PORTION):
                yield piece


def pieces_of_file(path: Path) -> Iterable[bytes]:
    return _File(path)


async def _portions_of_file(path: Path) -> AsyncIterator[bytes]:
    """No file stays open between two portions: a server may drop this without closing it."""
    at = 0
    while piece := await asyncio.to_thread(_read, path, at):
        at += len(piece)
        yield piece


def _read(path: Path, at: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        file.seek(at)
        return file.read(_PORTION)


class _Line:
    """A file for csv.writer that returns each line immediately."""

    def write(self, line: str) -> str:
        return line


_writer: Any = csv.writer(_Line())


def csv_line(cells: Iterable[Any]) -> str:
    """One line of CSV. Texts that start like a formula get an apostrophe: spreadsheets would run them (OWASP, CSV injection)."""
    return str(_writer.writerow([_cell(value) for value in cells]))


def _cell(value: object) -> str | float | None:
    if value is None or isinstance(value, (int, float)):
        return value
    text = str(value)
    return f"'{text}" if text.lstrip()[:1] in {"=", "+", "-", "@"} or text[:1] in {"\t", "\r"} else text
