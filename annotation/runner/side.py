"""Checks chunks of examples in processes beside the worker, one for each core up to two, so that the worker only reads and stores.

They are a program of its own, `python -m annotation.runner.side`, with a lower priority: people's pages come first. It loads what the
checks need, two seconds of work and 250 MB, and then forks: the processes share that. Each gets chunks on its input and writes findings
to its output, as pickles of this program's own classes. It makes no query, and ends when its input ends, so it does not outlive a
killed worker. What a process that failed did not do is checked here, as are few rows.
"""

import contextlib
import gc
import itertools
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
_MOST_PROCESSES = 2
_WAITING = 2  # chunks that one process has, the one it works on included
_NICE = 10  # about a tenth of a core that others want
_ENDING = 2.0  # seconds for processes that have nothing to do to end themselves


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
        team = _Team(stack.enter_context(_side_processes(project, processes)) if processes else [])
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

    def __init__(self, given: IO[bytes], answers: IO[bytes]) -> None:
        """`given` is the process's input, `answers` its output."""
        self.given: deque[_Chunk] = deque()
        self.answers: queue.Queue[tuple[_Side, list[RowResult] | None]] = queue.Queue()
        self._input, self._output = given, answers
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
        with contextlib.suppress(OSError, ValueError):  # it has ended: `_read` sees that, too
            while (what := self._sent.get()) is not None:
                pickle.dump(what, self._input, protocol=pickle.HIGHEST_PROTOCOL)
                self._input.flush()
            self._input.close()

    def _read(self) -> None:
        try:
            while True:
                self.answers.put((self, pickle.load(self._output)))  # noqa: S301 - our own process
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
def _side_processes(project: "Project", count: int) -> Iterator[list[_Side]]:
    """The first is the program; each further one, forked from it, has a pair of pipes that the program gets by their numbers."""
    from core.host.apart import process_apart

    with contextlib.ExitStack() as stack:
        pipes = [(os.pipe(), os.pipe()) for _ in range(count - 1)]
        ends = [os.fdopen(write, "wb") for (_, write), _ in pipes]
        answers = [os.fdopen(read, "rb") for _, (read, _) in pipes]
        for to_write in ends:
            stack.callback(_close, to_write)
        for to_read in answers:
            stack.callback(_close, to_read)
        theirs = [(read, write) for (read, _), (_, write) in pipes]
        process = stack.enter_context(
            process_apart(
                "annotation.runner.side",
                nice=_NICE,
                arguments=[f"{read}:{write}" for read, write in theirs],
                pass_fds=[number for pair in theirs for number in pair],
            )
        )
        for number in itertools.chain(*theirs):
            os.close(number)
        assert process.stdin is not None
        assert process.stdout is not None
        sides = [
            _Side(process.stdin, process.stdout),
            *itertools.starmap(_Side, zip(ends, answers, strict=True)),
        ]
        for side in sides:
            side.send(project)
        try:
            yield sides
        finally:
            for side in sides:
                side.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_ENDING)


def _close(end: IO[bytes]) -> None:
    with contextlib.suppress(OSError):  # what was on its way to a process that was killed
        end.close()


def serve(given: IO[bytes], answers: IO[bytes]) -> None:
    """One process: the project first, then chunks of rows until the input ends."""
    project = pickle.load(given)  # noqa: S301 - our own process wrote it
    while True:
        try:
            rows = pickle.load(given)  # noqa: S301
        except EOFError:
            return
        pickle.dump(results_of(rows, project), answers, protocol=pickle.HIGHEST_PROTOCOL)
        answers.flush()


def main(given: IO[bytes], answers: IO[bytes], pairs: list[tuple[int, int]]) -> None:
    """The program: loads, becomes one process more for each pair of pipes (input, output), and ends after them."""
    import django

    django.setup()
    from annotation.checks.loading import load

    load()  # by threads, which have ended when it returns
    gc.collect()
    gc.freeze()  # so that no process writes into what they share
    forked = []
    for number, (read, write) in enumerate(pairs):
        if pid := os.fork():
            forked.append(pid)
            continue
        # What others read or write must not stay open here: they would not see its end.
        given.close()
        answers.close()
        for other in itertools.chain(*pairs[:number], *pairs[number + 1 :]):
            os.close(other)
        serve(os.fdopen(read, "rb"), os.fdopen(write, "wb"))
        return
    for number in itertools.chain(*pairs):
        os.close(number)
    serve(given, answers)
    for pid in forked:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    # What a library prints must not get between the findings.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    further = [(int(read), int(write)) for read, write in (pair.split(":") for pair in sys.argv[1:])]
    # The classes of the pickles are those of the module, not of the program.
    import_module("annotation.runner.side").main(sys.stdin.buffer, output, further)
