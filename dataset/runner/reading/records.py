"""One row of a file, whatever the format, and what is said of a file that cannot be read."""

from typing import NamedTuple

from dataset.runner.json_lines import Value, write_json

EXCERPT = 120


class FileLine(NamedTuple):
    """One row of the file. `text` is its JSON where the format is JSON Lines; other formats give the row as `data`.

    Both are None when the row cannot be read; then `problem` says why.
    """

    number: int  # the line where it begins; in Parquet the number of the row
    end: int  # bytes of the file up to and including this row: for the progress
    text: str | None
    problem: str = ""
    excerpt: str = ""
    whole: bool = True  # False when the file ends without a line break after it
    data: dict[str, Value] | None = None
    column: int = 0  # of the problem, from 1; 0 when it concerns the whole row
    part: str = ""  # the file inside an archive that has several
    is_table: bool = False  # cells are texts: a list in one is written as JSON

    def placed(self, *, part: str, end: int) -> "FileLine":
        """The same row, as one of an archive."""
        return self._replace(part=part, end=end)

    def as_excerpt(self) -> "FileLine":
        """Only what is shown of the row: for a list of bad ones."""
        return self._replace(excerpt=excerpt_of(self), text=None, data=None)


class NotReadable(Exception):
    """The file as a whole cannot be read: a code, what it is, and what to do."""

    def __init__(self, code: str, what: str, advice: str) -> None:
        super().__init__(what)
        self.code, self.what, self.advice = code, what, advice


def excerpt_of(line: FileLine) -> str:
    """The start of the row, safe to show and store."""
    if line.excerpt:
        return line.excerpt
    if line.text is None and line.data is not None:
        return clipped(
            write_json({key: value for key, value in line.data.items() if value not in (None, "")})
        )
    return clipped(line.text or "")


def clipped(text: str, most: int = EXCERPT) -> str:
    """At most `most` letters of a text, without invisible ones and halves of letters."""
    clean = text[: most * 2].encode("utf-8", "replace").decode("utf-8", "replace").strip()
    if not clean.isprintable():
        clean = "".join(map(_visible, clean))
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def _visible(letter: str) -> str:
    # A line break is a space here; other invisible letters are shown as such.
    return " " if letter in "\n\r\t" else letter if letter.isprintable() else "\ufffd"


def shortened(value: Value) -> str:
    text = clipped(write_json(value)) if value is not None else "missing"
    return text if len(text) <= 40 else text[:39] + "…"


def type_name(value: Value) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
