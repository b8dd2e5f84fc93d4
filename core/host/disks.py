"""Full, read-only and broken storage, in words: the one place that knows how each library reports it."""

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from core.errors import ExpectedError, StorageAway, StorageFull, StorageReadOnly
from core.text import one_line

_FULL = {errno.ENOSPC, errno.EDQUOT}
_READ_ONLY = {errno.EROFS}
# Denied: in one of our own folders the owner or the rights are wrong.
_DENIED = {errno.EACCES, errno.EPERM}
_BROKEN = {errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENODEV, errno.EHOSTDOWN, errno.ETIMEDOUT}
# Libraries in other languages give only words: safetensors (Rust) "Os { code: 28, kind: StorageFull", PostgreSQL and
# Valkey the system's own.
_FULL_WORDS = ("No space left on device", "Disk quota exceeded", "code: 28,", "kind: StorageFull")
_READ_ONLY_WORDS = ("Read-only file system", "code: 30,", "kind: ReadOnlyFilesystem")
# PyTorch only says that a write was incomplete (caffe2/serialize/inline_container.cc).
_SHORT_WORDS = ("PytorchStreamWriter failed", "file write failed", "unexpected pos")
_NEARLY_FULL_BYTES = 64 * 1024 * 1024


class StoreError(OSError):
    """The error of a store that is not a disk (a bucket), with the errno of a disk in the same state, if there is one."""


def storage_error(error: BaseException) -> ExpectedError | None:
    """The error for people when storage caused it, also when other errors wrap it; else None."""
    for cause in _chain(error):
        if isinstance(cause, (StorageFull, StorageReadOnly, StorageAway)):
            return cause
        number = cause.errno if isinstance(cause, OSError) else None
        words = str(cause)
        if number in _FULL or getattr(cause, "sqlstate", None) == "53100" or _says(words, _FULL_WORDS):
            return StorageFull(
                "The disk is full. This was not stored.",
                "Ask the operator to make space, then try again. Earlier data is safe.",
            )
        if number in _READ_ONLY or _says(words, _READ_ONLY_WORDS) or (number in _DENIED and _is_ours(cause)):
            return StorageReadOnly(
                "The storage is read-only. This was not stored.",
                "Ask the operator to make it writable again, then try again. Earlier data is safe.",
            )
        if isinstance(cause, StoreError) or (number in _BROKEN and _is_ours(cause)):
            return StorageAway(
                f"The storage does not work now ({_reason(words)}).",
                "Try again in a minute. If the problem continues, tell the operator.",
            )
        if _says(words, _SHORT_WORDS) and shutil.disk_usage(settings.STATE_DIR).free < _NEARLY_FULL_BYTES:
            return StorageFull(
                "The disk is full. This was not stored.",
                "Ask the operator to make space, then try again. Earlier data is safe.",
            )
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _says(words: str, any_of: tuple[str, ...]) -> bool:
    return any(phrase in words for phrase in any_of)


def _is_ours(error: BaseException) -> bool:
    """Whether it happened in a folder of this program or in its store: elsewhere there is another reason."""
    if isinstance(error, StoreError):
        return True
    name = getattr(error, "filename2", None) or getattr(error, "filename", None)
    return isinstance(name, (str, Path)) and Path(name).is_relative_to(settings.STATE_DIR)


def _reason(words: str) -> str:
    return one_line(words, most=200).rstrip(".")
