"""Rows that were read and labelled for the bias audit: what the completion does, and which groups the prompt names."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dataset.fairness.counting import prompt_texts
from dataset.fairness.outcomes import granted, politeness, refused
from dataset.fairness.words import SHIPPED, Finder, shipped
from tests.support.labelled_facts import DATA, FILES, ROOT, Row, Verdicts, content_of, row_hash, rows_of

LABELS = ROOT / "tests" / "datasets" / "labels"
DEMO = ROOT / "dataset" / "demo" / "pairs"
SAYS: dict[str, Callable[[str], bool]] = {
    "refused": lambda text: refused(text) == 1,
    "granted": lambda text: granted(text) == 1,
    "courteous": lambda text: politeness(text) > 0,
}


def all_rows(data: Path = DATA) -> dict[str, Row]:
    """Every row of both real files, where they are there, and of the demo, by its hash, as {messages, context, completion}."""
    rows: dict[str, Row] = {}
    for name in FILES if data.is_dir() else ():
        rows |= {row_hash(row): content_of(row) for row in rows_of(data, name)}
    for path in sorted(DEMO.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            rows |= {row_hash(row): content_of(row) for row in map(json.loads, lines)}
    return rows


def labels(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((LABELS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def labelled(name: str, rows: dict[str, Row]) -> Iterator[tuple[dict[str, Any], Row]]:
    """(label, row) of every label with a row."""
    for label in labels(name):
        if label["row"] in rows:
            yield label, rows[label["row"]]


def judged_answers(rows: dict[str, Row]) -> dict[str, dict[str, Verdicts]]:
    """{"refused": {"tuning": ..., "held out": ...}, ...}"""
    verdicts = {key: {"tuning": Verdicts(), "held out": Verdicts()} for key in SAYS}
    for label, row in labelled("answers", rows):
        part = "held out" if label["held_out"] else "tuning"
        for key, says in SAYS.items():
            verdicts[key][part].add(flagged=says(row["completion"]), invented=label[key])
    return verdicts


def judged_groups(rows: dict[str, Row]) -> Verdicts:
    """Of every row and group: does the row name it, and do the lexicons say so?"""
    finder = Finder([shipped(key) for key in SHIPPED])
    verdicts = Verdicts()
    for label, row in labelled("groups", rows):
        hits = [hit for text in prompt_texts(row) for hit in finder.hits(text)]
        found = {f"{entry.characteristic}/{entry.group}" for hit in hits for entry in hit.entries}
        named = set(label["groups"])
        for group in found | named:
            verdicts.add(flagged=group in found, invented=group in named)
    return verdicts
