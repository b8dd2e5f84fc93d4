"""What a file is, found from its first bytes, and its rows."""

import bz2
import gzip
import io
import lzma
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from core.text import storable
from dataset.runner.reading.arrays import read_objects
from dataset.runner.reading.formats import FileFormat, format_of
from dataset.runner.reading.lines import read_lines
from dataset.runner.reading.records import FileLine, NotReadable
from dataset.runner.reading.tables import read_table

HEAD = 1 << 16
MOST_MEMBERS = 1000
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}
_LABELS = {
    "jsonl": "JSON Lines",
    "json": "JSON",
    "csv": "CSV",
    "tsv": "TSV",
    "parquet": "Parquet",
    "zip": "zip",
    **{name: name for name in _PACKED.values()},
}
_DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError)


@dataclass(frozen=True)
class OpenedFile:
    """A file that can be read: the words for its format, and its rows."""

    label: str
    rows: Iterator[FileLine]


@dataclass
class ReadLimits:
    """The longest row, and how many bytes a file may have when it is unpacked: an archive of some kilobytes can unpack to
    terabytes."""

    row: int
    unpacked: int

    def spend(self, count: int) -> None:
        self.unpacked -= count
        if self.unpacked < 0:
            raise NotReadable(
                "too_large", "Unpacked, this file is too large.", "Divide it into several files."
            )


def open_file(path: Path, *, name: str, limits: ReadLimits, scratch: Path) -> OpenedFile:
    """Finds out what the file is. `scratch` is a folder for what has to be unpacked.

    Raises NotReadable at once for another format; the rows raise it for a damaged file.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _open_zip(path, limits, scratch)
    for magic, packed in _PACKED.items():
        if head.startswith(magic):
            return _open_packed(path, packed, name=name, limits=limits, scratch=scratch)
    form = format_of(head, name)
    return OpenedFile(_LABELS[form.name], _rows_of_file(path, form, limits))


def _rows_of_file(path: Path, form: FileFormat, limits: ReadLimits) -> Iterator[FileLine]:
    if form.name == "parquet":
        # pyarrow is large and slow to load; only Parquet needs it.
        from dataset.runner.reading.parquet import read_parquet

        yield from read_parquet(path, size=path.stat().st_size)
        return
    with path.open("rb") as file:
        yield from _rows_of(file, form, limits, position=file.tell)


def _rows_of(
    file: IO[bytes], form: FileFormat, limits: ReadLimits, *, position: Callable[[], int]
) -> Iterator[FileLine]:
    if form.name == "jsonl":
        return read_lines(file, max_bytes=limits.row, position=position)
    if form.name == "json":
        return read_objects(file, max_bytes=limits.row, position=position, key=form.detail)
    return read_table(file, delimiter=form.detail or ",", max_bytes=limits.row, position=position)


# --- packed files --------------------------------------------------------------------------------------------
class _Counted(io.RawIOBase):
    """A stream that spends the limit of unpacked bytes as it is read."""

    def __init__(self, inner: IO[bytes], limits: ReadLimits) -> None:
        self._inner, self._limits, self._place = inner, limits, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Only back to the first bytes, which tell the encoding."""
        self._place = self._inner.seek(offset, whence)
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        piece = self._inner.read(len(buffer))
        self._limits.spend(len(piece))
        buffer[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)


# The caller closes what these open.
_UNPACK: dict[str, Callable[[IO[bytes]], IO[bytes]]] = {
    "gzip": lambda raw: cast(IO[bytes], gzip.open(raw)),  # noqa: SIM115
    "bzip2": lambda raw: cast(IO[bytes], bz2.open(raw)),  # noqa: SIM115
    "xz": lambda raw: cast(IO[bytes], lzma.open(raw)),  # noqa: SIM115
}


def _open_packed(path: Path, packed: str, *, name: str, limits: ReadLimits, scratch: Path) -> OpenedFile:
    inner_name = Path(name).stem if Path(name).suffix.lower() in {".gz", ".bz2", ".xz"} else name
    with _damage_in_words(packed), path.open("rb") as raw, _UNPACK[packed](raw) as file:
        head = file.read(HEAD)
    if head.startswith(b"PK\x03\x04") or any(head.startswith(magic) for magic in _PACKED):
        raise NotReadable(
            "compressed", "The file inside is packed again.", "Unpack it once, and import that file."
        )
    form = format_of(head, inner_name)

    def rows() -> Iterator[FileLine]:
        with _damage_in_words(packed), path.open("rb") as raw, _UNPACK[packed](raw) as file:
            counted = io.BufferedReader(_Counted(file, limits), HEAD)
            if form.name == "parquet":
                size = path.stat().st_size
                yield from _from_scratch(counted, scratch, lambda copy: _parquet_at(copy, size))
            else:
                yield from _rows_of(counted, form, limits, position=raw.tell)

    return OpenedFile(f"{_LABELS[form.name]}, {packed}", rows())


