"""The input and the output of a check."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from core.models import Project

Level = Literal["ok", "warn", "bad"]


@dataclass(frozen=True)
class Span:
    """Characters [start, end) of one text: `field` is "completion", "context" or "messages", `index` which of them."""

    field: str
    index: int
    start: int
    end: int
    tone: Level = "ok"


@dataclass(frozen=True)
class Fix:
    """A replacement: characters [start, end) of one text, named as in Span, become `text`."""

    field: str
    index: int
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Finding:
    """One finding of a check. `example` is the other example that it names, if any.

    `kind` is a short stable name inside the check ("email"): findings are grouped and dismissed by check and kind. `fixes` settle the
    finding together, in one step; they do not overlap, and are empty where a person must write.
    """

    level: Level
    says: str
    spans: tuple[Span, ...] = ()
    check: str = ""
    example: int | None = None
    kind: str = ""
    fixes: tuple[Fix, ...] = ()


@dataclass(frozen=True)
class Pair:
    """What is checked: {"messages", "context", "completion"} of a text being written, and which example it is."""

    messages: tuple[str, ...]
    context: tuple[str, ...]
    completion: str
    example: int | None = None
    roles: tuple[str, ...] = ()  # of the messages

    @classmethod
    def of(cls, content: Mapping[str, Any], example: int | None = None) -> "Pair":
        return cls(
            messages=tuple(str(m.get("content") or "") for m in content.get("messages") or []),
            context=tuple(str(record) for record in content.get("context") or []),
            completion=str(content.get("completion") or ""),
            example=example,
            roles=tuple(str(m.get("role") or "") for m in content.get("messages") or []),
        )

    @cached_property
    def is_call(self) -> bool:
        """Whether the completion is a structured call."""
        return is_call(self.completion)

    @property
    def question(self) -> str:
        return self.messages[-1] if self.messages else ""


def is_call(completion: str) -> bool:
    """Whether it is a structured call: one JSON object or array, with nothing around it."""
    text = completion.strip()
    if text[:1] + text[-1:] not in ("{}", "[]"):
        return False
    try:
        return isinstance(json.loads(text), (dict, list))
    except (ValueError, RecursionError):
        return False


class OutOfTime(Exception):
    """A check used up its time."""


class TimeBudget:
    """How much processor time a check may take. Time of its own thread, so that a busy machine does not change the result."""

    _EVERY = 64  # steps between two reads of the clock

    def __init__(self, seconds: float | None) -> None:
        self._until = None if seconds is None else time.thread_time() + seconds
        self._left = self._EVERY

    def spend(self, steps: int = 1) -> None:
        """Some steps of work, each about as long as reading a word. Raises OutOfTime when the time is used up."""
        self._left -= steps
        if self._left > 0:
            return
        self._left = self._EVERY
        if self._until is not None and time.thread_time() > self._until:
            raise OutOfTime


UNLIMITED = TimeBudget(None)


@dataclass(frozen=True)
class Check:
    """`run` gives findings, the worst first, and calls `budget.spend()` while it runs. Only a check without database queries
    can give "bad" findings: these checks run again at a submit, inside the transaction."""

    name: str
    about: str
    run: Callable[[Pair, Project, TimeBudget], list[Finding]]
    asks_database: bool = False
