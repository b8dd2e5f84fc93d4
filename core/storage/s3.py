"""Artifacts in an S3-compatible bucket, with a cache folder on this host for what engines must open."""

import shutil
import uuid
from pathlib import Path

import boto3
from django.conf import settings

from core.models import Artifact
from core.storage.base import checksum, manifest_hash, manifest_of


class S3Storage:
    def __init__(self) -> None:
        self.bucket = settings.ARTIFACT_S3_BUCKET
        self.prefix = settings.ARTIFACT_S3_PREFIX
        self.cache = settings.ARTIFACT_CACHE_DIR
        # Credentials come from the standard AWS variables or the instance's role, never from the database.
        self.client = boto3.client("s3", endpoint_url=settings.ARTIFACT_S3_ENDPOINT or None)

    def put(self, path: Path, *, kind: str) -> Artifact:
        manifest = manifest_of(path)
        if not manifest:
            raise ValueError(f"{path} holds no files to store.")
        sha256 = manifest_hash(manifest)
        key = f"{kind}/{sha256[:2]}/{sha256}"
        existing = Artifact.objects.filter(kind=kind, sha256=sha256).first()
        if existing:
            return existing
        for entry in manifest:
            source = path if path.is_file() else path / entry["path"]
            self.client.upload_file(str(source), self.bucket, f"{self.prefix}{key}/{entry['path']}")
        # The row is written last: an artifact that the database knows is complete in the bucket.
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
        target = self.cache / artifact.key
        if target.exists():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        staged = target.with_name(f".{artifact.sha256}.{uuid.uuid4().hex}")
        for entry in artifact.manifest:
            file = staged / entry["path"]
            file.parent.mkdir(parents=True, exist_ok=True)
            self.client.download_file(self.bucket, f"{self.prefix}{artifact.key}/{entry['path']}", str(file))
            if checksum(file) != entry["sha256"]:
                shutil.rmtree(staged, ignore_errors=True)
                raise OSError(f"{artifact.key}/{entry['path']} does not match its recorded hash.")
        try:
            staged.rename(target)
        except OSError:
            shutil.rmtree(staged, ignore_errors=True)
            if not target.exists():
                raise
        return target

    def verify(self, artifact: Artifact) -> list[str]:
        wrong = []
        for entry in artifact.manifest:
            try:
                head = self.client.head_object(
                    Bucket=self.bucket,
                    Key=f"{self.prefix}{artifact.key}/{entry['path']}",
                )
            except self.client.exceptions.ClientError:
                wrong.append(entry["path"])
                continue
            if head["ContentLength"] != entry["size"]:
                wrong.append(entry["path"])
        return wrong
