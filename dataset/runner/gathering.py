"""The first step of a freeze: reads the approved examples and writes each as its canonical row."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from django.db import connection
from django.db.models import F, QuerySet, TextField
from django.db.models.functions import Cast

from annotation.models import Example, Revision
from annotation.text.cleaning import mark_in_pair
from annotation.text.hashes import nfc, prompt_hash
from core.marks import known_marks
from dataset.data_rules import Rules
from dataset.planning import Planner
from dataset.rows import body_hash, canonical_body, text_hash
from dataset.runner.bulk import cell

BATCH = 2000
_messages = msgspec.json.Decoder(list[dict[str, str]]).decode
_context = msgspec.json.Decoder(list[str]).decode


def gather(
    planner: Planner, examples: QuerySet[Example], rules: Rules, bodies: Path, tell: Callable[[int], None]
) -> int:
    """Writes the canonical rows, read by one statement, to the file `bodies`, and gives them to the table freeze_row and to the
    planner; returns their number. `tell` gets the number so far."""
    reader = _Reader(planner, rules)
    done = 0
    with bodies.open("wb") as file:
        for chunk in _chunks(_revisions(examples).iterator(chunk_size=BATCH)):
            with connection.cursor() as cursor, cursor.copy("COPY freeze_row FROM STDIN") as copy:
                copy.write("".join([reader.line(row, file) for row in chunk]))
            done += len(chunk)
            tell(done)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE freeze_row")
    return done


def _revisions(examples: QuerySet[Example]) -> QuerySet[Revision, tuple[Any, ...]]:
    """The newest revision of each example, with what _Reader.line takes. JSON comes as text: it is read faster here."""
    columns = ("completion", "rejected", "slice", "edge", "tags", "group", "license")
    return (
        Revision.objects.filter(example__in=examples, number=F("example__revision"))
        .order_by()
        .values_list(
            "example_id",
            "pk",
            "number",
            "example__content_hash",
            "example__source",
            "example__origin",
            Cast("example__messages", TextField()),
            Cast("example__context", TextField()),
            *(f"example__{name}" for name in columns),
        )
    )


class _Reader:
    """Reads the approved examples one by one: each is written as its canonical row, given to the planner, and returned as a row of
    freeze_row."""

    def __init__(self, planner: Planner, rules: Rules) -> None:
        self._planner, self._rules = planner, rules
        self._marks = known_marks()
        self._at = 0

    def line(self, columns: tuple[Any, ...], file: BinaryIO) -> str:
        example, revision, number, content_sha256, source, origin, messages, context, *texts = columns
        completion, rejected, slice_name, edge, tags, group, license_name = texts
        row = {
            "messages": _messages(messages), "context": _context(context), "completion": completion, "rejected": rejected,
            "slice": slice_name, "edge": edge, "tags": tags, "group": group, "source": source or "", "license": license_name,
        }  # fmt: skip
        body = canonical_body(row)
        prompt = prompt_hash(messages=row["messages"], context=row["context"])
        size = file.write(body)
        cells = (
            str(example), str(revision), str(number), cell(nfc(group)), prompt, body_hash(body), str(self._at), str(size),
            text_hash(content_sha256, rejected), cell(nfc(slice_name)), "t" if rejected else "f",
        )  # fmt: skip
        self._at += size
        self._give(example, prompt, row, origin)
        return "\t".join(cells) + "\n"

    def _give(self, example: int, prompt: str, row: dict[str, Any], origin: str) -> None:
        if rule := self._rules.broken(
            source=row["source"] or None, license=nfc(row["license"]), origin=origin
        ):
            self._planner.refuse(example=example, rule=rule)
        elif mark := mark_in_pair(row, self._marks):
            self._planner.leave_out(example=example, mark=mark)
        else:
            self._planner.add(
                example=example,
                group=nfc(row["group"]),
                slice_name=nfc(row["slice"]),
                prompt=prompt,
                messages=row["messages"],
            )


def _chunks(rows: Iterator[Any]) -> Iterator[list[Any]]:
    chunk = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == BATCH:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
