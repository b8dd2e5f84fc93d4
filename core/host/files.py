"""Folders that are complete or absent, also after a crash."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.host.scratch import held


@contextmanager
def put_in_place(target: Path) -> Iterator[Path]:
    """A folder to fill. When the block ends without error, it is written to the disk and renamed to `target`: a crash leaves
    no incomplete folder there, only one beside it whose name starts with a point.

    When another process was faster, its folder stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    staged.mkdir()
    try:
        with held(staged):
            yield staged
            _sync(staged)
            staged.rename(target)
    except BaseException as error:
        shutil.rmtree(staged, ignore_errors=True)
        if not (isinstance(error, OSError) and target.exists()):
            raise


def _sync(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
