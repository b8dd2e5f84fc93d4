"""Rows of a file, parsed and hashed in a thread of their own, so that PostgreSQL stores one batch while the next is read."""

import queue
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from annotation.text.hashes import arrival_and_content, group_of, prompt_hash
from dataset.runner.chats import ParsedExample
from dataset.runner.reading.records import FileLine
from dataset.runner.shapes import KeyNote
from dataset.runner.values import Issue

BATCH = 2000
_SWITCH_SECONDS = 0.0001
_WAITING = 3  # batches between the two threads: they bound the memory


class PreparedRow(NamedTuple):
    """A good row with its hashes; `group` is the one that it names, or that of its prompt; `copied` is the row for COPY, as far as
    the row alone says it."""

    line: FileLine
    example: ParsedExample
    arrival: str
    content: str
    prompt: str
    group: str
    copied: str = ""


@dataclass
class NoteCount:
    """How many rows have a note, and the first of them."""

    note: KeyNote
    line: int
    rows: int = 0


@dataclass
class PreparedBatch:
    """Rows in the order of the file: good ones, and bad ones with their problems.

    `notes` are those of the good rows by key and what became of it, each once for a row; `shorts` the first 60 bits of their arrival
    hashes. Both are made beside the rows, because the thread that stores has enough to do.
    """

    good: Sequence[PreparedRow] = field(default_factory=list)
    bad: list[tuple[FileLine, list[Issue]]] = field(default_factory=list)
    notes: dict[tuple[str, str], NoteCount] = field(default_factory=dict)
    shorts: list[int] = field(default_factory=list)

    def counted(self) -> "PreparedBatch":
        """This batch with `notes` and `shorts` of its good rows."""
        self.shorts = [short(row.arrival) for row in self.good]
        self.notes = {}
        for row in self.good:
            for key, note in {(note.key, note.what): note for note in row.example.notes}.items():
                count = self.notes.get(key)
                if count is None:
                    count = self.notes[key] = NoteCount(note, row.line.number)
                count.rows += 1
        return self

    @property
    def last(self) -> FileLine:
        lines = [*(row.line for row in self.good[-1:]), *(line for line, _ in self.bad[-1:])]
        return max(lines, key=lambda line: line.end)

    def refuse_sources(self, names: Collection[str], default: str) -> None:
        """Good rows of these sources become bad ones. `default` is the source of rows that name none."""
        if not names:
            return
        refused = [row for row in self.good if (row.example.source or default) in names]
        if refused:
            out = {id(row) for row in refused}
            self.good = [row for row in self.good if id(row) not in out]
            self.bad += [
                (row.line, [Issue("source", f"The source “{row.example.source or default}” is withdrawn.")])
                for row in refused
            ]
            self.bad.sort(key=lambda row: (row[0].end, row[0].number))
            self.counted()

    def __len__(self) -> int:
        return len(self.good) + len(self.bad)


Parse = Callable[[FileLine], ParsedExample | list[Issue]]
Copied = Callable[[PreparedRow], str]


def batches(lines: Iterator[FileLine], parse: Parse, copied: Copied | None) -> Iterator[PreparedBatch]:
    """The rows of a file in batches of BATCH, each with `copied` of it."""
    good: list[PreparedRow] = []
    bad: list[tuple[FileLine, list[Issue]]] = []
    for line in lines:
        parsed = parse(line)
        if isinstance(parsed, ParsedExample):
            row = prepared(line, parsed)
            good.append(PreparedRow(*row[:-1], copied(row)) if copied else row)
        else:
            bad.append((line, parsed))
        if len(good) + len(bad) == BATCH:
            yield PreparedBatch(good, bad).counted()
            good, bad = [], []
    if good or bad:
        yield PreparedBatch(good, bad).counted()


def short(sha256: str) -> int:
    """The first 60 bits of a hash."""
    return int(sha256[:15], 16)


def prepared(line: FileLine, example: ParsedExample) -> PreparedRow:
    messages, context, completion = example.messages, example.context, example.completion
    prompt = prompt_hash(messages=messages, context=context)
    return PreparedRow(
        line,
        example,
        *arrival_and_content(messages=messages, context=context, completion=completion),
        prompt,
        example.group or group_of(prompt),
    )


@contextmanager
def batches_ahead(
    lines: Iterator[FileLine], parse: Parse, copied: Copied | None = None
) -> Iterator[Iterator[PreparedBatch]]:
    """The batches, made up to three ahead by another thread; with `copied` of each row. An error of reading is raised where its batch
    would come."""
    ready: queue.Queue[PreparedBatch | BaseException | None] = queue.Queue(maxsize=_WAITING)
    stopped = threading.Event()

    def put(item: PreparedBatch | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for batch in batches(lines, parse, copied):
                if not put(batch):
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that reads
            put(error)

    thread = threading.Thread(target=work, name="import-reader", daemon=True)
    # The thread that stores waits for PostgreSQL often and briefly; each time it would wait 5 ms more for the one that parses.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    thread.start()
    try:
        yield _received(ready)
    finally:
        sys.setswitchinterval(interval)
        stopped.set()
        thread.join()


def _received(ready: "queue.Queue[PreparedBatch | BaseException | None]") -> Iterator[PreparedBatch]:
    while (item := ready.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item
