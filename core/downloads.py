"""Downloads of any length, for pages and API: nothing is held in memory but the portion that is being sent."""

import csv
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse

CSV = "text/csv; charset=utf-8"
JSONL = "application/jsonl; charset=utf-8"
ZIP = "application/zip"
# Bytes or characters that are made in one go. Large enough that the change of threads costs nothing beside it.
_PORTION = 1 << 18


def attachment(
    pieces: Iterable[str] | Iterable[bytes], *, name: str, content_type: str, length: int | None = None
) -> StreamingHttpResponse:
    """A download called `name`, made while it is sent. `pieces` may be a generator that reads the database.

    `length` is the size in bytes, where it is known beforehand: browsers show how much is left.
    """
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    if length is not None:
        headers["Content-Length"] = str(length)
    return StreamingHttpResponse(_portions(iter(pieces)), content_type=content_type, headers=headers)


async def _portions(pieces: Iterator[Any]) -> AsyncIterator[Any]:
    """The server is asynchronous; given a plain generator, Django would collect all of it before the first byte."""
    try:
        while portion := await sync_to_async(_portion)(pieces):
            yield portion
    finally:
        if close := getattr(pieces, "close", None):
            await sync_to_async(close)()


def _portion(pieces: Iterator[Any]) -> Any:
    """The next pieces as one, empty at the end."""
    taken, size = [], 0
    for piece in pieces:
        taken.append(piece)
        size += len(piece)
        if size >= _PORTION:
            break
    return taken[0][:0].join(taken) if taken else b""


def pieces_of_file(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PORTION):
            yield piece


class _Line:
    """A file for csv.writer that hands each line straight on."""

    def write(self, line: str) -> str:
        return line


_writer: Any = csv.writer(_Line())


def csv_line(cells: Iterable[Any]) -> str:
    """One line of CSV. Words that begin like a formula get an apostrophe: spreadsheets would run them (OWASP, CSV injection)."""
    return str(_writer.writerow([_cell(value) for value in cells]))


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, (int, float)):
        return value
    text = str(value)
    return f"'{text}" if text.lstrip()[:1] in {"=", "+", "-", "@"} or text[:1] in {"\t", "\r"} else text
