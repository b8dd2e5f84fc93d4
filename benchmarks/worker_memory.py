"""The highest memory of the program's worker while something runs."""

import contextlib
import threading
from types import TracebackType

import psutil

from benchmarks.server_watch import find
from tests.support.program import Program

# Looking costs processor time of the machine that is measured: a list of all processes most.
EVERY_SECONDS, LIST_EVERY = 0.1, 10


class WorkerMemory:
    """While it is open, looks at every process of the worker ten times a second. `peak_mb` is the most that one of them had in
    memory of its own and shared (RSS): the one that imports; `before_mb` the most before."""

    def __init__(self, program: Program, name: str) -> None:
        leader = find(program, name)
        if leader is None:
            raise RuntimeError(f"The process {name} does not run.")
        self._leader, self._processes, self._looks = leader, [leader], 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.before_mb = self.peak_mb = self._now()

    def _now(self) -> float:
        if self._looks % LIST_EVERY == 0:
            self._processes = [self._leader, *self._leader.children(recursive=True)]
        self._looks += 1
        sizes = [0]
        for process in self._processes:
            with contextlib.suppress(psutil.Error):
                sizes.append(process.memory_info().rss)
        return max(sizes) / 1e6

    def _look(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            self.peak_mb = max(self.peak_mb, self._now())

    def __enter__(self) -> "WorkerMemory":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
