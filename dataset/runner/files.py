"""The lines of an uploaded file, and what is said of a file in another format."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from dataset.runner.json_lines import Value, write_json
from dataset.runner.shapes import (
    known_names,
    plain,
)

EXCERPT = 120
_DRAIN = 1 << 16


@dataclass(frozen=True)
class FileLine:
    """One line of the file. `text` is None when the line cannot be read; then `problem` says why."""

    number: int
    end: int  # bytes of the file up to and including this line
    text: str | None
    problem: str = ""
    excerpt: str = ""
    whole: bool = True  # False when the file ends without a line break after it


# --- the file as a whole -----------------------------------------------------------------------------------
_MAGIC = {
    b"\x1f\x8b": ("compressed", "This file is compressed (gzip)."),
    b"PK\x03\x04": ("compressed", "This file is a zip archive or a workbook (.xlsx)."),
    b"BZh": ("compressed", "This file is compressed (bzip2)."),
    b"\xfd7zXZ": ("compressed", "This file is compressed (xz)."),
    b"\x28\xb5\x2f\xfd": ("compressed", "This file is compressed (zstd)."),
    b"PAR1": ("other_format", "This file is Parquet. Imports are JSON Lines."),
    b"%PDF": ("other_format", "This file is a PDF. Imports are JSON Lines."),
}


def _wrong_encoding(head: bytes) -> str:
    if head.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        return "This file is encoded as UTF-32. Imports are UTF-8."
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or head[:200].count(0) > len(head[:200]) // 3 > 0:
        return "This file looks like UTF-16. Imports are UTF-8."
    return ""


def wrong_format(head: bytes) -> tuple[str, str, str] | None:
    """Why the first bytes are not UTF-8 JSON Lines: (code, what it is, what to do), or None."""
    if wrong := _wrong_encoding(head):
        save_as = "Save it again as UTF-8 (in a text editor: Save as, encoding UTF-8) and import that file."
        return "wrong_encoding", wrong, save_as
    for magic, (code, sentence) in _MAGIC.items():
        if head.startswith(magic):
            unpack = "Unpack it and import the .jsonl file inside."
            return (
                code,
                sentence,
                unpack if code == "compressed" else "Convert it to JSON Lines and import that file.",
            )
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").lstrip()
    first, _, rest = text.partition("\n")
    if text.startswith("[") and not (_is_json(first) and rest.strip()):
        return (
            "json_array",
            "This file is one JSON array. Imports are JSON Lines: one object per line, without brackets around them.",
            "Convert it, for example with: jq -c '.[]' file.json > file.jsonl",
        )
    if first.strip() == "{":
        return (
            "json_object",
            "This file has JSON over several lines. Imports are JSON Lines: each object on one line.",
            "Convert it, for example with: jq -c . file.json > file.jsonl",
        )
    if _is_table(text):
        return (
            "table",
            "This file looks like a table (CSV). Imports are JSON Lines: one JSON object per line.",
            "Convert it so that each row becomes one line with the column names as keys, and import that file.",
        )
    return None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_table(text: str) -> bool:
    """Whether the first line has column names that an import knows, and the next line, if any, has as many cells."""
    lines = [line for line in text.split("\n") if line.strip()][:2]
    if not lines or lines[0].lstrip().startswith(("{", "[")):
        return False
    for delimiter in ",;\t|":
        try:
            header, *rows = csv.reader(lines, delimiter=delimiter)
        except (csv.Error, ValueError):
            continue
        known = {plain(cell) for cell in header} & known_names()
        if len(header) > 1 and known and (rows or len(known) > 1):
            # With line breaks in a text, its first line can have fewer cells.
            return not rows or not lines[1].lstrip().startswith("{")
    return False


def read_lines(file: IO[bytes], *, max_bytes: int) -> Iterator[FileLine]:
    """Yields every line that is not blank. No line longer than `max_bytes` is in memory."""
    number = end = 0
    while raw := file.readline(max_bytes + 1):
        number += 1
        end += len(raw)
        if number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if len(raw) > max_bytes and not raw.endswith(b"\n"):
            head = raw[: EXCERPT * 4].decode("utf-8", "replace")
            length = len(raw)
            del raw
            while rest := file.readline(_DRAIN):
                end += len(rest)
                length += len(rest)
                if rest.endswith(b"\n"):
                    break
            problem = (
                f"The line is {length / 1e6:.1f} MB long; at most {max_bytes / (1 << 20):.0f} MB are allowed."
            )
            yield FileLine(number, end, None, problem, _excerpt(head))
            continue
        whole = raw.endswith(b"\n")
        if not raw.strip():
            continue
        try:
            yield FileLine(number, end, raw.decode("utf-8"), whole=whole)
        except UnicodeDecodeError as error:
            problem = (
                f"Byte {error.start + 1} of the line is not UTF-8 (it is {raw[error.start]:#04x}). "
                "Save the file again as UTF-8."
            )
            yield FileLine(
                number, end, None, problem, _excerpt(raw[: EXCERPT * 4].decode("utf-8", "replace"))
            )


def excerpt_of(line: FileLine) -> str:
    """The start of the line, safe to show and store."""
    return line.excerpt or _excerpt(line.text or "")


def _excerpt(text: str) -> str:
    clean = text[: EXCERPT * 2].encode("utf-8", "replace").decode("utf-8", "replace")
    clean = "".join(letter if letter.isprintable() else "\ufffd" for letter in clean.strip())
    return clean if len(clean) <= EXCERPT else clean[: EXCERPT - 1] + "…"


def shortened(value: Value) -> str:
    text = _excerpt(write_json(value)) if value is not None else "missing"
    return text if len(text) <= 40 else text[:39] + "…"


def type_name(value: Value) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
