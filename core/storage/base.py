"""What every backend offers, and the hashing they share."""

import hashlib
import shutil
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.models import Artifact


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    def put(self, path: Path, *, kind: str) -> Artifact:
        """Stores a file or folder and returns its artifact; the same content is kept once. ValueError without a file."""
        manifest = manifest_of(path)
        if not manifest:
            raise ValueError(f"{path} holds no files to store.")
        sha256 = manifest_hash(manifest)
        key = f"{kind}/{sha256[:2]}/{sha256}"
        self._keep(
            {entry["path"]: path if path.is_file() else path / entry["path"] for entry in manifest}, key
        )
        # The row is written last: an artifact that the database knows is complete.
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
    def _keep(self, files: dict[str, Path], key: str) -> None:
        """Puts `files` (names within the artifact, and where they lie now) under `key`, unless they are there."""

    @abstractmethod
    def local_path(self, artifact: Artifact) -> Path:
        """A readable path on this host; engines and trainers open it, nobody writes to it."""

    @abstractmethod
    def verify(self, artifact: Artifact) -> list[str]:
        """Names of files that are missing or differ from the manifest; empty when all is well."""


@contextmanager
def put_in_place(target: Path) -> Iterator[Path]:
    """A folder to fill, renamed to `target` when the block ends well: a crash never leaves half of it there.

    When somebody else was faster their folder stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    staged.mkdir()
    try:
        yield staged
        staged.rename(target)
    except BaseException as error:
        shutil.rmtree(staged, ignore_errors=True)
        if not (isinstance(error, OSError) and target.exists()):
            raise
