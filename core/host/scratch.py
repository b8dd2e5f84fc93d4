"""Temporary folders and files of work: removed at its end, or by a sweep when its process was killed.

A process locks the ones it uses, and the kernel releases the lock at its end. So an unlocked one is left over, and a sweep
is safe beside running work, also of other processes and containers on the same disk.
"""

import fcntl
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings
from django.core.files.uploadhandler import TemporaryFileUploadHandler

log = logging.getLogger(__name__)

# The time between creation and lock.
YOUNGEST_SECONDS = 60.0


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """A folder beside the uploads, where the settings require space for large files; deleted when the block ends."""
    settings.UPLOAD_DIR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=settings.UPLOAD_DIR, prefix=f"{prefix}-", ignore_cleanup_errors=True
    ) as made:
        folder = Path(made)
        with held(folder):
            yield folder


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Protects `path`, a file or a folder, from a sweep while the block runs."""
    handle = os.open(path, os.O_RDONLY)
    try:
        _lock(handle)
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> None:
    # A network disk can be without locks. A sweep then gets no lock either, and removes nothing there.
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX)


class HeldUploadHandler(TemporaryFileUploadHandler):
    """Django's handler, with files that are locked during the request."""

    def new_file(
        self,
        field_name: str,
        file_name: str,
        content_type: str,
        content_length: int | None,
        charset: str | None = None,
        content_type_extra: dict[str, bytes] | None = None,
    ) -> None:
        super().new_file(field_name, file_name, content_type, content_length, charset, content_type_extra)
        if self.file.file is not None:
            _lock(self.file.file.fileno())

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        try:
            super().receive_data_chunk(raw_data, start)
        except OSError:
            # The disk is full; delete the incomplete file.
            with suppress(OSError):
                self.file.close()
            raise


def sweep() -> list[str]:
    """Removes the files of killed processes; returns their names."""
    removed = []
    for path in _left_over():
        if _is_free(path):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
            removed.append(path.name)
    if removed:
        log.info("Removed what killed processes left: %s", ", ".join(removed))
    return removed


def _left_over() -> Iterator[Path]:
    """Everything in the temporary folder, and incomplete files of the artifact store and its cache."""
    if settings.UPLOAD_DIR.is_dir():
        yield from sorted(settings.UPLOAD_DIR.iterdir())
    for root in (settings.ARTIFACT_DIR, settings.ARTIFACT_CACHE_DIR):
        # <kind>/<two letters>/.<hash>.<random>, see core.host.files.put_in_place
        yield from sorted(root.glob("*/*/.*"))


def _is_free(path: Path) -> bool:
    """Whether it is not locked, and old enough that no process is about to lock it."""
    try:
        if path.is_symlink() or time.time() - path.stat().st_mtime < YOUNGEST_SECONDS:
            return False
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False  # locked, or a disk without locks: nothing is removed there
    finally:
        os.close(handle)
    return True
