"""Processes beside this one, and how they share its processors."""

import os
from pathlib import Path

from core.host.apart import process_apart


def test_a_nice_process_leads_a_session_that_is_nice():
    """The niceness of a process alone does not count against programs of other sessions, where Linux has "autogroup"."""
    nice = min(19, os.nice(0) + 7)
    with process_apart("tests.support.busy", nice=7) as process:
        assert os.getsid(process.pid) == process.pid
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == nice
        autogroup = Path(f"/proc/{process.pid}/autogroup")
        if autogroup.exists():
            assert autogroup.read_text().endswith(f" nice {nice}\n")


def test_a_process_that_is_not_nice_stays_in_this_session():
    with process_apart("tests.support.busy") as process:
        assert os.getsid(process.pid) == os.getsid(0)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == os.nice(0)
