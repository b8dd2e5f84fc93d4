"""How a training hears that its worker is asked to stop, so that it can save and hand its run back.

There are two ways it is told. On a warm shutdown Celery's main process lets the pool's process finish its task, which for
a training may be hours: one byte of shared memory, made before the pool forks, carries the news across. On a cold one the
pool's process itself gets SIGTERM: that is held back until the run is saved, and passed on then.
"""

import mmap
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from celery.signals import worker_shutting_down

# After the run was handed back, the task has this long to say so to the database and the broker.
PASS_ON_AFTER_SECONDS = 2.0
_asked = mmap.mmap(-1, 1)


@worker_shutting_down.connect
def ask_to_stop(**_: Any) -> None:
    _asked[0] = 1


def stop_asked() -> bool:
    return bool(_asked[0])


def forget() -> None:
    """A fresh start, for a process that outlives a worker (tests)."""
    _asked[0] = 0


@contextmanager
def holding_back_sigterm() -> Iterator[None]:
    """Inside, SIGTERM asks to stop instead of ending the process; afterwards it is delivered as it would have been."""
    if threading.current_thread() is not threading.main_thread():
        # Signal handlers belong to the main thread; a pool of threads is stopped by the shared byte alone.
        yield
        return
    held: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        held.append(number)
        ask_to_stop()

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)
        if held:
            again = threading.Timer(PASS_ON_AFTER_SECONDS, os.kill, (os.getpid(), signal.SIGTERM))
            again.daemon = True
            again.start()
