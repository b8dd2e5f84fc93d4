"""The artifact store: content-addressed, written once, read by path. Backends are files in this folder."""

from django.conf import settings

from core.storage.base import Compared, FileCheck, Storage, checksum, manifest_of
from core.storage.folder import FolderStorage

__all__ = ["Compared", "FileCheck", "Storage", "checksum", "manifest_of", "storage"]


def _s3() -> Storage:
    from core.storage.s3 import S3Storage

    return S3Storage()


BACKENDS = {"folder": FolderStorage, "s3": _s3}


def storage() -> Storage:
    """The store of the settings."""
    return BACKENDS[settings.ARTIFACT_STORE]()
