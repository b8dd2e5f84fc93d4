"""The list of contents of an archive (manifest.json): what is in it, with the SHA-256 of everything, and what was left out."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from core.moving.errors import BadArchive

WHAT = "Guildhall project archive"
# Raised when an archive of this version can no longer be read by earlier ones, or the other way.
FORMAT = 1
NAME = "manifest.json"
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_LABEL = re.compile(r"[a-z_]+\.[A-Za-z]+\Z")
_NEWER = "Bring this installation up to date, then import it again."


@dataclass(frozen=True)
class RowsFile:
    """The rows of one table. `file` is its path in the archive, `columns` the keys of each line."""

    part: str
    file: str
    rows: int
    size: int
    sha256: str
    columns: list[str]


@dataclass(frozen=True)
class StoredFile:
    """One file of an artifact."""

    file: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """`id` is the archive's own number: it tells two archives apart. `by` made it. `left_out` is for
    people: [{what, why}]."""

    id: str
    program: str
    created_at: str
    by: str
    slug: str
    name: str
    with_weights: bool
    rows: list[RowsFile]
    files: list[StoredFile]
    left_out: list[dict[str, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {"what": WHAT, "format": FORMAT, **asdict(self)}

    @property
    def total_rows(self) -> int:
        return sum(part.rows for part in self.rows)

    @property
    def total_bytes(self) -> int:
        return sum(part.size for part in self.rows) + sum(file.size for file in self.files)

    def count(self, label: str) -> int:
        return next((part.rows for part in self.rows if part.part == label), 0)


def read_manifest(value: object) -> Manifest:
    """The manifest of parsed JSON. Raises BadArchive when it is not one, or of another format."""
    if not isinstance(value, dict) or value.get("what") != WHAT:
        raise BadArchive(
            "This file is not a project archive.", "Choose the file that “Move this project” made."
        )
    number = value.get("format")
    if number != FORMAT:
        raise BadArchive(
            f"The archive has the format {number!r:.20}, and this version reads format {FORMAT}.", _NEWER
        )
    try:
        made = Manifest(
            id=str(uuid.UUID(_text(value, "id"))),
            program=_text(value, "program"),
            created_at=_text(value, "created_at"),
            by=_text(value, "by"),
            slug=_text(value, "slug"),
            name=_text(value, "name"),
            with_weights=value["with_weights"] is True,
            rows=[_rows_file(one) for one in _list(value, "rows")],
            files=[_stored_file(one) for one in _list(value, "files")],
            left_out=[
                {"what": _text(one, "what"), "why": _text(one, "why")} for one in _list(value, "left_out")
            ],
        )
    except (KeyError, TypeError, ValueError):
        raise BadArchive("The archive's list of contents is damaged.") from None
    names = [part.file for part in made.rows] + [file.file for file in made.files]
    if len({name.lower() for name in names}) != len(names) or len({p.part for p in made.rows}) != len(
        made.rows
    ):
        raise BadArchive("The archive's list of contents names something twice.")
    return made


def _rows_file(value: Mapping[str, Any]) -> RowsFile:
    columns = _list(value, "columns")
    if not all(isinstance(name, str) for name in columns) or len(set(columns)) != len(columns):
        raise ValueError
    part = _text(value, "part")
    if not _LABEL.match(part) or value["file"] != rows_path(part):
        raise ValueError
    return RowsFile(
        part, _text(value, "file"), _count(value, "rows"), _count(value, "size"), _sha(value), columns
    )


def _stored_file(value: Mapping[str, Any]) -> StoredFile:
    path = _text(value, "file")
    if not path.startswith("files/") or not is_safe_path(path):
        raise BadArchive("The archive has a file with an address that is not allowed.")
    return StoredFile(path, _count(value, "size"), _sha(value))


def rows_path(label: str) -> str:
    return f"rows/{label}.jsonl"


def file_path(kind: str, sha256: str, path: str) -> str:
    return f"files/{kind}/{sha256}/{path}"


def is_safe_path(path: str) -> bool:
    """Whether a path stays below its folder, on every system."""
    names = path.split("/")
    return (
        bool(path)
        and len(path) <= 400
        and path.isprintable()
        and not set(path) & set('\\:*?"<>|')
        and all(name.strip(". ") for name in names)
        and all(name == name.strip() for name in names)
    )


def _list(value: Mapping[str, Any], name: str) -> list[Any]:
    found = value[name]
    if not isinstance(found, list):
        raise TypeError
    return found


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value[name]
    if not isinstance(found, str) or len(found) > 1000 or "\x00" in found:
        raise TypeError
    found.encode()  # UnicodeEncodeError, a ValueError, for halves of characters
    return found


def _count(value: Mapping[str, Any], name: str) -> int:
    found = value[name]
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found < 2**53:
        raise TypeError
    return found


def _sha(value: Mapping[str, Any]) -> str:
    found = _text(value, "sha256")
    if not _SHA256.match(found):
        raise ValueError
    return found
