"""Looking at other processes while they come and go: each question may find one that ends just then."""

from collections.abc import Callable, Iterable

import psutil

from tests.support.waiting import wait_for


def alive(process: psutil.Process) -> bool:
    """Whether it still runs; one that has ended and waits for its parent to notice does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def command(process: psutil.Process) -> list[str]:
    """Its command line; empty when it has ended meanwhile."""
    try:
        return process.cmdline() if alive(process) else []
    except psutil.Error:
        return []


def family(pid: int) -> list[psutil.Process]:
    """A process and all that come from it."""
    leader = psutil.Process(pid)
    return [leader, *leader.children(recursive=True)]


def only(processes: Callable[[], Iterable[psutil.Process]], seconds: float = 20.0) -> psutil.Process:
    """The one process there is, once there is exactly one: a child looks like its parent until it has its own name."""
    found: list[psutil.Process] = []

    def one() -> bool:
        found[:] = processes()
        return len(found) == 1

    wait_for(one, "one process being left", seconds)
    return found[0]
