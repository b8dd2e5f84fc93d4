"""What all shapes of exported files share. Pure functions over rows: no table, no request."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Protocol, TypedDict

from annotation.text.rendering import chat_messages
from dataset.writers.card import Card

Message = dict[str, str]


class Row(TypedDict):
    """An example as it is exported. `split` is "" outside dataset versions; `rejected` is a worse answer, "" when there is none."""

    id: str
    messages: list[Message]
    context: list[str]
    completion: str
    rejected: str
    slice: str
    edge: str
    tags: list[str]
    group: str
    source: str
    license: str
    status: str
    revision: int
    split: str


FIELDS = tuple(Row.__annotations__)


class LeftOut(StrEnum):
    """Why a shape cannot carry a row. The value continues the words "3 examples ..."."""

    UNANSWERED = "without a completion"
    NOT_WORSE = "without a worse answer beside the completion"
    NO_ANSWER = "without any answer"
    TURNS = "in which questions and answers do not alternate"
    LONG_CELL = "with a text that is too long for a cell of Excel (32,767 characters)"


@dataclass(frozen=True)
class Options:
    """`own_keys`: write the fields that a shape has no key for under Guildhall's own names, so that an import gives the same
    example. Without them the file has only the keys of its shape; records and `system_prompt` are then part of the system
    message, as models see them in Guildhall."""

    own_keys: bool = True
    system_prompt: str = ""


@dataclass(frozen=True)
class Content:
    """What is exported. `rows(split)` reads the rows of one split of `card.splits`, or with "" all, from the start at each call.
    `card` is made when it is first needed: most shapes have none."""

    rows: Callable[[str], Iterator[Row]]
    make_card: Callable[[], Card]

    @cached_property
    def card(self) -> Card:
        return self.make_card()


class Writer(Protocol):
    """A shape. `keys` names for each field of a row the key or column that holds it; a field without one is lost, unless
    `keeps_others` (see Options). `left_out` lists the reasons for which a row can be left out. `two_rows`: a
    completion with a worse answer beside it becomes two rows of the file."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def says(self) -> str: ...
    @property
    def ending(self) -> str: ...
    @property
    def content_type(self) -> str: ...
    @property
    def keys(self) -> Mapping[str, str]: ...
    @property
    def keeps_others(self) -> bool: ...
    @property
    def left_out(self) -> tuple[LeftOut, ...]: ...
    @property
    def two_rows(self) -> bool: ...

    def reason(self, row: Row) -> LeftOut | None:
        """Why the row is left out; None when it is written."""

    def pieces(self, content: Content, options: Options) -> Iterator[str] | Iterator[bytes]:
        """The file, piece by piece; memory does not grow with its length."""

    def sample(self, rows: list[Row], options: Options) -> str:
        """The first rows as text, for people."""


def lost_fields(writer: Writer, options: Options) -> list[str]:
    """The fields of a row that the file does not have. Without own keys, records are in the system message and not lost."""
    if writer.keeps_others and options.own_keys:
        return []
    return [
        name for name in FIELDS if name not in writer.keys and (name != "context" or not writer.keeps_others)
    ]


def as_models_see(row: Row, system_prompt: str) -> Row:
    """The row with its records and the system prompt in the system message (annotation.text.rendering)."""
    seen = row.copy()
    seen["messages"] = chat_messages(
        messages=row["messages"], context=row["context"], system_prompt=system_prompt
    )
    seen["context"] = []
    return seen


def letters(row: Row) -> int:
    """The characters of its texts."""
    return (
        sum(len(message["content"]) for message in row["messages"])
        + sum(map(len, row["context"]))
        + len(row["completion"])
        + len(row["rejected"])
    )


def answer(text: str) -> Message:
    return {"role": "assistant", "content": text}


def answered(row: Row) -> LeftOut | None:
    return None if row["completion"] else LeftOut.UNANSWERED


def always(row: Row) -> LeftOut | None:
    return None


Records = Callable[[Row], Iterable[dict[str, Any]]]


@dataclass(frozen=True)
class JsonLines:
    """A shape with one JSON object per line. `records` gives the objects of a row, with the keys of the shape only."""

    name: str
    label: str
    says: str
    keys: Mapping[str, str]
    records: Records
    reason: Callable[[Row], LeftOut | None] = answered
    left_out: tuple[LeftOut, ...] = (LeftOut.UNANSWERED,)
    two_rows: bool = False
    keeps_others: bool = True
    ending: str = "jsonl"
    content_type: str = "application/jsonl; charset=utf-8"

    def objects(self, row: Row, options: Options) -> Iterator[dict[str, Any]]:
        """The objects that the row becomes; none when it is left out."""
        if self.reason(row):
            return
        if not self.keeps_others:
            yield from self.records(row)
        elif options.own_keys:
            others = others_of(row, self.keys)
            for record in self.records(row):
                yield record | others
        else:
            yield from self.records(as_models_see(row, options.system_prompt))

    def pieces(self, content: Content, options: Options) -> Iterator[str]:
        for row in content.rows(""):
            for record in self.objects(row, options):
                yield line(record)

    def sample(self, rows: list[Row], options: Options) -> str:
        return "\n".join(
            json.dumps(record, ensure_ascii=False, indent=2)
            for row in rows
            for record in self.objects(row, options)
        )


def others_of(row: Row, named: Mapping[str, str]) -> dict[str, Any]:
    """The fields without a key in the shape, under their own names. All lines have the same, also when they are empty, so that
    readers see one table; only `split` is absent outside dataset versions."""
    return {name: value for name, value in row.items() if name not in named and (name != "split" or value)}


_encode = json.JSONEncoder(ensure_ascii=False).encode


def line(record: Mapping[str, Any]) -> str:
    return f"{_encode(record)}\n"
