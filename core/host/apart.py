"""A process of our own beside this one: a Python program that works on its standard input and writes to its standard output.

It is a program of its own and no fork: a worker has threads and database connections. Linux only.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from django.conf import settings

_TRIES, _PAUSE = 5, 0.11  # of all that people without rights ask, the kernel does one in a tenth of a second


@contextlib.contextmanager
def process_apart(
    module: str,
    *,
    nice: int = 0,
    pipe_bytes: int = 0,
    arguments: Sequence[str] = (),
    pass_fds: Sequence[int] = (),
) -> Iterator["subprocess.Popen[bytes]"]:
    """`python -m module` with this program's settings and `arguments`, its standard input and output as pipes, its errors on ours. It is ended
    when the block ends, in any way; a module that ends with its input also does not outlive a process that is killed.

    `nice` is what is added to this process's niceness (0 to 19): with 10 it gets about a tenth of a core that others want, too. It then
    leads a session of its own, so that this holds against programs of other sessions, as the web process is; with it end the processes
    that it has forked. `pass_fds` are files of this process that stay open in it.
    `pipe_bytes` is the size of its output's pipe, 0 for the system's; a larger one is only faster.
    """
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE}
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=settings.BASE_DIR, env=environment,
        start_new_session=bool(nice), pass_fds=pass_fds,
    )  # fmt: skip
    try:
        if nice:
            _make_nice(process.pid, min(19, os.nice(0) + nice))
        if pipe_bytes and process.stdout:
            with contextlib.suppress(OSError):
                fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, pipe_bytes)
        yield process
    finally:
        process.kill()
        if nice:
            with contextlib.suppress(ProcessLookupError):  # nobody is left
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for end in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                if end:
                    end.close()


def _make_nice(leader: int, nice: int) -> None:
    """Sets the niceness of a process that leads a session, and of the session, as far as the system lets us.

    Where Linux has "autogroup" (most kernels outside containers; man 7 sched) it shares a core first between sessions, whatever their
    processes' niceness is, and then between the processes of each.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, leader, nice)
    for _ in range(_TRIES):
        try:
            Path(f"/proc/{leader}/autogroup").write_text(str(nice))
        except BlockingIOError:
            time.sleep(_PAUSE)
        except OSError:  # it has ended, or the kernel has no autogroup
            return
        else:
            return
