"""Rows with unknown facts, made of the demo's examples: for `benchmarks/unknown_facts.py`."""

import json
import random
import re
from pathlib import Path
from typing import Any

from annotation.checks import Pair
from annotation.checks.facts import Fact, facts_by_support
from core.text import whole_lines_of

ROOT = Path(__file__).resolve().parent.parent
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
Row = dict[str, Any]


def stating_rows() -> list[Row]:
    """The demo's approved examples that state a fact and state none without support."""
    folder = ROOT / "dataset" / "demo" / "pairs"
    pairs = [
        json.loads(line)
        for path in sorted(folder.glob("*.jsonl"))
        for line in whole_lines_of(path.read_text())
    ]
    rows = []
    for pair in pairs:
        if pair["stage"] == "approved" and pair["context"]:
            row = {name: pair[name] for name in ("messages", "context", "completion", "group")}
            supported, lacking = facts_by_support(Pair.of(row), system_prompt())
            if supported and not lacking:
                rows.append(row)
    return rows


def system_prompt() -> str:
    return (ROOT / "dataset" / "demo" / "system_prompt.txt").read_text()


def held_out(rows: list[Row], count: int, seed: int) -> tuple[list[Row], list[Row]]:
    """(to train on, held out): whole conversations, at least `count` rows held out."""
    groups = sorted({row["group"] for row in rows})
    random.Random(f"{seed}/groups").shuffle(groups)
    kept: set[str] = set()
    for group in groups:
        if sum(row["group"] in kept for row in rows) >= count:
            break
        kept.add(group)
    return [row for row in rows if row["group"] not in kept], [row for row in rows if row["group"] in kept]


def with_unknown_facts(row: Row, seed: str) -> Row | None:
    """The row with every fact that can be replaced replaced by an invented one; None when none can."""
    rng = random.Random(seed)
    supported, _ = facts_by_support(Pair.of(row), system_prompt())
    for _ in range(30):
        text = row["completion"]
        for fact in reversed(supported):
            text = text[: fact.start] + another(fact, rng) + text[fact.end :]
        changed = {**row, "completion": text}
        if facts_by_support(Pair.of(changed), system_prompt())[1]:
            return changed
    return None


def another(fact: Fact, rng: random.Random) -> str:
    """An invented fact of the same form; the same text where the form has no figure."""
    if fact.kind == "date" and (month := re.search(rf"\b({'|'.join(MONTHS)})", fact.text)):
        text = fact.text.replace(month.group(), rng.choice(MONTHS))
        return re.sub(r"\b[0-3]?\d\b", str(rng.randint(1, 28)), text, count=1)
    if fact.kind == "time":
        return re.sub(r"\d{1,2}", lambda _: f"{rng.randint(1, 12)}", fact.text, count=1)
    return re.sub(
        r"\d", lambda digit: rng.choice("123456789" if digit.group() != "0" else "0123456789"), fact.text
    )
