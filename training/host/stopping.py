"""How a training run learns that its worker must stop, so that it can save and return the run to the queue.

There are two ways. On a warm shutdown Celery's main process lets the pool's process finish its task, which can take
hours for a training run: one byte of shared memory, made before the pool forks, passes the request on. On a cold
shutdown the pool's process itself gets SIGTERM: it is delayed until the run is saved, then delivered.
"""

import mmap
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from celery.signals import worker_shutting_down

# After the run is returned to the queue, the task has this long to report it to the database and the broker.
PASS_ON_AFTER_SECONDS = 2.0
_asked = mmap.mmap(-1, 1)


@worker_shutting_down.connect
def ask_to_stop(**_: object) -> None:
    _asked[0] = 1


def stop_asked() -> bool:
    return bool(_asked[0])


def forget() -> None:
    """Resets the state, for a process that outlives a worker (tests)."""
    _asked[0] = 0


@contextmanager
def holding_back_sigterm() -> Iterator[None]:
    """Inside, SIGTERM requests a stop instead of ending the process; afterwards it is delivered normally."""
    if threading.current_thread() is not threading.main_thread():
        # Signal handlers belong to the main thread; a pool of threads is stopped only by the shared byte.
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
