"""Decides the split of a group: by its share in every slice, permanently. Pure functions of their arguments.

A group (a conversation, a document, a cluster of near-duplicate prompts) is in one split only, and a group with a split from
an earlier version keeps it. docs/decisions/splits.md has the reasons.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)
HELD_OUT = (TEST, VALIDATION)
DEFAULT_SHARES = {VALIDATION: 0.10, TEST: 0.10}
# With fewer groups than this, validation and test would leave training empty.
LEAST_GROUPS = 3
# A slice with this many rows gets at least LEAST_TEST test rows, so that models can be compared in it.
TESTED_FROM = 10
LEAST_TEST = 2


class Group(NamedTuple):
    """Rows that go to one split together. `slices` counts its rows by slice and adds up to `rows`; empty, all are in one
    slice without a name. `parts` is the number of conversations or documents that it joins."""

    name: str
    rows: int
    split: str | None = None  # decided before, and permanent
    slices: Mapping[str, int] = MappingProxyType({})
    parts: int = 1

    @property
    def by_slice(self) -> Mapping[str, int]:
        return self.slices or {"": self.rows}

    @property
    def main_slice(self) -> str:
        """The slice with most of its rows."""
        slices = self.slices
        if len(slices) > 1:
            return min(slices, key=lambda name: (-slices[name], name))
        return next(iter(slices), "")


def draw(seed: str, group: str) -> bytes:
    """The group's place in the draw: pseudo-random, always the same."""
    return hashlib.sha256(f"{seed}\x00{group}".encode()).digest()


def assign_splits(groups: Iterable[Group], *, validation: float, test: float, seed: str) -> dict[str, str]:
    """Splits for the groups without one: {group: split}. Groups with a split keep it.

    Slice by slice, new groups are drawn in a seeded order; each goes to test or validation, to the one that lacks more rows,
    while that brings it closer to its share of the slice, and otherwise to train. When a share gives a slice of TESTED_FROM
    rows less than LEAST_TEST test rows, its share is raised to that. The rounding rest goes to the next slice, so that many
    small slices still add up to the shares. With LEAST_GROUPS groups a split with a share above zero gets at least one new
    group, if there is one: the smallest, so that training loses little.
    """
    drawn = sorted(groups, key=lambda group: (draw(seed, group.name), group.name))
    new = [group for group in drawn if not group.split]
    if len(drawn) < LEAST_GROUPS:
        return {group.name: TRAIN for group in new}
    shares = {TEST: test, VALIDATION: validation}
    rows = slice_rows(drawn)
    decided = _walk(drawn, rows, shares)
    held = {group.name: group.split or decided[group.name] for group in drawn}
    if test > 0:
        _fill_slices(drawn, rows, held)
    for split in HELD_OUT:
        if shares[split] > 0:
            _fill_split(drawn, held, split)
    _keep_training(drawn, held)
    return {group.name: held[group.name] for group in new}


def _walk(drawn: list[Group], rows: Mapping[str, int], shares: Mapping[str, float]) -> dict[str, str]:
    """The new groups' splits by share, slice by slice. `rows` are those of each slice."""
    strata: dict[str, list[Group]] = defaultdict(list)
    for group in drawn:
        strata[group.main_slice].append(group)
    decided: dict[str, str] = {}
    carried = dict.fromkeys(HELD_OUT, 0.0)
    for name in sorted(strata):
        members = sorted(strata[name], key=lambda group: group.split is None)  # stable: decided ones first
        rates = dict(shares)
        if shares[TEST] > 0 and rows[name] >= TESTED_FROM:
            rates[TEST] = max(shares[TEST], LEAST_TEST / rows[name])
        due = dict(carried)
        for group in members:
            due[TEST] += rates[TEST] * group.rows
            due[VALIDATION] += rates[VALIDATION] * group.rows
            split = group.split or _closest(due, group.rows, rates)
            if group.split is None:
                decided[group.name] = split
            if split in due:
                due[split] -= group.rows
        # Only the rounding rest: a difference from decided groups must not change the next slice.
        small = min((group.rows for group in members if not group.split), default=0)
        if small:
            carried = {split: min(max(due[split], -small), small) for split in HELD_OUT}
    return decided


def _closest(due: Mapping[str, float], rows: int, rates: Mapping[str, float]) -> str:
    # Half of the group above the target is as far off as half of it below the target.
    short = [split for split in HELD_OUT if rates[split] > 0 and rows / 2 <= due[split]]
    return max(short, key=lambda split: due[split], default=TRAIN)


def _fill_slices(drawn: list[Group], rows: Mapping[str, int], held: dict[str, str]) -> None:
    """Moves new groups of slices with too few test rows to test, the smallest first, and leaves each slice one group."""
    tested = slice_rows(group for group in drawn if held[group.name] == TEST)
    members: dict[str, list[Group]] = defaultdict(list)
    short = {name for name, count in rows.items() if count >= TESTED_FROM and tested[name] < LEAST_TEST}
    for group in drawn if short else ():
        for name in short & set(group.by_slice):
            members[name].append(group)
    for name in sorted(short):
        outside = [group for group in members[name] if held[group.name] != TEST]
        free = sorted((group for group in outside if not group.split), key=lambda group: group.rows)
        for group in free[: max(0, len(outside) - 1)]:
            if tested[name] >= LEAST_TEST:
                break
            held[group.name] = TEST
            tested.update(group.by_slice)


def _fill_split(drawn: list[Group], held: dict[str, str], split: str) -> None:
    """An empty split gets the smallest new training group, unless it is the only one."""
    if split in held.values():
        return
    training = [group for group in drawn if held[group.name] == TRAIN]
    free = [group for group in training if not group.split]
    if free and len(training) > 1:
        held[min(free, key=lambda group: group.rows).name] = split


def _keep_training(drawn: list[Group], held: dict[str, str]) -> None:
    """Training must not be empty: it gets the largest new group of validation, or else of test."""
    for split in (VALIDATION, TEST):
        free = [group for group in drawn if not group.split and held[group.name] == split]
        if TRAIN not in held.values() and free:
            held[max(free, key=lambda group: group.rows).name] = TRAIN


def slice_rows(groups: Iterable[Group]) -> Counter[str]:
    """{slice: rows} over the groups."""
    rows: dict[str, int] = {}
    for group in groups:
        for name, count in group.slices.items() or (("", group.rows),):
            rows[name] = rows.get(name, 0) + count
    return Counter(rows)


def untested(groups: Iterable[Group], *, test: float) -> dict[str, str]:
    """{slice: reason} for the slices of at least TESTED_FROM rows that have fewer than LEAST_TEST test rows.

    Every group must have its split. The sentence says what prevents more test rows, as far as the groups show it.
    """
    everything = list(groups)
    rows = slice_rows(everything)
    tested = slice_rows(group for group in everything if group.split == TEST)
    return {
        name: _why([group for group in everything if name in group.by_slice], len(everything), test)
        for name in sorted(rows)
        if rows[name] >= TESTED_FROM and tested[name] < LEAST_TEST
    }


def _why(members: list[Group], in_all: int, test: float) -> str:
    if test == 0:
        return "The test share is 0%."
    if len(members) == 1 and members[0].parts > 1:
        return "All its questions are near-duplicates, and near-duplicates stay in one split."
    if in_all < LEAST_GROUPS:
        return f"There are fewer than {LEAST_GROUPS} groups in all, so all rows are for training."
    if len(members) == 1:
        return "All its rows are in one group (conversation or document), and a group is in one split only."
    return "Its groups have a permanent split from earlier versions. New groups go to test first."
