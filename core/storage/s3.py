"""Artifacts in an S3-compatible bucket, with a cache folder on this host for the files that engines open."""

import base64
import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from core.database.connections import release_connection
from core.host.disks import StoreError
from core.host.files import put_in_place
from core.models import Artifact
from core.storage.base import (
    PIECE,
    Compared,
    FileCheck,
    Progress,
    Storage,
    checksum,
    checksum_of,
    pieces_of,
)

# Files up to this size are sent in one request: only then the store's SHA-256 is that of the whole file.
# For a file sent in parts the store has the hash of the parts' hashes ("Checking object integrity", Amazon S3 user guide).
ONE_REQUEST_BYTES = 512 * 1024 * 1024
_MISSING = {"404", "NoSuchKey"}


@contextmanager
def _store_errors() -> Iterator[None]:
    """The client's errors as OSError, as other stores raise them."""
    try:
        yield
    except (BotoCoreError, Boto3Error, ClientError) as error:
        raise _store_error(error) from error


# The error codes of full stores, for example MinIO and Ceph; Amazon S3 has none.
_FULL = {
    "XMinioStorageFull",
    "StorageFull",
    "QuotaExceeded",
    "XMinioAdminBucketQuotaExceeded",
    "InsufficientStorage",
    "507",
}
_DENIED = {"AccessDenied", "AllAccessDisabled", "MethodNotAllowed", "403"}


def _store_error(error: Exception) -> StoreError:
    """With the errno of a disk in the same state, so that core.host.disks finds the message."""
    response = getattr(error, "response", None) or {}
    code = str(response.get("Error", {}).get("Code", ""))
    status = str(response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
    # upload_file wraps the error of the store in its own error, which has only the text.
    words = str(error)
    if {code, status} & _FULL or any(f"({name})" in words for name in _FULL):
        number = errno.ENOSPC
    elif {code, status} & _DENIED or any(f"({name})" in words for name in _DENIED):
        number = errno.EACCES
    else:
        return StoreError(f"The object store could not be read or written: {error}")
    return StoreError(number, f"The object store could not be read or written: {error}")


class S3Storage(Storage):
    remote: ClassVar[bool] = True

    def __init__(self) -> None:
        self.bucket = settings.ARTIFACT_S3_BUCKET
        self.prefix = settings.ARTIFACT_S3_PREFIX
        self.cache = settings.ARTIFACT_CACHE_DIR
        # Credentials come from the standard AWS variables or the instance's role, not from the database.
        self.client = boto3.client("s3", endpoint_url=settings.ARTIFACT_S3_ENDPOINT or None)

    def _name(self, artifact: Artifact, path: str) -> str:
        return f"{self.prefix}{artifact.key}/{path}"

    def _keep(self, files: dict[str, Path], key: str, *, moved: bool) -> None:
        if Artifact.objects.filter(key=key).exists():
            return
        # AWS_REQUEST_CHECKSUM_CALCULATION=when_required is for stores without checksums.
        with_checksum = self.client.meta.config.request_checksum_calculation != "when_required"
        for name, source in files.items():
            with _store_errors():
                self.client.upload_file(
                    str(source),
                    self.bucket,
                    f"{self.prefix}{key}/{name}",
                    ExtraArgs={"ChecksumAlgorithm": "SHA256"} if with_checksum else None,
                    Config=TransferConfig(multipart_threshold=ONE_REQUEST_BYTES),
                )

    def local_path(self, artifact: Artifact) -> Path:
        target = self.cache / artifact.key
        if target.exists():
            return target
        release_connection()  # weights take minutes
        with put_in_place(target) as staged:
            for entry in artifact.manifest:
                file = staged / entry["path"]
                file.parent.mkdir(parents=True, exist_ok=True)
                with _store_errors():
                    self.client.download_file(self.bucket, self._name(artifact, entry["path"]), str(file))
                if checksum(file) != entry["sha256"]:
                    raise OSError(f"{artifact.key}/{entry['path']} does not match its recorded hash.")
        return target

    def verify(self, artifact: Artifact, progress: Progress | None = None) -> list[str]:
        """Reads and hashes every object of the bucket, and also the copy that this host's engines open."""
        wrong = [
            entry["path"]
            for entry in artifact.manifest
            if self._checksum(artifact, entry["path"], progress) != entry["sha256"]
        ]
        return wrong + [f"{path} (this host's copy)" for path in self.verify_copy(artifact)]

    def _checksum(self, artifact: Artifact, path: str, progress: Progress | None) -> str | None:
        """SHA-256 of an object's bytes as they are in the bucket now; None when there is no such object."""
        with _store_errors():
            try:
                body = self.client.get_object(Bucket=self.bucket, Key=self._name(artifact, path))["Body"]
            except ClientError as error:
                if error.response["Error"]["Code"] in _MISSING:
                    return None
                raise
            return checksum_of(body.iter_chunks(PIECE), progress)

    def verify_copy(self, artifact: Artifact) -> list[str]:
        """Checks the files that this host fetched; a missing copy is not an error."""
        root = self.cache / artifact.key
        if not root.exists():
            return []
        return [
            entry["path"]
            for entry in artifact.manifest
            if not (root / entry["path"]).is_file()
            or checksum_of(pieces_of(root / entry["path"])) != entry["sha256"]
        ]

    def verify_unread(self, artifact: Artifact) -> FileCheck:
        """By the store's SHA-256 of each object, if it is of the whole object, else by size.

        The store calculated that hash at the upload. A replaced object has another hash or none; only reading (`verify`) finds
        damage inside the store.
        """
        wrong, by_checksum = [], True
        for entry in artifact.manifest:
            head = self._head(artifact, entry["path"])
            if head is None or head["ContentLength"] != entry["size"]:
                wrong.append(entry["path"])
                continue
            stored = _whole_sha256(head)
            if stored is None:
                by_checksum = False
            elif stored != entry["sha256"]:
                wrong.append(entry["path"])
        return FileCheck(wrong, Compared.CHECKSUMS if by_checksum else Compared.SIZES)

    def _head(self, artifact: Artifact, path: str) -> dict[str, Any] | None:
        with _store_errors():
            try:
                return dict(
                    self.client.head_object(
                        Bucket=self.bucket, Key=self._name(artifact, path), ChecksumMode="ENABLED"
                    )
                )
            except ClientError as error:
                if error.response["Error"]["Code"] in _MISSING:
                    return None
                raise

    def remove(self, artifact: Artifact) -> None:
        for entry in artifact.manifest:
            with _store_errors():
                self.client.delete_object(Bucket=self.bucket, Key=self._name(artifact, entry["path"]))
        shutil.rmtree(self.cache / artifact.key, ignore_errors=True)


def _whole_sha256(head: dict[str, Any]) -> str | None:
    """The store's SHA-256, in hex, of the whole object; None when it has none, or only one of parts."""
    stored = head.get("ChecksumSHA256", "")
    # Stores that do not give the checksum type have the number of parts in the tag ("...-3").
    kind = head.get("ChecksumType") or ("COMPOSITE" if "-" in head.get("ETag", "") else "FULL_OBJECT")
    if not stored or kind != "FULL_OBJECT":
        return None
    return base64.b64decode(stored).hex()
