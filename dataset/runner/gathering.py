"""The first step of a freeze: reads the approved examples and writes each as its canonical row."""

from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
from django.db import connection
from django.db.models import F, QuerySet, TextField
from django.db.models.functions import Cast
from numpy.typing import NDArray

from annotation.models import Example, Revision
from annotation.text.cleaning import mark_in_pair
from annotation.text.hashes import nfc, prompt_hash
from core.marks import known_marks
from dataset.data_rules import Rules
from dataset.planning import Planner
from dataset.rows import body_hash, canonical_body, text_hash

BATCH = 2000
_HASH = 32  # bytes
_messages = msgspec.json.Decoder(list[dict[str, str]]).decode
_context = msgspec.json.Decoder(list[str]).decode


class GatheredRows:
    """What the table and the artifact of a version need of its rows, in the order of reading, which is that of the Planner. About 150
    bytes for each row; the rows themselves are in a file, each at its place."""

    def __init__(self) -> None:
        self.examples, self.revisions, self.numbers = array("q"), array("q"), array("i")
        self.at, self.sizes = array("q"), array("i")
        self.have_rejected = bytearray()
        self.left_out: dict[int, int] = {}  # {example: revision} of those that the planner leaves out
        self._row_hashes, self._prompt_hashes, self._text_hashes = bytearray(), bytearray(), bytearray()

    def __len__(self) -> int:
        return len(self.examples)

    def add(
        self, *, example: int, revision: int, number: int, at: int, size: int, hashes: tuple[bytes, bytes, bytes], has_rejected: bool
    ) -> None:  # fmt: skip
        """`hashes` are those of the row, of its prompt and of its text."""
        self.examples.append(example)
        self.revisions.append(revision)
        self.numbers.append(number)
        self.at.append(at)
        self.sizes.append(size)
        self.have_rejected.append(has_rejected)
        for column, value in zip(
            (self._row_hashes, self._prompt_hashes, self._text_hashes), hashes, strict=True
        ):
            column += value

    def row_hash(self, row: int) -> str:
        return self._row_hashes[row * _HASH : (row + 1) * _HASH].hex()

    def prompt_hash(self, row: int) -> str:
        return self._prompt_hashes[row * _HASH : (row + 1) * _HASH].hex()

    def text_hash(self, row: int) -> str:
        return self._text_hashes[row * _HASH : (row + 1) * _HASH].hex()

    def in_order(self, without: set[int]) -> list[int]:
        """The rows by their hash, and then by example; without those of these examples."""
        words = np.frombuffer(bytes(self._row_hashes), dtype=">u8").reshape(len(self), 4)
        examples: NDArray[np.int64] = np.frombuffer(self.examples, dtype=np.int64)
        order = np.lexsort((examples, words[:, 3], words[:, 2], words[:, 1], words[:, 0]))
        kept = ~np.isin(examples[order], np.fromiter(without, dtype=np.int64, count=len(without)))
        rows: list[int] = order[kept].tolist()
        return rows

    def revisions_of(self, examples: set[int]) -> dict[int, int]:
        """{example: revision}, also of those that the planner leaves out."""
        known = {
            example: revision
            for example, revision in zip(self.examples, self.revisions, strict=True)
            if example in examples
        }
        return known | self.left_out


def gather(
    planner: Planner, examples: QuerySet[Example], rules: Rules, bodies: Path, tell: Callable[[int], None]
) -> GatheredRows:
    """Writes the canonical rows, read by one statement, to the file `bodies`, and gives them to the planner. `tell` gets the number of
    examples so far."""
    reader = _Reader(planner, rules)
    done = 0
    with bodies.open("wb") as file:
        for chunk in _fetched_ahead(_revisions(examples)):
            for row in chunk:
                reader.read(row, file)
            done += len(chunk)
            tell(done)
    return reader.rows


def _revisions(examples: QuerySet[Example]) -> QuerySet[Revision, tuple[Any, ...]]:
    """The newest revision of each example, with what _Reader.read takes. JSON comes as text: it is read faster here."""
    columns = ("completion", "rejected", "slice", "edge", "tags", "group", "license")
    return (
        Revision.objects.filter(example__in=examples, number=F("example__revision"))
        .order_by()
        .values_list(
            "example_id",
            "pk",
            "number",
            "example__content_hash",
            "example__prompt_hash",
            "example__source",
            "example__origin",
            Cast("example__messages", TextField()),
            Cast("example__context", TextField()),
            *(f"example__{name}" for name in columns),
        )
    )


def _fetched_ahead(rows: QuerySet[Revision, tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """The rows in portions; another thread waits for the next one while this one is read. The connection must not be used
    meanwhile."""
    statement, values = rows.query.sql_with_params()
    with connection.chunked_cursor() as cursor, ThreadPoolExecutor(1, "freeze-reader") as side:
        cursor.execute(statement, values)
        ahead = side.submit(cursor.fetchmany, BATCH)
        while chunk := ahead.result():
            ahead = side.submit(cursor.fetchmany, BATCH)
            yield chunk


class _Reader:
    """Reads the approved examples one by one: each is written as its canonical row and given to the planner."""

    def __init__(self, planner: Planner, rules: Rules) -> None:
        self._planner, self._rules = planner, rules
        self._marks = known_marks()
        self._at = 0
        self.rows = GatheredRows()

    def read(self, columns: tuple[Any, ...], file: BinaryIO) -> None:
        example, revision, number, content_sha256, prompt, source, origin, messages, context, *texts = columns
        completion, rejected, slice_name, edge, tags, group, license_name = texts
        row = {
            "messages": _messages(messages), "context": _context(context), "completion": completion, "rejected": rejected,
            "slice": slice_name, "edge": edge, "tags": tags, "group": group, "source": source or "", "license": license_name,
        }  # fmt: skip
        if self._leave_out(example, row, origin):
            self.rows.left_out[example] = revision
            return
        body = canonical_body(row)
        # Examples that are older than this column do not have it.
        prompt = prompt or prompt_hash(messages=row["messages"], context=row["context"])
        size = file.write(body)
        self.rows.add(
            example=example,
            revision=revision,
            number=number,
            at=self._at,
            size=size,
            hashes=(
                bytes.fromhex(body_hash(body)),
                bytes.fromhex(prompt),
                bytes.fromhex(text_hash(content_sha256, rejected)),
            ),
            has_rejected=bool(rejected),
        )
        self._at += size
        self._planner.add(
            example=example,
            group=nfc(group),
            slice_name=nfc(slice_name),
            prompt=prompt,
            messages=row["messages"],
        )

    def _leave_out(self, example: int, row: dict[str, Any], origin: str) -> bool:
        rule = self._rules.broken(source=row["source"] or None, license=nfc(row["license"]), origin=origin)
        if rule:
            self._planner.refuse(example=example, rule=rule)
            return True
        if mark := mark_in_pair(row, self._marks):
            self._planner.leave_out(example=example, mark=mark)
            return True
        return False
