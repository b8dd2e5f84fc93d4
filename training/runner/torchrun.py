"""Starts torchrun, which starts the processes of one host."""

import os
import subprocess
import sys
from pathlib import Path

from django.conf import settings

from training.distribution import Layout
from training.runner.job_folder import WORKER

# What each process runs.
MODULE = "training.runner.process"


def start(
    folder: Path, layout: Layout, *, threads: int, host: int = 0, rendezvous: str = ""
) -> subprocess.Popen[bytes]:
    """torchrun for host number `host`; killing it ends its processes too. `threads` are those of each process on a CPU."""
    where = ["--standalone"]
    if layout.hosts > 1:
        name, _, port = rendezvous.rpartition(":")
        where = ["--nnodes", str(layout.hosts), "--node-rank", str(host)]
        where += ["--master-addr", name, "--master-port", port]
    command = [sys.executable, "-m", "training.runner.agent", str(folder), str(host), *where]
    command += ["--nproc-per-node", str(layout.per_host), "-m", MODULE, str(folder)]
    environment = os.environ | {WORKER: str(os.getpid()), "OMP_NUM_THREADS": str(threads)}
    # In a session of its own: Ctrl-C in a terminal asks the worker, which lets the processes save first.
    return subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment, start_new_session=True)
