"""Checkpoints of a running training: complete or absent, never partial.

    STATE_DIR/checkpoints/<training id>/step-00000040/ trained.safetensors or all weights, optimizer, scheduler, rng, trainer state
    STATE_DIR/checkpoints/<training id>/.step-<number>.<random>/  being written; ignored and removed

A checkpoint is written to a temporary folder and renamed when everything is on disk.
"""

import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from core.host.files import put_in_place
from core.lists.numbers import whole_number

KEEP = 2


def folder_of(training_run_id: int) -> Path:
    return Path(settings.STATE_DIR) / "checkpoints" / str(training_run_id)


def complete(training_run_id: int) -> list[tuple[int, Path]]:
    """(step, folder) of every complete checkpoint, newest first."""
    steps = []
    for path in folder_of(training_run_id).glob("step-*"):
        step = whole_number(path.name.removeprefix("step-"))
        if step is not None and path.is_dir():
            steps.append((step, path))
    return sorted(steps, reverse=True)


def write(training_run_id: int, step: int, fill: Callable[[Path], None]) -> Path:
    """Lets `fill` write into an empty folder and renames it when it is complete. Removes all but the last KEEP."""
    target = folder_of(training_run_id) / f"step-{step:08d}"
    if target.exists():
        return target
    with put_in_place(target) as staged:
        fill(staged)
    for _, old in complete(training_run_id)[KEEP:]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def clean(training_run_id: int) -> None:
    """Removes partial checkpoints of a killed worker."""
    for path in folder_of(training_run_id).glob(".*"):
        shutil.rmtree(path, ignore_errors=True)


def training_runs() -> set[int]:
    """Ids of the training runs that have checkpoints on this machine. Removes what an interrupted `remove` left."""
    root = Path(settings.STATE_DIR) / "checkpoints"
    for left in root.glob(".removing-*"):
        shutil.rmtree(left, ignore_errors=True)
    return {number for path in root.glob("*") if (number := whole_number(path.name)) is not None}


def remove(training_run_id: int) -> None:
    """Removes all checkpoints of a training run in one atomic step, so that no run resumes from a partial one."""
    root = folder_of(training_run_id)
    gone = root.with_name(f".removing-{uuid.uuid4().hex}")
    try:
        os.rename(root, gone)
    except FileNotFoundError:
        return
    shutil.rmtree(gone, ignore_errors=True)
