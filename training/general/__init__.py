"""The general set: what a base model can do that training on a project's data may take away.

Five tasks, each a JSON Lines file in `items/`, written for this project. The items of four have a check of the answer; prose is only
predicted. They are easy on purpose: a model of 135 million parameters is to get many right, since a task that it cannot do shows no
forgetting.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from core.text import whole_lines_of
from training.general.checks import Check, check_from

ITEMS = Path(__file__).with_name("items")
REPLAY = Path(__file__).with_name("replay.jsonl")


@dataclass(frozen=True)
class Task:
    """`most_tokens` is the longest answer that is generated; 0 for a task of which only the loss is measured."""

    name: str
    label: str
    says: str
    most_tokens: int


TASKS = {
    task.name: task
    for task in (
        Task("arithmetic", "Arithmetic", "Small sums; the last number of the first line counts.", 32),
        Task("format", "Following a format", "JSON, numbered lists, exact words.", 40),
        Task("facts", "World facts", "Short questions that have one answer.", 24),
        Task("refusals", "Refusing what is harmful", "Harmful requests, with the rule to refuse.", 28),
        Task("prose", "General English", "How well it predicts plain sentences.", 0),
    )
}


@dataclass(frozen=True)
class Item:
    """`prompt` is what the user says, `reference` a right answer. Prose has no prompt and no check: its text is the reference."""

    task: str
    id: str
    prompt: str
    reference: str
    check: Check | None = field(default=None, compare=False)


@dataclass(frozen=True)
class GeneralSet:
    """`version` is the SHA-256 of the files: results of different versions are never compared."""

    items: tuple[Item, ...]
    version: str

    def of(self, task: str) -> list[Item]:
        return [item for item in self.items if item.task == task]


@cache
def general_set() -> GeneralSet:
    return load(ITEMS)


def load(folder: Path) -> GeneralSet:
    """Reads and validates `<task>.jsonl` of every task. ValueError, naming file and line, for an item that is not one."""
    digest = hashlib.sha256()
    items: list[Item] = []
    for task in TASKS.values():
        content = (folder / f"{task.name}.jsonl").read_bytes()
        digest.update(task.name.encode() + b"\0" + content + b"\0")
        for number, line in enumerate(content.decode().strip("\n").split("\n"), start=1):
            try:
                items.append(_item(task, json.loads(line)))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"{task.name}.jsonl, line {number}: {error}") from error
    seen: set[str] = set()
    for item in items:
        for text in (item.id, item.prompt or item.reference):
            if text in seen:
                raise ValueError(f"{item.task}.jsonl: {text!r} is there twice.")
            seen.add(text)
    return GeneralSet(tuple(items), digest.hexdigest())


def _item(task: Task, values: Mapping[str, Any]) -> Item:
    wanted = {"id", "prompt", "reference", "check"} if task.most_tokens else {"id", "text"}
    if set(values) != wanted:
        raise ValueError(f"An item has {sorted(wanted)}.")
    texts = [values[name] for name in wanted - {"check"}]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError("Its texts must not be empty.")
    if not task.most_tokens:
        return Item(task.name, values["id"], "", values["text"])
    check = check_from(values["check"])
    if not check(values["reference"]):
        raise ValueError(f"The reference {values['reference']!r} fails its own check.")
    return Item(task.name, values["id"], values["prompt"], values["reference"], check)


@dataclass(frozen=True)
class ReplayItem:
    """A question to train on beside a project's rows, with an answer of ours. None of them is among the items that are measured, nor is
    plain prose, so that what is measured there is not what was practised."""

    id: str
    prompt: str
    reference: str


@cache
def replay_items() -> tuple[ReplayItem, ...]:
    return tuple(ReplayItem(**json.loads(line)) for line in whole_lines_of(REPLAY.read_text()))
