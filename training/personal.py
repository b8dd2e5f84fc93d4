"""Personal adapters: which corrections train and which are held out, and when an adapter is offered. Pure; no torch, no database."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.wording import counted
from training.statistics.paired import PairedRow, paired_difference

KIND = "personal_adapter"  # of the run
DELETION = "adapter_deletion"  # of the run that deletes

# With fewer, five held-out rows would leave too little to learn from. Three quarters train.
LEAST_ROWS = 20
LEAST_HELD_OUT = 5
HELD_OUT_SHARE = 0.25
LEVEL = 0.95
# The share of the weights' rank that is the person's own: a few dozen rows need no more.
RANK = 4
# About five minutes on two cores with 135M parameters (270 tokens/s); 20 rows take about half a minute.
MOST_TRAIN_ROWS = 200

LEFT_OUT: dict[str, str] = {
    "in_test": "held out by a dataset version, so they do not train",
    "like_held_out": "ask the same as a held-out one, so they do not train",
    "known": "were in the shared version's training data, so they measure nothing",
    "too_many": f"above {MOST_TRAIN_ROWS}, older ones",
    "unusable": "cannot be read whole by the model",
}


def decide(groups: Mapping[str, int], known: Mapping[str, bool], *, seed: str) -> dict[str, bool]:
    """{group: held out} for the groups without a decision. `groups` counts the rows of each, `known` has earlier decisions.

    New groups are taken in a drawn order, and each is held out while that brings the held-out rows closer to their share. When the
    share is not reached because all groups are large, the smallest new one is held out; one group alone trains.
    """
    new = sorted((group for group in groups if group not in known), key=lambda group: _lot(seed, group))
    held = sum(rows for group, rows in groups.items() if known.get(group))
    wanted = max(LEAST_HELD_OUT, math.ceil(HELD_OUT_SHARE * sum(groups.values())))
    decided = dict.fromkeys(new, False)
    for group in new:
        rows = groups[group]
        if held < wanted and abs(held + rows - wanted) < abs(held - wanted):
            decided[group], held = True, held + rows
    if len(groups) > 1 and new and held == 0:
        decided[min(new, key=lambda group: (groups[group], _lot(seed, group)))] = True
    return decided


def _lot(seed: str, group: str) -> bytes:
    return hashlib.sha256(f"personal:{seed}\x00{group}".encode()).digest()


def shortage(*, train: int, held_out: int, held_out_groups: int) -> str:
    """Why these corrections are too few, with how many are missing; empty when they suffice."""
    rows = train + held_out
    if rows < LEAST_ROWS:
        return (
            f"There {'is' if rows == 1 else 'are'} {counted(rows, 'correction')} that can be used, and an adapter needs "
            f"{LEAST_ROWS}: {LEAST_ROWS - rows} more."
        )
    if held_out < LEAST_HELD_OUT:
        return (
            f"Of {rows} corrections {held_out} can be held out to measure with, and {LEAST_HELD_OUT} are needed: correct answers "
            f"in about {math.ceil((LEAST_HELD_OUT - held_out) / HELD_OUT_SHARE)} more conversations."
        )
    if held_out_groups < 2:
        return (
            "All held-out corrections are of one conversation, which shows no spread: correct answers in about "
            f"{math.ceil(1 / HELD_OUT_SHARE)} more conversations."
        )
    if train < LEAST_ROWS - LEAST_HELD_OUT:
        return (
            f"Of {rows} corrections only {train} may train, the others are held out, and {LEAST_ROWS - LEAST_HELD_OUT} are needed: "
            f"{LEAST_ROWS - LEAST_HELD_OUT - train} more."
        )
    return ""


@dataclass(frozen=True)
class OfferVerdict:
    """The adapter against its shared version, in nats per token; `difference` below zero is better. Bounds are None without spread."""

    n: int
    groups: int
    loss: float
    other: float
    difference: float
    low: float | None
    high: float | None
    level: float

    @property
    def better(self) -> bool:
        return self.high is not None and self.high < 0

    @property
    def worse(self) -> bool:
        return self.low is not None and self.low > 0

    @property
    def level_words(self) -> str:
        """ "95%", "98.3%"."""
        return f"{100 * self.level:.3g}%"

    @property
    def sentence(self) -> str:
        if self.better:
            return "It predicts these held-out corrections better than the shared version."
        if self.worse:
            return (
                "It predicts these held-out corrections worse than the shared version, so it is not offered."
            )
        return (
            "Whether it is better than the shared version cannot be told from so few corrections, so it is not offered. "
            "Correct more answers, then train again."
        )

    def as_values(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "OfferVerdict":
        return cls(**values)


def verdict(losses: Sequence[Mapping[str, Any]], *, tries: int) -> OfferVerdict | None:
    """What the losses of held-out rows ([{group, loss, other, tokens}]) say; None without rows.

    Each further adapter of one owner is another chance to look better by luck, so the interval's level grows with `tries`
    (Bonferroni): 95% for the first, 97.5% for the second.
    """
    level = 1 - (1 - LEVEL) / max(1, tries)
    found = paired_difference(
        (PairedRow(row["group"], row["loss"], row["other"], row["tokens"]) for row in losses), level=level
    )
    if found is None:
        return None
    return OfferVerdict(
        found.n, found.groups, found.loss, found.other, found.difference, found.low, found.high, level
    )


def counts(rows: Iterable[Mapping[str, Any]]) -> tuple[int, int, int]:
    """(rows that train, rows held out, conversations held out) of PersonalAdapter.rows."""
    held = Counter(row["group"] for row in rows if row["held_out"])
    train = sum(not row["held_out"] for row in rows)
    return train, sum(held.values()), len(held)
