"""Checks chunks of examples on two cores: here, and in a second process.

The second process is a program of its own, `python -m annotation.runner.side`, and no fork of the worker: a worker has threads and
database connections. It gets chunks on its input and writes findings to its output, as pickles of this program's own classes. It
makes no query, and ends when its input ends, so it does not outlive a killed worker. Without it all chunks are checked here.
"""

import contextlib
import logging
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:  # importing them needs Django, which the second process sets up first
    from annotation.checks import Finding
    from annotation.services.found import Checked
    from core.models import Project

log = logging.getLogger(__name__)
LEAST = 1000  # rows from which a second process is worth its start
_WAITING = 2  # chunks that wait in the second process


@dataclass(frozen=True)
class UncheckedRow:
    """An example to check: {"messages", "context", "completion"} and the hash of these."""

    example: int
    content_hash: str
    content: dict[str, Any]


@dataclass
class _Chunk:
    rows: list[UncheckedRow]
    findings: "list[list[Finding]] | None" = None


def checked_rows(
    project: "Project", chunks: Iterator[list[UncheckedRow]], *, rows: int, least: int = LEAST
) -> "Iterator[list[Checked]]":
    """The chunks with their findings, in their order. `rows`: about how many there are."""
    from annotation.services.found import Checked

    with _second_process(project if rows >= least and (os.cpu_count() or 1) > 1 else None) as second:
        for chunk in _in_order(project, chunks, second):
            found = zip(chunk.rows, chunk.findings or [], strict=True)
            yield [Checked(row.example, row.content_hash, row.content, findings) for row, findings in found]


def _in_order(
    project: "Project", chunks: Iterator[list[UncheckedRow]], second: "_Second | None"
) -> Iterator[_Chunk]:
    waiting: deque[_Chunk] = deque()
    for rows in chunks:
        chunk = _Chunk(rows)
        waiting.append(chunk)
        if second is None or not second.takes(chunk):
            chunk.findings = findings_in(rows, project)
        if second is not None:
            second.receive(wait=False)
            if second.failed:
                second = None
                _check_here(project, waiting)
        while waiting and waiting[0].findings is not None:
            yield waiting.popleft()
    while second is not None and second.receive(wait=True):
        pass
    _check_here(project, waiting)
    yield from waiting


def _check_here(project: "Project", chunks: deque[_Chunk]) -> None:
    """What the second process did not do."""
    for chunk in chunks:
        if chunk.findings is None:
            chunk.findings = findings_in(chunk.rows, project)


def findings_in(rows: list[UncheckedRow], project: "Project") -> "list[list[Finding]]":
    """What the text checks find in each row, without what only informs. No query."""
    from annotation.checks import text_findings
    from annotation.services.found import worth_storing

    return [worth_storing(text_findings(row.content, project, example_id=row.example)) for row in rows]


class _Second:
    """The second process, from the side of the worker. When it fails, its chunks are checked here."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._given: deque[_Chunk] = deque()
        self._sent: queue.Queue[object] = queue.Queue()
        self._answers: queue.Queue[list[list[Finding]] | None] = queue.Queue()
        self.failed = False
        threading.Thread(target=self._read, name="second-checker", daemon=True).start()
        threading.Thread(target=self._write, name="second-checker-input", daemon=True).start()

    def send(self, what: object) -> None:
        """By a thread: a chunk is larger than a pipe, and the process reads the next one only when it has checked the last."""
        self._sent.put(what)

    def _write(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # it has ended: `_read` sees that, too
            while (what := self._sent.get()) is not None:
                pickle.dump(what, self._process.stdin, protocol=pickle.HIGHEST_PROTOCOL)
                self._process.stdin.flush()

    def close(self) -> None:
        self._sent.put(None)

    def takes(self, chunk: _Chunk) -> bool:
        """Gives it the chunk, when it has not enough to do."""
        if self.failed or len(self._given) >= _WAITING:
            return False
        self.send(chunk.rows)
        self._given.append(chunk)
        return True

    def receive(self, *, wait: bool) -> bool:
        """Takes its finished chunks. False when none came."""
        came = False
        while self._given and not self.failed:
            try:
                answer = self._answers.get(block=wait and not came)
            except queue.Empty:
                break
            if answer is None:
                self._fail()
                break
            self._given.popleft().findings = answer
            came = True
        return came

    def _fail(self) -> None:
        log.warning("The second process of a check ended early: everything is checked in one.")
        self.failed = True

    def _read(self) -> None:
        try:
            while True:
                self._answers.put(pickle.load(self._process.stdout))  # type: ignore[arg-type]  # noqa: S301 - our own process
        except Exception:  # noqa: BLE001 - whatever it was, nothing more comes from it
            self._answers.put(None)


@contextlib.contextmanager
def _second_process(project: "Project | None") -> "Iterator[_Second | None]":
    if project is None:
        yield None
        return
    from django.conf import settings

    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE}
    process = subprocess.Popen(
        [sys.executable, "-m", "annotation.runner.side"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=settings.BASE_DIR, env=environment,
    )  # fmt: skip
    second = _Second(process)
    try:
        second.send(project)
        yield second
    finally:
        second.close()
        process.kill()
        process.wait()
        for end in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                end.close()  # type: ignore[union-attr]


def main(given: IO[bytes], answers: IO[bytes]) -> None:
    """The second process: the project first, then chunks of rows until the input ends."""
    import django

    os.nice(5)  # people's pages come first
    django.setup()
    project = pickle.load(given)  # noqa: S301 - our own process wrote it
    while True:
        try:
            rows = pickle.load(given)  # noqa: S301
        except EOFError:
            return
        pickle.dump(findings_in(rows, project), answers, protocol=pickle.HIGHEST_PROTOCOL)
        answers.flush()


if __name__ == "__main__":
    # What a library prints must not get between the findings.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # The classes of the pickles are those of the module, not of the program.
    import_module("annotation.runner.side").main(sys.stdin.buffer, output)
