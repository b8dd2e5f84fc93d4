"""Downloads of any length. Nothing is held in memory but the piece that is being sent."""

import asyncio
import csv
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

from django.http import StreamingHttpResponse

_PIECE = 1 << 18


def attachment(pieces: AsyncIterator[Any], *, name: str, content_type: str) -> StreamingHttpResponse:
    """`pieces` (text or bytes) as a file to save."""
    return StreamingHttpResponse(
        pieces,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


async def file_pieces(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece


class _Line:
    """A file for csv.writer that hands each line straight on."""

    def write(self, line: str) -> str:
        return line


_writer: Any = csv.writer(_Line())


def csv_line(cells: Iterable[Any]) -> str:
    """Spreadsheets run cells that begin like a formula; an apostrophe keeps them text."""
    texts = (str(cell) for cell in cells)
    return str(
        _writer.writerow(
            [
                f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@") or text[:1] in "\t\r" else text
                for text in texts
            ]
        )
    )
