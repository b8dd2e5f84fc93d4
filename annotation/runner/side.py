"""Checks chunks of examples in processes beside the worker, one for each core up to two, so that the worker only reads and stores.

Such a process is a program of its own, `python -m annotation.runner.side`, with a lower priority: people's pages come first. It gets
chunks on its input and writes findings to its output, as pickles of this program's own classes. It makes no query, and ends when its
input ends, so it does not outlive a killed worker. What a process that failed did not do is checked here, as are few rows.
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
    from annotation.checks.traits import Traits
    from annotation.services.found import Checked
    from core.models import Project

    RowResult = tuple[list[Finding], Traits]

log = logging.getLogger(__name__)
LEAST = 1000  # rows from which another process is worth its start
_MOST_PROCESSES = 2  # each has its own grammar checker and word lists: 400 MB
_WAITING = 2  # chunks that one process has, the one it works on included
_NICE = 10  # about a tenth of a core that others want


@dataclass(frozen=True)
class UncheckedRow:
    """An example to check: {"messages", "context", "completion"} and the hash of these."""

    example: int
    content_hash: str
    content: dict[str, Any]


@dataclass
class _Chunk:
    rows: list[UncheckedRow]
    results: "list[RowResult] | None" = None


def checked_rows(
    project: "Project", chunks: Iterator[list[UncheckedRow]], *, rows: int, least: int = LEAST
) -> "Iterator[list[Checked]]":
    """The chunks with their findings, in their order. `rows`: about how many there are."""
    from annotation.services.found import Checked

    processes = min(_MOST_PROCESSES, os.cpu_count() or 1) if rows >= least else 0
    with contextlib.ExitStack() as stack:
        team = _Team([stack.enter_context(_side_process(project)) for _ in range(processes)])
        for chunk in _in_order(project, chunks, team):
            results = zip(chunk.rows, chunk.results or [], strict=True)
            yield [
                Checked(row.example, row.content_hash, row.content, findings, traits)
                for row, (findings, traits) in results
            ]


def _in_order(project: "Project", chunks: Iterator[list[UncheckedRow]], team: "_Team") -> Iterator[_Chunk]:
    waiting: deque[_Chunk] = deque()
    for rows in chunks:
        waiting.append(_Chunk(rows))
        while not team.takes(waiting[-1]):
            if not team.receive():
                break
        yield from _finished(project, waiting, team)
    while waiting:
        team.receive()
        yield from _finished(project, waiting, team)


def _finished(project: "Project", waiting: deque[_Chunk], team: "_Team") -> Iterator[_Chunk]:
    """The chunks from the first on that are checked. Those that no process has are checked here."""
    while waiting and (waiting[0].results is not None or not team.has(waiting[0])):
        chunk = waiting.popleft()
        if chunk.results is None:
            chunk.results = results_of(chunk.rows, project)
        yield chunk


def results_of(rows: list[UncheckedRow], project: "Project") -> "list[RowResult]":
    """What the text checks find in each row, without what only informs, and what coverage reads from it. No query."""
    from annotation.checks import text_findings
    from annotation.checks.traits import traits_of
    from annotation.services.found import worth_storing

    return [
        (
            worth_storing(text_findings(row.content, project, example_id=row.example)),
            traits_of(row.content),
        )
        for row in rows
    ]


class _Side:
    """A process beside the worker, from the side of the worker. It puts itself and each answer into `answers`; None when it fails."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.given: deque[_Chunk] = deque()
        self.answers: queue.Queue[tuple[_Side, list[RowResult] | None]] = queue.Queue()
        self._process = process
        self._sent: queue.Queue[object] = queue.Queue()

    def start(self, answers: "queue.Queue[tuple[_Side, list[RowResult] | None]]") -> None:
        self.answers = answers
        threading.Thread(target=self._read, name="checker-output", daemon=True).start()
        threading.Thread(target=self._write, name="checker-input", daemon=True).start()

    def send(self, what: object) -> None:
        """By a thread: a chunk is larger than a pipe, and the process reads the next one only when it has checked the last."""
        self._sent.put(what)

    def close(self) -> None:
        self._sent.put(None)

    def _write(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # it has ended: `_read` sees that, too
            while (what := self._sent.get()) is not None:
                pickle.dump(what, self._process.stdin, protocol=pickle.HIGHEST_PROTOCOL)
                self._process.stdin.flush()

    def _read(self) -> None:
        try:
            while True:
                self.answers.put((self, pickle.load(self._process.stdout)))  # type: ignore[arg-type]  # noqa: S301 - our own process
        except Exception:  # noqa: BLE001 - whatever it was, nothing more comes from it
            self.answers.put((self, None))


class _Team:
    """The processes beside the worker. One that fails is left out from then on."""

    def __init__(self, sides: list[_Side]) -> None:
        self._sides = sides
        self._answers: queue.Queue[tuple[_Side, list[RowResult] | None]] = queue.Queue()
        for side in sides:
            side.start(self._answers)

    def takes(self, chunk: _Chunk) -> bool:
        """Gives the chunk to the one with the least to do. False when each has enough, or there is none."""
        side = min(self._sides, key=lambda one: len(one.given), default=None)
        if side is None or len(side.given) >= _WAITING:
            return False
        side.send(chunk.rows)
        side.given.append(chunk)
        return True

    def has(self, chunk: _Chunk) -> bool:
        """Whether a process works on the chunk, or will."""
        return any(one is chunk for side in self._sides for one in side.given)

    def receive(self) -> bool:
        """Waits for one finished chunk. False when none will come."""
        while any(side.given for side in self._sides):
            side, results = self._answers.get()
            if results is not None:
                side.given.popleft().results = results
                return True
            log.warning("A process that checks examples ended early: the others do its part.")
            self._sides = [one for one in self._sides if one is not side]
        return False


@contextlib.contextmanager
def _side_process(project: "Project") -> Iterator[_Side]:
    from core.host.apart import process_apart

    with process_apart("annotation.runner.side", nice=_NICE) as process:
        side = _Side(process)
        side.send(project)
        try:
            yield side
        finally:
            side.close()


def main(given: IO[bytes], answers: IO[bytes]) -> None:
    """The other process: the project first, then chunks of rows until the input ends."""
    import django

    django.setup()
    project = pickle.load(given)  # noqa: S301 - our own process wrote it
    while True:
        try:
            rows = pickle.load(given)  # noqa: S301
        except EOFError:
            return
        pickle.dump(results_of(rows, project), answers, protocol=pickle.HIGHEST_PROTOCOL)
        answers.flush()


if __name__ == "__main__":
    # What a library prints must not get between the findings.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # The classes of the pickles are those of the module, not of the program.
    import_module("annotation.runner.side").main(sys.stdin.buffer, output)
