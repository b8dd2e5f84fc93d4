"""Artifacts in a folder of this host (or a network mount that every host shares)."""

import shutil
import tempfile
from pathlib import Path

from django.conf import settings

from core.host.files import put_in_place
from core.models import Artifact
from core.storage.base import (
    Compared,
    FileCheck,
    Progress,
    Storage,
    checksum_of,
    pieces_of,
)


class FolderStorage(Storage):
    def __init__(self, root: Path | None = None) -> None:
        self.root = root or settings.ARTIFACT_DIR

    def _keep(self, files: dict[str, Path], key: str, *, moved: bool) -> None:
        target = self.root / key
        if target.exists():
            self._add_missing(files, target)
            return
        with put_in_place(target) as staged:
            for name, source in files.items():
                (staged / name).parent.mkdir(parents=True, exist_ok=True)
                if not (moved and _linked(source, staged / name)):
                    shutil.copyfile(source, staged / name)
                (staged / name).chmod(0o444)

    def _add_missing(self, files: dict[str, Path], target: Path) -> None:
        """The same bytes can have been stored under another name, by a process that died before it wrote the artifact's row."""
        for name, source in files.items():
            if not (target / name).exists():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                with (
                    source.open("rb") as original,
                    tempfile.NamedTemporaryFile(dir=target, prefix=".", delete=False) as staged,
                ):
                    shutil.copyfileobj(original, staged)
                Path(staged.name).chmod(0o444)
                Path(staged.name).replace(target / name)

    def local_path(self, artifact: Artifact) -> Path:
        return self.root / artifact.key

    def verify(self, artifact: Artifact, progress: Progress | None = None) -> list[str]:
        root = self.local_path(artifact)
        return [
            entry["path"]
            for entry in artifact.manifest
            if not (root / entry["path"]).is_file()
            or checksum_of(pieces_of(root / entry["path"]), progress) != entry["sha256"]
        ]

    def verify_unread(self, artifact: Artifact) -> FileCheck:
        root = self.local_path(artifact)
        wrong = [
            entry["path"]
            for entry in artifact.manifest
            if not (root / entry["path"]).is_file() or (root / entry["path"]).stat().st_size != entry["size"]
        ]
        return FileCheck(wrong, Compared.SIZES)

    def remove(self, artifact: Artifact) -> None:
        shutil.rmtree(self.local_path(artifact), ignore_errors=True)


def _linked(source: Path, target: Path) -> bool:
    """The same bytes under a second name. False on another disk, or one without links."""
    try:
        target.hardlink_to(source)
    except OSError:
        return False
    return True
