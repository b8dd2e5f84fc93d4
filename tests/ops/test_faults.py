"""The short form of benchmarks/faults.py: eight people at work while the web, a worker and both servers are killed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
KILLED = ["web", "worker", "valkey", "postgres"]


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_nothing_that_was_acknowledged_is_lost_and_nothing_is_given_twice():
    # The program that it starts has servers of its own; the tests' are another's.
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GUILDHALL_", "DJANGO_", "PYTEST_"))
        and name not in {"DATABASE_URL", "REDIS_URL"}
    }
    command = [sys.executable, "benchmarks/faults.py", "--rounds", "1", "--only", ",".join(KILLED)]
    done = subprocess.run(
        [*command, "--queued", "150", "--json"],
        cwd=ROOT,
        env=own,
        capture_output=True,
        text=True,
        timeout=880,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["writes_lost"] == 0 and found["items_given_twice"] == 0
    assert found["writes_acknowledged"] >= 100
    # Every kind of write was tried, and each process came back.
    assert {"draft", "submit", "written example", "import"} <= found["by_kind"].keys()
    assert found["recovery_seconds"].keys() == set(KILLED)
