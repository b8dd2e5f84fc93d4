"""Chooses the test rows that two versions are measured on: pure functions of the dataset versions."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Most rows per measurement: two versions of a 135M model on two cores take about two minutes for them, and a mean
# difference that varies by 0.3 from row to row is then known to within 0.04.
MOST_ROWS = 200
# Each slice gets up to this many before the rest is distributed, so that small slices get a result too.
LEAST_PER_SLICE = 10


@dataclass(frozen=True)
class HeldOutRow:
    """One row of a test split: its place and its identifiers."""

    dataset: int
    position: int
    example: int
    row_hash: str
    prompt_hash: str
    slice: str
    group: str


@dataclass(frozen=True)
class ChosenRow:
    """A row to measure. `weight` is the number of test rows of its slice that it represents."""

    row: HeldOutRow
    weight: float

    def stored(self) -> dict[str, Any]:
        return {
            "hash": self.row.row_hash,
            "slice": self.row.slice,
            "group": self.row.group,
            "weight": round(self.weight, 4),
        }


def newest_of_each(rows: Iterable[HeldOutRow]) -> list[HeldOutRow]:
    """One row per example: the row of the newest dataset. `rows` come with the newest dataset first."""
    by_example: dict[int, HeldOutRow] = {}
    hashes: set[str] = set()
    for row in rows:
        if row.example not in by_example and row.row_hash not in hashes:
            by_example[row.example] = row
            hashes.add(row.row_hash)
    return list(by_example.values())


def choose(rows: Sequence[HeldOutRow], most: int = MOST_ROWS) -> list[ChosenRow]:
    """At most `most` rows, from every slice, the same ones each time in any order.

    Every slice gets up to LEAST_PER_SLICE rows, or an equal share of `most` where there are too many slices for that; the
    rest is distributed in proportion to the remaining rows of the slices. Inside a slice the rows with the lowest
    hashes are taken, which is as good as a random draw, and nobody can influence it. Weights restore the shares of the
    slices.
    """
    by_slice: dict[str, list[HeldOutRow]] = defaultdict(list)
    for row in rows:
        by_slice[row.slice].append(row)
    counts = shares({name: len(own) for name, own in by_slice.items()}, most)
    chosen = []
    for name in sorted(by_slice):
        own = sorted(by_slice[name], key=lambda row: _lot(row.row_hash))
        taken = own[: counts[name]]
        chosen += [ChosenRow(row, len(own) / len(taken)) for row in taken]
    return chosen


def shares(sizes: Mapping[str, int], most: int) -> dict[str, int]:
    """The number of rows from each slice: {slice: rows}. All of them when there are at most `most`."""
    if sum(sizes.values()) <= most:
        return dict(sizes)
    least = min(LEAST_PER_SLICE, most // max(1, len(sizes)))
    counts = {name: min(size, least) for name, size in sizes.items()}
    left = {name: size - counts[name] for name, size in sizes.items()}
    free, rest = most - sum(counts.values()), sum(left.values())
    exact = {name: free * size / rest for name, size in left.items()}
    counts = {name: count + math.floor(exact[name]) for name, count in counts.items()}
    # Largest remainders first; ties are ordered by name, so that the choice is the same each time.
    order = sorted(exact, key=lambda name: (math.floor(exact[name]) - exact[name], name))
    for name in order[: most - sum(counts.values())]:
        counts[name] += 1
    return counts


def _lot(row_hash: str) -> bytes:
    return hashlib.sha256(f"held-out:{row_hash}".encode()).digest()
