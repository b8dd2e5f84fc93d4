"""How a training hears that its worker is asked to stop, so that it can save and hand its run back.

Celery answers SIGTERM in its main process and lets the pool's process finish its task, which for a training may be
hours. One byte of shared memory, made before the pool forks, carries the news across; a solo pool has one process
and sees it as well.
"""

import mmap
from typing import Any

from celery.signals import worker_shutting_down

_asked = mmap.mmap(-1, 1)


@worker_shutting_down.connect
def ask_to_stop(**_: Any) -> None:
    _asked[0] = 1


def stop_asked() -> bool:
    return bool(_asked[0])


def forget() -> None:
    """A fresh start, for a process that outlives a worker (tests)."""
    _asked[0] = 0
