"""CSV that Excel opens: UTF-8 with a byte order mark, CRLF between rows, and no cell that a spreadsheet would run.

A list (records, tags) of one text is that text, a longer one JSON. A conversation of several turns is JSON in `messages`. An answer
that is itself a JSON list of objects is written as a message, as an import would read it as messages.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dataset.writers.base import Content, LeftOut, Options, Row, answer, letters

CELL = 32_767  # characters of a cell of Excel, in UTF-16 units
MOST_ROWS = 1_048_576  # rows of a sheet of Excel, the one with names included
COLUMNS = (
    "id", "system", "prompt", "completion", "rejected", "context", "messages", "slice", "edge", "tags", "group", "source",
    "license", "status", "revision", "split",
)  # fmt: skip
# A spreadsheet runs what starts like this, and some skip white space before it (OWASP, CSV injection). Cells that start with
# apostrophes and then like this are included, so that `from_cell` knows which apostrophe was added here.
_RUNS = re.compile(r"'*(?:[\t\r\n]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20])")


def as_cell(text: str) -> str:
    """The text with an apostrophe in front where a spreadsheet would run it."""
    return f"'{text}" if _RUNS.match(text) else text


def from_cell(cell: str) -> str:
    """The text that `as_cell` made the cell of."""
    return cell[1:] if cell[:1] == "'" and _RUNS.match(cell[1:]) else cell


def _list(texts: list[str]) -> str:
    """One text as it is; none, several, or one that starts like JSON, as JSON."""
    if not texts:
        return ""
    if len(texts) == 1 and not texts[0].lstrip().startswith(("[", "{")):
        return texts[0]
    return json.dumps(texts, ensure_ascii=False)


def _reads_as_messages(text: str) -> bool:
    if not text.lstrip().startswith("["):
        return False
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, list) and bool(value) and all(isinstance(part, dict) for part in value)


def _answer(text: str) -> str:
    return json.dumps([answer(text)], ensure_ascii=False) if _reads_as_messages(text) else text


def cells(row: Row) -> dict[str, str]:
    """The cells of a row by column."""
    turns = [message for message in row["messages"] if message["role"] != "system"]
    asked = turns[-1]["content"] if turns else ""
    is_chat = len(turns) > 1 or _reads_as_messages(asked)
    given = {
        **row,
        "system": "".join(m["content"] for m in row["messages"][:1] if m["role"] == "system"),
        "prompt": "" if _reads_as_messages(asked) else asked,
        "completion": _answer(row["completion"]),
        "rejected": _answer(row["rejected"]),
        "context": _list(row["context"]),
        "messages": json.dumps(turns, ensure_ascii=False) if is_chat else "",
        "tags": _list(row["tags"]),
    }
    return {name: as_cell(str(given[name])) for name in COLUMNS}


_MOST_UNITS = 6  # UTF-16 units that JSON needs for one character: \\u001f


def _is_long(cell: str) -> bool:
    """Whether Excel would cut the cell. Characters beyond the first plane count twice."""
    if len(cell) * 2 <= CELL:
        return False
    return len(cell) + sum(letter > "\uffff" for letter in cell) > CELL


class _Line:
    """A file for csv.writer that returns each line immediately."""

    def write(self, line: str) -> str:
        return line


_writer: Any = csv.writer(_Line())


def _csv_line(values: Iterable[str]) -> str:
    return str(_writer.writerow(values))


@dataclass(frozen=True)
class Spreadsheet:
    name: str = "csv"
    label: str = "CSV for Excel"
    says: str = "For reading in Excel, LibreOffice or Numbers. One example per row."
    ending: str = "csv"
    content_type: str = "text/csv; charset=utf-8"
    keys: dict[str, str] = field(
        default_factory=lambda: (
            {name: name for name in COLUMNS if name in Row.__annotations__}
            | {"messages": "system and prompt, or messages"}
        )
    )
    keeps_others: bool = False
    left_out: tuple[LeftOut, ...] = (LeftOut.LONG_CELL,)
    two_rows: bool = False

    def reason(self, row: Row) -> LeftOut | None:
        if letters(row) * _MOST_UNITS + 100 * len(row["messages"]) + 10 * len(row["context"]) <= CELL:
            return None
        return LeftOut.LONG_CELL if any(_is_long(cell) for cell in cells(row).values()) else None

    def pieces(self, content: Content, options: Options) -> Iterator[str]:
        yield "\ufeff" + _csv_line(COLUMNS)
        for row in content.rows(""):
            values = cells(row).values()
            if not any(_is_long(cell) for cell in values):
                yield _csv_line(values)

    def sample(self, rows: list[Row], options: Options) -> str:
        kept = [row for row in rows if not self.reason(row)]
        return "".join([_csv_line(COLUMNS), *(_csv_line(cells(row).values()) for row in kept)]).replace(
            "\r\n", "\n"
        )


SPREADSHEET = Spreadsheet()
