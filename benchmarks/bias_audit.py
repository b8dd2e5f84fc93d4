"""How fast a bias audit is, and how often it is wrong: `python -m benchmarks.bias_audit [--json] [--seeds 400]`.

Of so many made sets of 1,000 rows with all lexicons, about 100 comparisons each:

`audit_10k_seconds`      reading, measuring and comparing 10,000 rows, without the database;
                         benchmarks/quality.py measures the run with it
`fair_accused_20%`       of fair sets in which 20% are refused, the share in which any group is accused of anything
`planted_found`          of sets in which the requests of women are refused twice as often (40% against 20%), the share in which that is
                         found and named; how many rows name women differs from set to set
`planted_others`         of these, the share in which a group of another characteristic is accused, too
`found_1000_rows_20%_group_10%`
                         as `planted_found`, where 20% of the others are refused and 10% of 1,000 rows name women
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import django
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()  # the checks that tell the language are of an app; no database is used

from dataset.fairness.counting import AuditTally, GroupComparison, Table, comparisons_of, facts_of
from dataset.fairness.words import SHIPPED, Characteristic, shipped

ROWS = 1000
NAMED = 0.7  # the share of the conversations that name a group of a characteristic
SPREAD = 0.8  # of the log odds of a refusal between conversations
WOMEN = ("gender", "women")
BASES = (0.1, 0.2, 0.3)
PARTS = (0.05, 0.1, 0.2)
_FILL = (
    "Dear customer, thank you for your message about the shipment. We have looked into it with the warehouse and the carrier. "
    "The container left the terminal on time and reached the hub in the evening. Please keep your reference at hand. "
)
_ENDS = (
    "Your refund has been approved.",
    "I am sorry, but we cannot refund this.",
    "It arrives on Tuesday. Let me know if I can help you with anything else.",
)


@cache
def intercept(base: float) -> float:
    """The log odds at which conversations that are alike (normal, SPREAD) refuse `base` of their rows."""
    points, weights = np.polynomial.hermite_e.hermegauss(41)
    low, high = -12.0, 12.0
    for _ in range(60):
        middle = (low + high) / 2
        mean = float((weights / (1 + np.exp(-(middle + SPREAD * points)))).sum() / weights.sum())
        low, high = (middle, high) if mean < base else (low, middle)
    return low


@dataclass(frozen=True)
class MadeSets:
    """Sets of `rows` rows of which `base` are refused: fair, or with the group `biased` refused twice as often. `part`: the share of the
    rows that name it (None: as it falls)."""

    base: float = 0.2
    biased: tuple[str, str] | None = None
    part: float | None = None
    rows: int = ROWS


FAIR = MadeSets()


def _named(random: np.random.Generator, one: Characteristic, count: int, plan: MadeSets) -> NDArray[np.int64]:
    """The group that each conversation names, by its number; the number after the last for none. Some group: NAMED."""
    weights = NAMED * random.dirichlet(np.full(len(one.groups), 2.0))
    if plan.part is not None and plan.biased and plan.biased[0] == one.key:
        at = [group.key for group in one.groups].index(plan.biased[1])
        weights *= (NAMED - plan.part) / (NAMED - weights[at])
        weights[at] = plan.part
    return random.choice(len(one.groups) + 1, count, p=[*weights, 1 - weights.sum()])


def made_table(seed: int, characteristics: list[Characteristic], plan: MadeSets = FAIR) -> Table:
    """A set of rows in conversations of one to a few rows that are alike."""
    random = np.random.default_rng(seed)
    rows = plan.rows
    clusters = np.sort(random.integers(0, rows // 2, rows))
    clusters = np.unique(clusters, return_inverse=True)[1].astype(np.int64)
    count = int(clusters.max()) + 1
    alike = random.normal(0, 1, count)[clusters]
    members = {}
    for one in characteristics:
        named = _named(random, one, count, plan)[clusters]
        for at, group in enumerate(one.groups):
            members[one.key, group.key] = named == at
    refusal = 1 / (1 + np.exp(-(intercept(plan.base) + SPREAD * alike)))
    if plan.biased:
        refusal = np.where(members[plan.biased], np.minimum(2 * refusal, 1), refusal)
    granted = np.where(random.random(rows) < 0.5, np.nan, (random.random(rows) < 0.6).astype(float))
    values = {
        "refusal": (random.random(rows) < refusal).astype(float),
        "granted": granted,
        "sentiment": np.tanh(random.normal(0.4, 0.5, rows) + 0.3 * alike),
        "politeness": random.poisson(1.5, rows).astype(float),
        "length": np.round(np.exp(random.normal(4, 0.6, rows) + 0.3 * alike)),
    }
    return Table(characteristics, clusters, values, members)


def simulated(
    seeds: int, plan: MadeSets = FAIR, *, keys: tuple[str, ...] = SHIPPED
) -> list[list[GroupComparison]]:
    """The findings of each of so many made sets."""
    lexicons = [shipped(key) for key in keys]
    return [
        [one for one in comparisons_of(made_table(seed, lexicons, plan), "holm")[0] if one.found]
        for seed in range(seeds)
    ]


def share(found: list[list[GroupComparison]], holds: Callable[[GroupComparison], bool]) -> float:
    """The share of the sets with such a finding."""
    return sum(any(holds(one) for one in findings) for findings in found) / len(found)


def made_rows(rows: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """So many rows, each as its conversation and {"messages", "context", "completion"}, with about 70 words in prompt and completion
    each; every group of the shipped lexicons is named in some."""
    names = [word for key in SHIPPED for group in shipped(key).groups for word in group.every()]
    for at in range(rows):
        asked = f"{_FILL}My name is {names[at % len(names)]} and her sister asks for a refund. {_FILL}"
        pair = {
            "messages": [{"role": "user", "content": asked}],
            "context": [f"Customer {at} | refund requested"],
            "completion": f"{_FILL * (1 + at % 2)}{_ENDS[at % 3]}",
        }
        yield f"conversation {at // 2}", pair


def audit_seconds(rows: int = 10_000) -> float:
    """The time of a whole audit with all lexicons, without the database."""
    began = time.perf_counter()
    tally = AuditTally([shipped(key) for key in SHIPPED])
    for at, (group, pair) in enumerate(made_rows(rows), start=1):
        tally.add({**pair, "group": group, "example": at})
    facts_of(tally, "holm")
    return time.perf_counter() - began


def named(one: GroupComparison) -> bool:
    """Whether it says that women are refused more often."""
    return (
        (one.characteristic, one.group) == WOMEN
        and one.outcome == "refusal"
        and (one.figures.difference or 0) > 0
    )


def measure(seeds: int = 400) -> dict[str, float]:
    """All figures of this file."""
    planted = simulated(seeds, MadeSets(biased=WOMEN))
    figures = {
        "audit_10k_seconds": round(audit_seconds(), 1),
        "planted_found": share(planted, named),
        "planted_others": share(planted, lambda one: one.characteristic != "gender"),
    }
    for base in (0.02, *BASES):
        figures[f"fair_accused_{base:.0%}"] = share(
            simulated(seeds, replace(FAIR, base=base)), lambda _: True
        )
    sizes = [(ROWS, base, part) for base in BASES for part in PARTS] + [
        (3 * ROWS, base, PARTS[0]) for base in BASES
    ]
    for rows, base, part in sizes:
        plan = MadeSets(base=base, biased=WOMEN, part=part, rows=rows)
        figures[f"found_{rows}_rows_{base:.0%}_group_{part:.0%}"] = share(simulated(seeds, plan), named)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--seeds", type=int, default=400)
    arguments = parser.parse_args()
    figures = measure(arguments.seeds)
    for name, value in figures.items():
        print(f"{name:<32} {value}")
    if arguments.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
