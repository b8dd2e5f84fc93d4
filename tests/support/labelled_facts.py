"""Real rows that people labelled: which completions hold an invented fact, and what the facts check says of them."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT.parent / "shared" / "data"
LABELS = ROOT / "tests" / "annotation" / "labels" / "invented_facts.json"
FILES = ("service_pairs", "rated_generations")
Row = dict[str, Any]


def rows_of(data: Path, name: str) -> list[Row]:
    with (data / f"{name}.jsonl").open(encoding="utf-8", newline="\n") as lines:
        return [json.loads(line) for line in lines]


def row_hash(row: Row) -> str:
    """SHA-256 of the row as JSON with sorted keys, no spaces and no escapes."""
    canonical = json.dumps(row, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def content_of(row: Row) -> Row:
    """A row of either file as an example. In a rated answer the calls and their results are records, the rest is
    text."""
    if "generation" not in row:
        return {name: row[name] for name in ("messages", "context", "completion")}
    messages, context = [], []
    for turn in row["context"]:
        if turn.get("text") is not None:
            messages.append(
                {"role": "user" if turn["role"] == "user" else "assistant", "content": turn["text"]}
            )
        else:
            context.append(json.dumps(turn.get("api") or turn.get("response") or {}))
    answer = row["generation"]  # the name in the file
    completion = answer["text"] if "text" in answer else json.dumps(answer["api"])
    return {"messages": messages, "context": context, "completion": completion}


@dataclass
class Verdicts:
    """For labelled rows: the result of the check against the label."""

    right: int = 0
    false: int = 0
    missed: int = 0
    quiet: int = 0

    def add(self, *, flagged: bool, invented: bool) -> None:
        if flagged:
            self.right, self.false = self.right + invented, self.false + (not invented)
        else:
            self.missed, self.quiet = self.missed + invented, self.quiet + (not invented)

    @property
    def rows(self) -> int:
        return self.right + self.false + self.missed + self.quiet

    @property
    def precision(self) -> float:
        return self.right / max(1, self.right + self.false)

    @property
    def recall(self) -> float:
        return self.right / max(1, self.right + self.missed)


def labelled(data: Path) -> Iterator[tuple[Row, Row]]:
    """(label, row) of every label with a row in the data."""
    rows = {row_hash(row): row for name in FILES for row in rows_of(data, name)}
    for label in json.loads(LABELS.read_text()):
        if label["row"] in rows:
            yield label, rows[label["row"]]


def flagged(row: Row) -> bool:
    """Whether the facts check has a finding, at either level."""
    from annotation.checks import facts
    from annotation.checks.base import Pair
    from core.models import Project

    return any(
        finding.level != "ok" for finding in facts.run(Pair.of(content_of(row)), Project(system_prompt=""))
    )


def judged(data: Path) -> dict[str, Verdicts]:
    """Verdicts of "all" labelled rows, and of the "tuning" and "held out" ones apart."""
    verdicts = {"all": Verdicts(), "tuning": Verdicts(), "held out": Verdicts()}
    for label, row in labelled(data):
        says = flagged(row)
        for part in ("all", "held out" if label["held_out"] else "tuning"):
            verdicts[part].add(flagged=says, invented=label["invented"])
    return verdicts
