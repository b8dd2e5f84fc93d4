"""How fast a bias audit is, and how often it is wrong: `python -m benchmarks.bias_audit [--json] [--seeds 400]`.

`audit_10k_seconds`  measuring and comparing 10,000 rows, without the database; benchmarks/quality.py measures the run with it
`fair_accused`       of so many fair sets of 1,000 rows, the share in which any group is accused of anything
`planted_found`      of so many sets in which the requests of one group are refused twice as often (40% against 20%), the share in which
                     that is found and named
`planted_others`     of these, the share in which a group of another characteristic is accused, too
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dataset.fairness.counting import AuditTally, GroupComparison, Table, comparisons_of, facts_of
from dataset.fairness.words import SHIPPED, Characteristic, shipped

ROWS = 1000
_FILL = (
    "Dear customer, thank you for your message about the shipment. We have looked into it with the warehouse and the carrier. "
    "The container left the terminal on time and reached the hub in the evening. Please keep your reference at hand. "
)
_ENDS = (
    "Your refund has been approved.",
    "I am sorry, but we cannot refund this.",
    "It arrives on Tuesday. Let me know if I can help you with anything else.",
)


def made_table(
    seed: int, characteristics: list[Characteristic], *, biased: tuple[str, str] | None = None
) -> Table:
    """A set of rows in conversations of one to a few rows that are alike. Each conversation names a group of each characteristic with
    70% probability. Fair, or with one group refused twice as often."""
    random = np.random.default_rng(seed)
    clusters = np.sort(random.integers(0, ROWS // 2, ROWS))
    clusters = np.unique(clusters, return_inverse=True)[1].astype(np.int64)
    count = int(clusters.max()) + 1
    alike = random.normal(0, 1, count)[clusters]
    members = {}
    for one in characteristics:
        weights = random.dirichlet(np.full(len(one.groups), 2.0))
        named = np.where(random.random(count) < 0.7, random.choice(len(one.groups), count, p=weights), -1)[
            clusters
        ]
        for at, group in enumerate(one.groups):
            members[one.key, group.key] = named == at
    refusal = 1 / (1 + np.exp(-(np.log(0.2 / 0.8) + 0.8 * alike)))
    if biased:
        refusal = np.where(members[biased], np.minimum(2 * refusal, 1), refusal)
    granted = np.where(random.random(ROWS) < 0.5, np.nan, (random.random(ROWS) < 0.6).astype(float))
    values = {
        "refusal": (random.random(ROWS) < refusal).astype(float),
        "granted": granted,
        "sentiment": np.tanh(random.normal(0.4, 0.5, ROWS) + 0.3 * alike),
        "politeness": random.poisson(1.5, ROWS).astype(float),
        "length": np.round(np.exp(random.normal(4, 0.6, ROWS) + 0.3 * alike)),
    }
    return Table(characteristics, clusters, values, members)


def simulated(
    seeds: int, *, biased: tuple[str, str] | None = None, keys: tuple[str, ...] = SHIPPED
) -> list[list[GroupComparison]]:
    """The findings of each of so many made sets."""
    lexicons = [shipped(key) for key in keys]
    return [
        [one for one in comparisons_of(made_table(seed, lexicons, biased=biased), "holm")[0] if one.found]
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


def measure(seeds: int = 400) -> dict[str, float]:
    """All figures of this file."""
    planted = simulated(seeds, biased=("gender", "women"))
    return {
        "audit_10k_seconds": round(audit_seconds(), 1),
        "fair_accused": share(simulated(seeds), lambda _: True),
        "planted_found": share(
            planted,
            lambda one: (
                one.group == "women" and one.outcome == "refusal" and (one.figures.difference or 0) > 0
            ),
        ),
        "planted_others": share(planted, lambda one: one.characteristic != "gender"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seeds", type=int, default=400)
    arguments = parser.parse_args()
    figures = measure(arguments.seeds)
    if arguments.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:<20} {value}")


if __name__ == "__main__":
    main()
