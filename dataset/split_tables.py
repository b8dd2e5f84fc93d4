"""Rows by slice and split, as pages show them."""

from typing import Any, TypedDict

from dataset.models import DataRule, GroupSplit
from dataset.splits import LEAST_TEST, SPLITS, TEST, TESTED_FROM


class SliceRow(TypedDict):
    name: str
    counts: list[int]
    total: int
    bars: list[tuple[str, float, float]]
    new: int
    untested: bool


class SplitTable(TypedDict):
    """The context of datasets/_split_table.html. `small` is the number of slices that are too small for test rows, `refused` the data
    rules with the rows that they withhold, `withheld` the number of rows that are withheld for another reason."""

    splits: list[tuple[str, str, int]]
    bars: list[tuple[str, float, float]]
    slices: list[SliceRow]
    shows_new: bool
    untested: list[tuple[str, str]]
    small: int
    refused: list[tuple[str, int]]
    withheld: int


def _share_bars(counts: dict[str, int], longest: int) -> list[tuple[str, float, float]]:
    """(split, start, width) in percent of the longest bar."""
    bars, start = [], 0.0
    for split in SPLITS:
        width = 100 * counts.get(split, 0) / max(longest, 1)
        bars.append((split, round(start, 2), round(width, 2)))
        start += width
    return bars


def split_table(counts: dict[str, Any], new: dict[str, int] | None = None) -> SplitTable:
    """The table from a version's counts; `new` adds a column, {slice: rows}."""
    by_slice = counts.get("slices", {})
    untested = counts.get("untested")
    if untested is None:  # an old version without the reason
        untested = {
            name: ""
            for name, row in by_slice.items()
            if sum(row.values()) >= TESTED_FROM and row.get(TEST, 0) < LEAST_TEST
        }
    longest = max((sum(row.values()) for row in by_slice.values()), default=0)
    slices: list[SliceRow] = [
        {
            "name": name,
            "counts": [row.get(split, 0) for split in SPLITS],
            "total": sum(row.values()),
            "bars": _share_bars(row, longest),
            "new": (new or {}).get(name, 0),
            "untested": name in untested,
        }
        for name, row in sorted(by_slice.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    ]
    refused: dict[str, int] = counts.get("withheld_rules", {})
    small = [row for row in slices if row["total"] < TESTED_FROM and not row["counts"][SPLITS.index(TEST)]]
    return {
        "splits": [(split, GroupSplit.Split(split).label, counts.get(split, 0)) for split in SPLITS],
        "bars": _share_bars(counts, counts.get("total", 0)),
        "slices": slices,
        "shows_new": new is not None,
        "untested": sorted(untested.items()),
        "small": len(small),
        "refused": [(DataRule(rule).label, rows) for rule, rows in refused.items()],
        "withheld": counts.get("withheld", 0) - sum(refused.values()),
    }