def _parquet_at(copy: Path, size: int) -> Iterator[FileLine]:
    from dataset.runner.reading.parquet import read_parquet

    return read_parquet(copy, size=size)


def _from_scratch(
    file: IO[bytes], scratch: Path, read: Callable[[Path], Iterator[FileLine]]
) -> Iterator[FileLine]:
    """Parquet is read from its end, so it has to be unpacked first."""
    copy = scratch / "unpacked"
    try:
        with copy.open("wb") as out:
            shutil.copyfileobj(file, out, 1 << 20)
        yield from read(copy)
    finally:
        copy.unlink(missing_ok=True)


class _damage_in_words:  # noqa: N801 - used as a statement
    def __init__(self, packed: str) -> None:
        self.packed = packed

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _DAMAGED):
            raise NotReadable(
                "damaged",
                f"This {self.packed} file is damaged or cut off.",
                "Pack or upload it again.",
            ) from error


# --- zip archives --------------------------------------------------------------------------------------------
def _open_zip(path: Path, limits: ReadLimits, scratch: Path) -> OpenedFile:
    with _damage_in_words("zip"), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if any(name.startswith("xl/") for name in names):
            raise NotReadable(
                "other_format",
                "This is an Excel workbook (.xlsx).",
                "Save its sheet as “CSV UTF-8” in Excel, and import that file.",
            )
        members = [
            member
            for member in sorted(archive.infolist(), key=lambda member: member.filename)
            if not member.is_dir() and not _is_noise(member.filename)
        ]
        if any(member.flag_bits & 1 for member in members):
            raise NotReadable("encrypted", "This zip archive has a password.", "Pack it again without one.")
        if len(members) > MOST_MEMBERS:
            advice = "Divide it into several archives, or join the files."
            raise NotReadable(
                "too_large",
                f"The archive has {len(members):,} files; at most {MOST_MEMBERS:,} are read.",
                advice,
            )
        if not members:
            raise NotReadable("empty", "The archive contains no file.", "Choose another file.")
        forms = {}
        for member in members:
            with archive.open(member) as file:
                forms[member.filename] = _member_format(file.read(HEAD), member.filename)
    labels = {_LABELS[form.name] for form in forms.values() if isinstance(form, FileFormat)}
    if not labels:
        first = next(iter(forms.values()))
        assert isinstance(first, NotReadable)
        raise first

    def rows() -> Iterator[FileLine]:
        total = sum(member.file_size for member in members) or 1
        before = 0
        with _damage_in_words("zip"), zipfile.ZipFile(path) as archive:
            for member in members:
                part = storable(member.filename)[-200:] if len(members) > 1 else ""
                for line in _rows_of_member(archive, member, forms[member.filename], limits, scratch):
                    share = (before + min(line.end, member.file_size)) / total
                    yield line.placed(part=part, end=int(path.stat().st_size * share))
                before += member.file_size

    return OpenedFile(f"{' and '.join(sorted(labels))}, zip", rows())


_NO_ROWS = {"Thumbs.db", "desktop.ini", "README.md", "croissant.json", "dataset_infos.json"}


def _is_noise(name: str) -> bool:
    """Files that systems add to archives without anybody's wish, and those that describe a dataset folder."""
    parts = name.split("/")
    return "__MACOSX" in parts or parts[-1].startswith(".") or parts[-1] in _NO_ROWS


def _member_format(head: bytes, name: str) -> "FileFormat | NotReadable":
    if head.startswith(b"PK\x03\x04") or any(head.startswith(magic) for magic in _PACKED):
        return NotReadable("compressed", "It is packed again.", "Unpack it once.")
    try:
        return format_of(head, name)
    except NotReadable as error:
        return error


def _rows_of_member(
    archive: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    form: "FileFormat | NotReadable",
    limits: ReadLimits,
    scratch: Path,
) -> Iterator[FileLine]:
    if isinstance(form, NotReadable):
        # Not dropped in silence: the file is one bad row.
        yield FileLine(
            0, member.file_size, None, f"This file of the archive was not read: {form.what}", form.advice
        )
        return
    with archive.open(member) as file:
        counted = io.BufferedReader(_Counted(file, limits), HEAD)
        if form.name == "parquet":
            yield from _from_scratch(counted, scratch, lambda copy: _parquet_at(copy, member.file_size))
        else:
            yield from _rows_of(counted, form, limits, position=counted.tell)
