"""Artifacts in a folder of this host (or a network mount that every host shares)."""

import shutil
import uuid
from pathlib import Path

from django.conf import settings

from core.models import Artifact
from core.storage.base import checksum, manifest_hash, manifest_of


class FolderStorage:
    def __init__(self, root: Path | None = None) -> None:
        self.root = root or settings.ARTIFACT_DIR

    def put(self, path: Path, *, kind: str) -> Artifact:
        manifest = manifest_of(path)
        if not manifest:
            raise ValueError(f"{path} holds no files to store.")
        sha256 = manifest_hash(manifest)
        key = f"{kind}/{sha256[:2]}/{sha256}"
        target = self.root / key
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            # Renamed into place whole, so a crash never leaves half an artifact under its final name.
            staged = target.with_name(f".{sha256}.{uuid.uuid4().hex}")
            staged.mkdir()
            for entry in manifest:
                source = path if path.is_file() else path / entry["path"]
                (staged / entry["path"]).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, staged / entry["path"])
                (staged / entry["path"]).chmod(0o444)
            try:
                staged.rename(target)
            except OSError:
                shutil.rmtree(staged, ignore_errors=True)
                if not target.exists():
                    raise
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

    def local_path(self, artifact: Artifact) -> Path:
        return self.root / artifact.key

    def verify(self, artifact: Artifact) -> list[str]:
        root = self.local_path(artifact)
        return [
            entry["path"]
            for entry in artifact.manifest
            if not (root / entry["path"]).is_file() or checksum(root / entry["path"]) != entry["sha256"]
        ]
