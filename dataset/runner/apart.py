"""Reads a large file in a process of its own, so that an import uses two cores: one parses and hashes, the other stores.

Two threads would not do: Python runs one of them at a time, and the one that stores waits for PostgreSQL in thousands of short
pieces, each of which would then wait for the other one as well.

The process gets a Job on its input and writes batches to its output, as pickles of this program's own classes. It makes no query. It
ends when nobody reads its output, so it does not outlive a killed worker.
"""

import contextlib
import gc
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from core.host.apart import process_apart

if TYPE_CHECKING:  # importing them needs Django, which the process sets up first
    from core.marks import Marks
    from dataset.mapping import FieldMapping
    from dataset.runner.chats import ParsedExample
    from dataset.runner.preparing import PreparedBatch
    from dataset.runner.reading.opening import ReadLimits
    from dataset.runner.reading.records import FileLine
    from dataset.runner.storing import RowText
    from dataset.runner.values import Issue

# From this size the process is worth its start (a second).
LARGE = 8_000_000
_AHEAD = 2  # batches that wait to be written: they bound the memory
_PIPE_BYTES = 1 << 20
_OBJECTS_BETWEEN = 200_000


@dataclass(frozen=True)
class Job:
    """A file, and how its rows are read. `edges` are the spellings of the project's kinds of edge cases."""

    path: Path
    name: str
    limits: "ReadLimits"
    needs_completion: bool
    marks: "Marks"
    mapping: "FieldMapping"
    edges: Mapping[str, str]
    text: "RowText"

    @property
    def parse(self) -> "Callable[[FileLine], ParsedExample | list[Issue]]":
        from dataset.runner.parsing import parse_line

        return lambda line: parse_line(
            line,
            needs_completion=self.needs_completion,
            marks=self.marks,
            mapping=self.mapping,
            edges=self.edges,
        )


@contextlib.contextmanager
def batches_apart(job: Job, scratch: Path) -> "Iterator[Iterator[PreparedBatch]]":
    """The batches of the file, without the texts that are in `copied` already. Raises NotReadable where the file is damaged, and
    RuntimeError when the process ends early; its error is in the worker's log."""
    with process_apart("dataset.runner.apart", pipe_bytes=_PIPE_BYTES) as process:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # said below, with the code that it ended with
            pickle.dump((job, scratch), process.stdin, protocol=pickle.HIGHEST_PROTOCOL)
            process.stdin.flush()
        yield _received(process)


def _received(process: "subprocess.Popen[bytes]") -> "Iterator[PreparedBatch]":
    from dataset.runner.reading import NotReadable
    from dataset.runner.received import unpacked

    assert process.stdout is not None
    while True:
        try:
            what, value = pickle.load(process.stdout)  # noqa: S301 - our own process wrote it
        except EOFError:
            raise RuntimeError(f"The process that reads the file has ended ({process.wait()}).") from None
        if what == "end":
            return
        if what == "not readable":
            raise NotReadable(*value)
        yield unpacked(value)


def _work(job: Job, scratch: Path, answers: IO[bytes]) -> None:
    """The other process: batches, and then how it ended. They are written by a thread, so that the next one is read meanwhile."""
    from dataset.runner.preparing import batches
    from dataset.runner.reading import NotReadable, open_file
    from dataset.runner.received import packed

    waiting: queue.Queue[bytes | None] = queue.Queue(maxsize=_AHEAD)

    def write() -> None:
        while (frame := waiting.get()) is not None:
            answers.write(frame)
            answers.flush()

    def answer(what: str, value: object) -> None:
        waiting.put(pickle.dumps((what, value), protocol=pickle.HIGHEST_PROTOCOL))
        if not writer.is_alive():  # nobody reads any more
            os._exit(1)

    writer = threading.Thread(target=write, name="answers", daemon=True)
    writer.start()
    try:
        file = open_file(job.path, name=job.name, limits=job.limits, scratch=scratch)
        for batch in batches(file.rows, job.parse, job.text.copied):
            answer("batch", packed(batch))
        answer("end", None)
    except NotReadable as error:
        answer("not readable", (error.code, error.what, error.advice))
    waiting.put(None)
    writer.join()


def main() -> None:
    import django

    django.setup()
    # Rows make hundreds of thousands of objects and hardly a circle of them: Python looks for circles less often.
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN)
    job, scratch = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own process wrote it
    _work(job, scratch, sys.stdout.buffer)


if __name__ == "__main__":
    main()
