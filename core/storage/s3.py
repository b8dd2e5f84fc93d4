"""Artifacts in an S3-compatible bucket, with a cache folder on this host for what engines must open."""

from pathlib import Path

import boto3
from django.conf import settings

from core.models import Artifact
from core.storage.base import Storage, checksum, put_in_place


class S3Storage(Storage):
    def __init__(self) -> None:
        self.bucket = settings.ARTIFACT_S3_BUCKET
        self.prefix = settings.ARTIFACT_S3_PREFIX
        self.cache = settings.ARTIFACT_CACHE_DIR
        # Credentials come from the standard AWS variables or the instance's role, never from the database.
        self.client = boto3.client("s3", endpoint_url=settings.ARTIFACT_S3_ENDPOINT or None)

    def _keep(self, files: dict[str, Path], key: str) -> None:
        if Artifact.objects.filter(key=key).exists():
            return
        for name, source in files.items():
            self.client.upload_file(str(source), self.bucket, f"{self.prefix}{key}/{name}")

    def local_path(self, artifact: Artifact) -> Path:
        target = self.cache / artifact.key
        if target.exists():
            return target
        with put_in_place(target) as staged:
            for entry in artifact.manifest:
                file = staged / entry["path"]
                file.parent.mkdir(parents=True, exist_ok=True)
                remote = f"{self.prefix}{artifact.key}/{entry['path']}"
                self.client.download_file(self.bucket, remote, str(file))
                if checksum(file) != entry["sha256"]:
                    raise OSError(f"{artifact.key}/{entry['path']} does not match its recorded hash.")
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
