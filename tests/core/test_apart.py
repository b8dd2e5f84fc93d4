"""Processes beside this one, and how they share its core."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.host.apart import process_apart

SPENT = 0.6  # seconds of processor time


@pytest.fixture
def one_core() -> Iterator[None]:
    """This process and those that it starts share one core."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    yield
    os.sched_setaffinity(0, allowed)


def processor_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def seconds_beside(*, nice: int) -> float:
    """What a busy process beside this one gets of their core, while this one takes SPENT seconds of it."""
    with process_apart("tests.support.busy", nice=nice) as process:
        assert process.stdout
        assert process.stdout.readline() == b"busy\n"
        before, until = processor_seconds(process.pid), time.process_time() + SPENT
        while time.process_time() < until:
            pass
        return processor_seconds(process.pid) - before


@pytest.mark.usefixtures("one_core")
def test_a_nice_process_gets_a_tenth_of_a_core_and_another_one_half():
    assert seconds_beside(nice=10) < SPENT / 5
    assert seconds_beside(nice=0) > SPENT / 2


@pytest.mark.usefixtures("one_core")
def test_a_nice_process_leads_a_session_that_is_nice():
    with process_apart("tests.support.busy", nice=7) as process:
        assert os.getsid(process.pid) == process.pid
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == min(19, os.nice(0) + 7)
        autogroup = Path(f"/proc/{process.pid}/autogroup")
        if autogroup.exists():
            assert autogroup.read_text().endswith(f" nice {min(19, os.nice(0) + 7)}\n")
