"""CSV and TSV: a header with the names of the columns, then one row for each example. Python's own reader, one row at a time."""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator
from typing import IO, Protocol

from dataset.runner.json_lines import Value, shown
from dataset.runner.reading.records import FileLine, NotReadable, clipped
from dataset.writers.spreadsheet import COLUMNS, from_cell


class _CsvReader(Protocol):
    """What csv.reader gives; the class itself has no public name."""

    line_num: int

    def __iter__(self) -> "_CsvReader": ...

    def __next__(self) -> list[str]: ...


# Bytes that are no letters, as Python reads them; in UTF-8 a U+FFFD is a letter of the file itself.
_NO_LETTER = {True: re.compile("[\udc80-\udcff]"), False: re.compile("\ufffd")}
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def read_table(
    file: IO[bytes], *, delimiter: str, max_bytes: int, position: Callable[[], int]
) -> Iterator[FileLine]:
    """Yields every row that is not empty, with the header's names as keys.

    Raises NotReadable for a header with two equal names or none.
    """
    # A cell of this size is refused; a quotation mark that never ends must not read the whole file into memory.
    csv.field_size_limit(max_bytes)
    encoding = _encoding_of(file)
    # Bytes that are no letters stay visible: each row with one is refused by itself.
    errors = "surrogateescape" if encoding == "utf-8" else "replace"
    lines = io.TextIOWrapper(file, encoding=encoding, errors=errors, newline="")
    try:
        no_letter = _NO_LETTER[encoding == "utf-8"]
        yield from _rows(csv.reader(lines, delimiter=delimiter), max_bytes, position, no_letter)
    finally:
        lines.detach()  # its owner closes the file


def _rows(
    reader: _CsvReader, max_bytes: int, position: Callable[[], int], no_letter: re.Pattern[str]
) -> Iterator[FileLine]:
    names = _header(reader)
    is_export = tuple(names) == COLUMNS
    begins = reader.line_num
    while True:
        number = begins + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            begins = reader.line_num
            yield FileLine(number, position(), None, _why(error, max_bytes))
            continue
        begins = reader.line_num
        if any(cells):
            # An export puts an apostrophe before what a spreadsheet would run.
            texts = [from_cell(cell) for cell in cells] if is_export else cells
            yield _row(names, texts, number, position(), no_letter)


def _encoding_of(file: IO[bytes]) -> str:
    head = file.read(3)
    file.seek(0)
    for mark, encoding in _UTF16.items():
        if head.startswith(mark):
            file.seek(len(mark))
            return encoding
    if head == codecs.BOM_UTF8:
        file.seek(len(codecs.BOM_UTF8))
    return "utf-8"


def _header(reader: _CsvReader) -> list[str]:
    try:
        cells = next((row for row in reader if any(row)), [])
    except csv.Error:
        cells = []
    names = [cell.strip() or f"column {at}" for at, cell in enumerate(cells, 1)]
    twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if twice is not None:
        raise NotReadable(
            "equal_columns",
            f"Two columns have the name {shown(twice)}.",
            "Give each column its own name in the first row, and import the file again.",
        )
    if not names:
        raise NotReadable("empty", "The file has no rows.", "Choose another file.")
    return names


def _row(names: list[str], cells: list[str], number: int, end: int, no_letter: re.Pattern[str]) -> FileLine:
    excerpt = clipped(" | ".join(cells))
    if len(cells) > len(names) and any(cells[len(names) :]):
        problem = (
            f"Has {len(cells)} cells, and the header has {len(names)} columns. A cell with the separator in it must be in "
            "double quotes."
        )
        return FileLine(number, end, None, problem, excerpt, column=len(names) + 1)
    for at, cell in enumerate(cells, 1):
        if not cell.isascii() and no_letter.search(cell):
            problem = "Contains bytes that are not UTF-8. Save the table again as “CSV UTF-8”."
            return FileLine(
                number, end, None, f"Column {shown(names[at - 1])}: {problem}", excerpt, column=at
            )
    # A row can end early: spreadsheets leave out empty cells at the end.
    data: dict[str, Value] = dict(zip(names, cells, strict=False))
    return FileLine(number, end, None, excerpt=excerpt, data=data, is_table=True)


def _why(error: csv.Error, max_bytes: int) -> str:
    if "field larger" in str(error):
        return (
            f"A cell is longer than {max_bytes / (1 << 20):.0f} MB. Probably a double quote in this row does not end: write a "
            "double quote inside a cell as two."
        )
    return "This row is not CSV: a double quote in a cell must be written as two, and the cell be in double quotes."
