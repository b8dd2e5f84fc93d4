"""What every backend offers, and the hashing they share."""

import hashlib
from pathlib import Path
from typing import Any, Protocol

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


class Storage(Protocol):
    def put(self, path: Path, *, kind: str) -> Artifact:
        """Stores a file or folder (moving it where it can) and returns its artifact; the same content is kept once."""

    def local_path(self, artifact: Artifact) -> Path:
        """A readable path on this host; engines and trainers open it, nobody writes to it."""

    def verify(self, artifact: Artifact) -> list[str]:
        """Names of files that are missing or differ from the manifest; empty when all is well."""
