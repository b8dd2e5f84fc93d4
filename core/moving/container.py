"""The file of an archive, read as hostile input: nothing in it is believed before it is checked.

A zip can lie about sizes, hold bombs, and name files outside of its folder. Here only files that the list of contents names are
read, each to at most the length that it names, and never to a path from the file.
"""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from core.moving.errors import BadArchive
from core.moving.manifest import NAME, Manifest, RowsFile, read_manifest
from core.wording import filesize

MOST_ENTRIES = 100_000
MOST_MANIFEST_BYTES = 64 * 1024 * 1024
LONGEST_LINE_BYTES = 64 * 1024 * 1024
# Rows compress to a tenth or a thirtieth of their size, weights not at all. A bomb has a thousand.
MOST_RATIO = 400
SMALL_BYTES = 64 * 1024 * 1024
PIECE = 1024 * 1024
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_DAMAGED = "The file is damaged, or it is not a project archive."
Progress = Callable[[int], None]


@contextmanager
def _readable() -> Iterator[None]:
    """The errors of a damaged zip as BadArchive."""
    try:
        yield
    except (
        zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeError, ValueError, KeyError,
        OverflowError,
    ) as error:  # fmt: skip
        raise BadArchive(_DAMAGED) from error


class Container:
    """An open archive. `manifest` is checked in its shape; `verify` checks that the file has what it names."""

    def __init__(self, path: Path) -> None:
        with _readable():
            self._zip = zipfile.ZipFile(path)
        try:
            self._look(path.stat().st_size)
            self.manifest: Manifest = read_manifest(self._manifest())
            self._match()
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> "Container":
        return self

    def __exit__(self, *exc: object) -> None:
        self._zip.close()

    def _look(self, size: int) -> None:
        """The limits of the whole, by what the zip says of itself; reading enforces that each file is as long as it says."""
        infos = self._zip.infolist()
        if len(infos) > MOST_ENTRIES:
            raise BadArchive(f"The archive has more than {MOST_ENTRIES:,} files.")
        names = [info.filename for info in infos]
        if len(set(names)) != len(names):
            raise BadArchive("The archive has two files with one name.")
        if any(info.flag_bits & 0x1 or info.compress_type not in _METHODS for info in infos):
            raise BadArchive("The archive is encrypted or compressed in a way that is not supported.")
        unpacked = sum(info.file_size for info in infos)
        if unpacked > SMALL_BYTES and unpacked > MOST_RATIO * size:
            raise BadArchive(
                f"The archive has {filesize(size)} and says that it unpacks to {filesize(unpacked)}; that is not a "
                "project archive.",
                "Choose another file.",
            )

    def _manifest(self) -> object:
        with _readable():
            try:
                info = self._zip.getinfo(NAME)
            except KeyError:
                raise BadArchive(
                    "This file is not a project archive.", "Choose the file that “Move this project” made."
                ) from None
            if info.file_size > MOST_MANIFEST_BYTES:
                raise BadArchive("The archive's list of contents is too long.")
            return parsed(self._zip.read(info))

    def _match(self) -> None:
        """Every file that is named is there, in its length, and no other file is."""
        named = {part.file: part.size for part in self.manifest.rows}
        named |= {file.file: file.size for file in self.manifest.files}
        present = {info.filename: info.file_size for info in self._zip.infolist() if info.filename != NAME}
        if missing := sorted(named.keys() - present.keys()):
            raise BadArchive(f"The archive is not complete: {missing[0]} is missing.")
        if extra := sorted(present.keys() - named.keys()):
            raise BadArchive(
                f"The archive has a file that its list of contents does not name: {extra[0][:80]}."
            )
        if wrong := sorted(name for name, size in named.items() if present[name] != size):
            raise BadArchive(
                f"{wrong[0]} in the archive does not have the length that the list of contents names."
            )

    @contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        with _readable(), self._zip.open(name) as file:
            yield file

    def verify(self, progress: Progress | None = None) -> None:
        """Reads everything and compares it with the list of contents: lengths, SHA-256, number of lines. BadArchive when something
        differs. `progress` is called with the number of bytes just read."""
        for part in self.manifest.rows:
            self._verify(part.file, part.sha256, progress, lines=part.rows)
        for file in self.manifest.files:
            self._verify(file.file, file.sha256, progress)

    def _verify(self, name: str, sha256: str, progress: Progress | None, lines: int | None = None) -> None:
        sha, found, last = hashlib.sha256(), 0, b"\n"
        with self._open(name) as file:
            while piece := file.read(PIECE):
                sha.update(piece)
                found += piece.count(b"\n")
                last = piece[-1:]
                if progress is not None:
                    progress(len(piece))
        if sha.hexdigest() != sha256:
            raise BadArchive(f"{name} in the archive was changed or is damaged: its SHA-256 differs.")
        if lines is not None and (found != lines or last != b"\n"):
            raise BadArchive(f"{name} in the archive does not have the {lines:,} lines that are named.")

    def rows(self, part: RowsFile) -> Iterator[tuple[int, Any]]:
        """Each line's length in bytes and its JSON value. BadArchive for a line that is not JSON or too long."""
        with self._open(part.file) as packed:
            file, number = (
                io.BufferedReader(cast("io.RawIOBase", packed), PIECE),
                0,
            )  # it reads as a raw file does
            while line := file.readline(LONGEST_LINE_BYTES + 1):
                number += 1
                if len(line) > LONGEST_LINE_BYTES:
                    raise BadArchive(f"Line {number:,} of {part.file} in the archive is too long.")
                try:
                    value = parsed(line)
                except ValueError:
                    raise BadArchive(f"Line {number:,} of {part.file} in the archive is not JSON.") from None
                yield len(line), value

    def extract(self, name: str, target: Path, progress: Progress | None = None) -> None:
        """Writes one file of the archive to `target`, a path that the caller chose."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._open(name) as source, target.open("wb") as file:
            while piece := source.read(PIECE):
                file.write(piece)
                if progress is not None:
                    progress(len(piece))


def parsed(text: bytes) -> object:
    """JSON. ValueError for anything else, for NaN, and for a value that is nested too deep."""
    try:
        return _decode(text.decode())
    except RecursionError:
        raise ValueError("nested too deep") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(parse_constant=_no_constant).decode
