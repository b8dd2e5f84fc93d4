"""The interface of every backend, and their common hashing."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from core.database.connections import release_connection
from core.models import Artifact

# Files are hashed in pieces of this size, so that memory use does not depend on their length.
PIECE = 1024 * 1024
Progress = Callable[[int], None]


class Compared(StrEnum):
    """What a check of stored files compared, the strongest first."""

    CONTENTS = "contents"  # every byte was read and hashed
    CHECKSUMS = "checksums"  # the SHA-256 that the store has of each file; nothing was read
    SIZES = "sizes"  # the files exist and have the same length


@dataclass(frozen=True)
class FileCheck:
    """Names of files that are missing or differ from the manifest, and what was compared."""

    wrong: list[str]
    compared: Compared


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    return checksum_of(pieces_of(path))


def pieces_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def checksum_of(pieces: Iterable[bytes], progress: Progress | None = None) -> str:
    """SHA-256, in hex, of bytes in pieces; `progress` is called with the length of each."""
    sha = hashlib.sha256()
    for piece in pieces:
        sha.update(piece)
        if progress is not None:
            progress(len(piece))
    return sha.hexdigest()


def manifest_of(path: Path) -> list[dict[str, Any]]:
    """[{path, sha256, size}] of the file, or of every file below the folder, sorted by path."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    root = path.parent if path.is_file() else path
    return [
        {
            "path": f.relative_to(root).as_posix(),
            "sha256": checksum(f),
            "size": f.stat().st_size,
        }
        for f in files
    ]


def manifest_hash(manifest: list[dict[str, Any]]) -> str:
    """One file: its own hash. Several: the hash of the lines `<sha256>  <path>`, as sha256sum prints them."""
    if len(manifest) == 1:
        return str(manifest[0]["sha256"])
    lines = "".join(f"{entry['sha256']}  {entry['path']}\n" for entry in manifest)
    return hashlib.sha256(lines.encode()).hexdigest()


class Storage(ABC):
    # Whether reading an artifact's bytes uses a network: then a page does not read them.
    remote: ClassVar[bool] = False

    def put(self, path: Path, *, kind: str, moved: bool = False) -> Artifact:
        """Stores a file or folder and returns its artifact; the same content is stored once. ValueError without a file.

        `moved`: the caller only deletes it afterwards, so that its bytes need no copy where the store is on the same disk.
        """
        release_connection()  # hashing and copying can take minutes
        manifest = manifest_of(path)
        if not manifest:
            raise ValueError(f"{path} has no files to store.")
        sha256 = manifest_hash(manifest)
        key = f"{kind}/{sha256[:2]}/{sha256}"
        self._keep(
            {entry["path"]: path if path.is_file() else path / entry["path"] for entry in manifest},
            key,
            moved=moved,
        )
        # The row is written last: an artifact in the database is complete.
        artifact, _ = Artifact.objects.get_or_create(
            kind=kind,
            sha256=sha256,
            defaults={
                "key": key,
                "size_bytes": sum(entry["size"] for entry in manifest),
                "file_count": len(manifest),
                "manifest": manifest,
            },
        )
        return artifact

    @abstractmethod
    def _keep(self, files: dict[str, Path], key: str, *, moved: bool) -> None:
        """Puts `files` (names within the artifact, and their present paths) under `key`, unless they are there. `moved` as in `put`."""

    @abstractmethod
    def local_path(self, artifact: Artifact) -> Path:
        """A readable path on this host; engines and trainers open it; it is read-only."""

    @abstractmethod
    def verify(self, artifact: Artifact, progress: Progress | None = None) -> list[str]:
        """Reads and hashes every file. Returns those that are missing or differ from the manifest; empty when all are right.

        `progress` is called with the number of bytes just read and can raise to stop. OSError when the store cannot
        be read: that is different from a missing file.
        """

    def verify_copy(self, artifact: Artifact) -> list[str]:
        """`verify` for the files of `local_path` on this host: those that engines and trainers open."""
        return self.verify(artifact)

    @abstractmethod
    def verify_unread(self, artifact: Artifact) -> FileCheck:
        """The same without reading contents: a few small requests for any size. It returns what it compared."""

    @abstractmethod
    def remove(self, artifact: Artifact) -> None:
        """Deletes the files of an artifact that nothing refers to any more. The caller deletes its row, and knows that no other
        row has the same content. Missing files are not an error."""
