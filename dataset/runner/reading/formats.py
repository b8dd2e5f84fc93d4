"""The format of a file that is not packed, from its first bytes and its name."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from dataset.runner.json_lines import NotRead, decoder
from dataset.runner.reading.records import NotReadable
from dataset.runner.shapes import known_names, own_key, plain

_OTHER = {
    b"\x28\xb5\x2f\xfd": (
        "compressed",
        "This file is compressed (zstd).",
        "Unpack it, or pack it as gzip or zip.",
    ),
    b"7z\xbc\xaf\x27\x1c": (
        "compressed",
        "This is a 7-Zip archive.",
        "Unpack it, or pack it as gzip or zip.",
    ),
    b"Rar!": ("compressed", "This is a RAR archive.", "Unpack it, or pack it as gzip or zip."),
    b"%PDF": ("other_format", "This file is a PDF.", "Import JSON, CSV, TSV or Parquet."),
    **dict.fromkeys(
        (b"\x89PNG", b"\xff\xd8\xff", b"GIF8"),
        ("other_format", "This file is a picture.", "Import JSON, CSV, TSV or Parquet."),
    ),
    b"\xd0\xcf\x11\xe0": (
        "other_format",
        "This is an old Excel workbook (.xls).",
        "Save its sheet as “CSV UTF-8” in Excel, and import that file.",
    ),
}
_TABLE_ENDINGS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}


@dataclass(frozen=True)
class FileFormat:
    """jsonl, json, csv, tsv or parquet; `detail` is a table's delimiter, or the key of the list in a JSON object."""

    name: str
    detail: str | None = None


def format_of(head: bytes, name: str) -> FileFormat:
    """The format of a file that is not packed, from its first bytes and its name. Raises NotReadable."""
    for magic, (code, what, advice) in _OTHER.items():
        if head.startswith(magic):
            raise NotReadable(code, what, advice)
    if head.startswith(b"PAR1"):
        return FileFormat("parquet")
    ending = Path(name).suffix.lower()
    if head.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        raise _encoding("This file is encoded as UTF-32. Imports are UTF-8.")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        table = _delimiter_of(head.decode("utf-16", "replace"), ending)
        if table is None:
            raise _encoding("This file looks like UTF-16. Imports are UTF-8.")
        return table
    if head[:200].count(0) > len(head[:200]) // 3 > 0:
        raise _encoding("This file looks like UTF-16. Imports are UTF-8.")
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").lstrip()
    return _json_of(text) or _delimiter_of(text, ending) or FileFormat("jsonl")


def _encoding(what: str) -> NotReadable:
    advice = "Save it again as UTF-8 (in a text editor: Save as, encoding UTF-8) and import that file."
    return NotReadable("wrong_encoding", what, advice)


def _json_of(text: str) -> FileFormat | None:
    """How JSON that is not JSON Lines is written; None for JSON Lines and for other text."""
    first, _, rest = text.partition("\n")
    if text.startswith("["):
        return None if _is_json(first) and rest.strip() else FileFormat("json")
    if not text.startswith("{"):
        return None
    is_lines = _is_json(first) and (not rest.strip() or rest.lstrip().startswith("{"))
    if is_lines and rest.strip():
        return None
    if (key := _key_of_list(text)) is not None:
        return FileFormat("json", key)
    return None if is_lines or not _is_spread(text, first) else FileFormat("json")


def _is_spread(text: str, first: str) -> bool:
    """Whether an object goes over several lines, and is not a bad line of JSON Lines."""
    if first.strip() == "{":
        return True
    try:
        _, end = decoder.raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return "\n" in text[:end].strip()


def _is_json(text: str) -> bool:
    try:
        decoder.decode(text)
    except NotRead:
        return True  # JSON with a value that is refused later
    except (ValueError, RecursionError):
        return False
    return True


_TOKEN = re.compile(r"[\s,:]*")


def _key_of_list(text: str) -> str | None:
    """The key of the outer object under which the rows are: {"version": 1, "data": [{...}, ...]}."""
    at = 1
    while True:
        at = _after_spaces(text, at)
        try:
            key, at = decoder.raw_decode(text, at)
            at = _after_spaces(text, at)
            if text[at : at + 1] == "[" and isinstance(key, str) and _holds_rows(key, text, at + 1):
                return key
            _, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return None


# Lists of objects inside one row.
_OF_A_ROW = {
    "annotations",
    "predictions",
    "responses",
    "suggestions",
    "tools",
    "functions",
    "toolcalls",
    "choices",
    "turns",
}


def _holds_rows(key: str, text: str, at: int) -> bool:
    """Whether the list under a key has rows, and is not itself a part of one row, such as its messages."""
    at = _after_spaces(text, at)
    if text[at : at + 1] != "{":
        return False
    try:
        first, _ = decoder.raw_decode(text, at)
    except (ValueError, RecursionError):
        first = {}
    names = {own_key(name) for name in first} if isinstance(first, dict) else set()
    if names & {"messages", "prompt", "completion"}:
        return True
    is_message = isinstance(first, dict) and ("role" in first or "from" in first)
    return own_key(key) is None and plain(key) not in _OF_A_ROW and not is_message


def _after_spaces(text: str, at: int) -> int:
    found = _TOKEN.match(text, at)
    return found.end() if found else at


def _delimiter_of(text: str, ending: str) -> FileFormat | None:
    """A table, when the file is named so or its first line has names that an import knows."""
    lines = [line for line in text.split("\n") if line.strip()][:2]
    if not lines or lines[0].lstrip().startswith(("{", "[")):
        return None
    headers = {delimiter: _cells(lines[0], delimiter) for delimiter in ",;\t|"}
    named = _TABLE_ENDINGS.get(ending)
    if named is not None:
        return _table(max(headers, key=lambda delimiter: (len(headers[delimiter]), delimiter == named)))
    for delimiter, header in headers.items():
        known = {plain(cell) for cell in header} & known_names()
        is_header = known and (len(lines) > 1 or len(known) > 1)
        if len(header) > 1 and is_header and not lines[-1].lstrip().startswith("{"):
            return _table(delimiter)
    return None


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line.replace("\r", "").replace("\x00", "")], delimiter=delimiter), [])
    except csv.Error:
        return []


def _table(delimiter: str) -> FileFormat:
    return FileFormat("tsv" if delimiter == "\t" else "csv", delimiter)
