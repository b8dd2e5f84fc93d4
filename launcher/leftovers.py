"""Finds and ends processes that were left behind. After `adopt_orphans` a process also sees those of others."""

import contextlib
import os
import signal
import time

import psutil


def sweep(*, patience: float) -> None:
    """Ends all descendants of this process: SIGTERM, then SIGKILL after `patience` seconds.

    The keepers of the embedded servers stay: they end automatically when their server has no users.
    """
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 3.0)):
        deadline = time.monotonic() + seconds
        signalled: set[int] = set()
        while time.monotonic() < deadline:
            remaining = _descendants()
            if not remaining:
                return
            for process in remaining:
                if process.pid not in signalled:
                    signalled.add(process.pid)
                    with contextlib.suppress(psutil.Error):
                        process.send_signal(number)
            time.sleep(0.05)


def keepers() -> list[psutil.Process]:
    """The keepers of embedded servers among this process's children."""
    return [child for child in psutil.Process().children() if _is_keeper(child) and _lives(child)]


def _descendants() -> list[psutil.Process]:
    descendants: list[psutil.Process] = []
    for child in psutil.Process().children():
        if not _is_keeper(child):
            descendants.append(child)
            with contextlib.suppress(psutil.Error):
                descendants += child.children(recursive=True)
    return [process for process in descendants if _lives(process)]


def _lives(process: psutil.Process) -> bool:
    """False for a zombie; an own child is reaped here."""
    try:
        if process.status() != psutil.STATUS_ZOMBIE:
            return True
        if process.ppid() == os.getpid():
            os.waitpid(process.pid, os.WNOHANG)
    except (psutil.Error, ChildProcessError):
        pass
    return False


def _is_keeper(process: psutil.Process) -> bool:
    try:
        return any(word.endswith("launcher/embedded.py") for word in process.cmdline())
    except psutil.Error:
        return False
