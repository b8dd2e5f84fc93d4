"""A process of our own beside this one: a Python program that works on its standard input and writes to its standard output.

It is a program of its own and no fork: a worker has threads and database connections. Linux only.
"""

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator

from django.conf import settings


@contextlib.contextmanager
def process_apart(module: str, *, nice: int = 0, pipe_bytes: int = 0) -> Iterator["subprocess.Popen[bytes]"]:
    """`python -m module` with this program's settings, its standard input and output as pipes, its errors on ours. It is ended
    when the block ends, in any way; a module that ends with its input also does not outlive a process that is killed.

    `nice` is what is added to this process's niceness (0 to 19): with 10 it gets about a tenth of a core that others want, too.
    `pipe_bytes` is the size of its output's pipe, 0 for the system's; a larger one is only faster.
    """
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE}
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=settings.BASE_DIR, env=environment,
    )  # fmt: skip
    try:
        if nice:
            with contextlib.suppress(OSError):  # it has ended, or the system does not let us
                os.setpriority(os.PRIO_PROCESS, process.pid, min(19, os.nice(0) + nice))
        if pipe_bytes and process.stdout:
            with contextlib.suppress(OSError):
                fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, pipe_bytes)
        yield process
    finally:
        process.kill()
        process.wait()
        for end in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                if end:
                    end.close()
