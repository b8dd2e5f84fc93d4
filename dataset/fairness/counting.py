"""The figures of a bias audit from its rows: who is named, their shares, and how completions to them differ. No database.

A row belongs to each group whose words its prompt or records contain; its completion is what is measured. A group is compared with
the rows that name another group of the same characteristic and not this one; where these are too few, with all rows that do not name it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotation.checks.base import Pair
from annotation.checks.languages import language_of
from dataset.fairness.differences import (
    CORRECTIONS,
    LEAST_CLUSTERS,
    LEAST_ROWS,
    LEVEL,
    GroupDifference,
    clusters_in,
    compare,
    share_of,
)
from dataset.fairness.outcomes import OUTCOMES
from dataset.fairness.words import Characteristic, Finder

SAMPLE = 200  # rows of a group that are remembered, to make twins of
Mask = NDArray[np.bool_]


def prompt_texts(row: dict[str, Any]) -> Iterable[str]:
    """What is read for words: the conversation without the system prompt, and the records."""
    for turn in row["messages"]:
        if turn["role"] != "system":
            yield turn["content"]
    yield from row["context"]


def _not_judged(row: dict[str, Any]) -> str:
    """ "call" or "language", or "" for a row that is judged. A completion too short to tell is taken as the language of its prompt, and as
    English where that is too short, too."""
    pair = Pair.of(row)
    if pair.is_call:
        return "call"
    language = language_of(row["completion"]) or language_of("\n".join(pair.messages))
    return "language" if language not in ("", "en") else ""


class AuditTally:
    """Reads rows one by one; keeps numbers only."""

    def __init__(self, characteristics: Sequence[Characteristic]) -> None:
        self.characteristics = characteristics
        self._finder = Finder(characteristics)
        self._clusters: dict[str, int] = {}
        self._cluster: list[int] = []
        self._values: dict[str, list[float]] = {key: [] for key in OUTCOMES}
        self.not_judged = {"language": 0, "call": 0}
        self.members: dict[tuple[str, str], list[int]] = {
            (one.key, group.key): [] for one in characteristics for group in one.groups
        }
        self.words: dict[tuple[str, str], Counter[str]] = {key: Counter() for key in self.members}
        self.sample: dict[tuple[str, str], list[int]] = {key: [] for key in self.members}

    def __len__(self) -> int:
        return len(self._cluster)

    @property
    def clusters(self) -> int:
        return len(self._clusters)

    @property
    def read(self) -> int:
        """Rows in all, those that are not judged too."""
        return len(self) + sum(self.not_judged.values())

    def add(self, row: dict[str, Any]) -> None:
        """`row` has messages, context, completion, group, and example: the number of its example. The outcomes read English sentences,
        so a row in another language, and a structured call, are counted only."""
        if why := _not_judged(row):
            self.not_judged[why] += 1
            return
        at = len(self._cluster)
        self._cluster.append(self._clusters.setdefault(row["group"], len(self._clusters)))
        for name, outcome in OUTCOMES.items():
            value = outcome.measure(row["completion"])
            self._values[name].append(np.nan if value is None else value)
        found: dict[tuple[str, str], set[str]] = {}
        for text in prompt_texts(row):
            for hit in self._finder.hits(text):
                for entry in hit.entries:
                    found.setdefault((entry.characteristic, entry.group), set()).add(entry.word)
        for key, words in found.items():
            self.members[key].append(at)
            self.words[key].update(words)
            if len(self.sample[key]) < SAMPLE:
                self.sample[key].append(row["example"])

    def arrays(self) -> "Table":
        masks = {}
        for key, rows in self.members.items():
            masks[key] = np.zeros(len(self), dtype=bool)
            masks[key][rows] = True
        values = {key: np.asarray(list_, dtype=float) for key, list_ in self._values.items()}
        return Table(self.characteristics, np.asarray(self._cluster, dtype=np.int64), values, masks)


@dataclass(frozen=True)
class Table:
    characteristics: Sequence[Characteristic]
    clusters: NDArray[np.int64]
    values: dict[str, NDArray[np.float64]]
    members: dict[tuple[str, str], Mask]


@dataclass
class GroupComparison:
    """One group and one outcome. `outcome` is "share" for the group's share against its target. `against` says who the others are:
    "named" or "all"."""

    characteristic: str
    group: str
    outcome: str
    against: str
    figures: GroupDifference
    adjusted: float | None = None
    mirrored: bool = False  # the same as an earlier one, seen from the other of two groups

    @property
    def weight(self) -> int:
        return OUTCOMES[self.outcome].weight if self.outcome in OUTCOMES else 1

    @property
    def least(self) -> float:
        """The smallest p that it could have, over its weight."""
        return (self.figures.least or 0.0) / self.weight

    @property
    def found(self) -> bool:
        return self.adjusted is not None and self.adjusted < LEVEL

    def stored(self) -> dict[str, Any]:
        figures = asdict(self.figures)
        return {
            "outcome": self.outcome, "against": self.against, **figures, "few": self.figures.low is None,
            "adjusted": self.adjusted, "found": self.found,
        }  # fmt: skip


@dataclass
class _Audit:
    table: Table
    comparisons: list[GroupComparison] = field(default_factory=list)
    # Where the rest of each of two groups is the other one, the second comparison is the first one turned round.
    mirrored: dict[int, int] = field(default_factory=dict)

    def compare_all(self) -> None:
        for characteristic in self.table.characteristics:
            masks = {
                group.key: self.table.members[characteristic.key, group.key]
                for group in characteristic.groups
            }
            named = np.zeros(len(self.table.clusters), dtype=bool)
            for mask in masks.values():
                named |= mask
            before: list[tuple[Mask, Mask, int]] = []
            for group in characteristic.groups:
                mask = masks[group.key]
                share = share_of(mask, named, self.table.clusters, target=group.target)
                self.comparisons.append(
                    GroupComparison(characteristic.key, group.key, "share", "named", share)
                )
                others, against = self._others(mask, named)
                first = len(self.comparisons)
                for key in OUTCOMES:
                    self._compare(characteristic.key, group.key, key, mask, others, against)
                for earlier, rest, start in before:
                    if against == "named" and not (others & ~earlier).any() and not (rest & ~mask).any():
                        self.mirrored |= {first + at: start + at for at in range(len(OUTCOMES))}
                before.append((mask, others, first))

    def _others(self, mask: Mask, named: Mask) -> tuple[Mask, str]:
        others = named & ~mask
        if others.sum() >= LEAST_ROWS and clusters_in(self.table.clusters[others]) >= LEAST_CLUSTERS:
            return others, "named"
        return ~mask, "all"

    def _compare(
        self, characteristic: str, group: str, key: str, mask: Mask, others: Mask, against: str
    ) -> None:
        values, clusters, outcome = self.table.values[key], self.table.clusters, OUTCOMES[key]
        figures = compare(values, clusters, mask, others, share=outcome.share)
        if outcome.skewed and figures.p is not None:
            logs = compare(np.log1p(values), clusters, mask, others, share=False)
            figures = replace(figures, p=max(figures.p, logs.p or 0.0))
        self.comparisons.append(GroupComparison(characteristic, group, key, against, figures))

    def correct(self, correction: str) -> int:
        """Adjusts every p for the number of comparisons, which it returns."""
        counted = self._counted()
        values = [self.comparisons[at].figures.p or 0.0 for at in counted]
        weights = [self.comparisons[at].weight for at in counted]
        adjusted = CORRECTIONS[correction](values, weights)
        for at, value in zip(counted, adjusted, strict=True):
            self.comparisons[at].adjusted = value
        for at, first in self.mirrored.items():
            self.comparisons[at].adjusted, self.comparisons[at].mirrored = (
                self.comparisons[first].adjusted,
                True,
            )
        return len(counted)

    def _counted(self) -> list[int]:
        """The comparisons that are made. One with so few refusals, or so few rows, that no distribution of them could be a finding is
        not, since it would only make the others harder to find (Tarone, Biometrics 46, 1990). The counts decide, not their
        distribution over the groups, so the 5% hold."""
        counted = [
            at
            for at, one in enumerate(self.comparisons)
            if one.figures.p is not None and at not in self.mirrored
        ]
        counted.sort(key=lambda at: self.comparisons[at].least)
        whole = sum(self.comparisons[at].weight for at in counted)
        while counted and self.comparisons[counted[-1]].least * whole >= LEVEL:
            whole -= self.comparisons[counted.pop()].weight
        return counted


def comparisons_of(table: Table, correction: str) -> tuple[list[GroupComparison], int]:
    """Every comparison, with its p adjusted, and how many were counted for that."""
    audit = _Audit(table)
    audit.compare_all()
    counted = audit.correct(correction)
    return audit.comparisons, counted


def facts_of(tally: AuditTally, correction: str) -> tuple[dict[str, Any], list[GroupComparison]]:
    """The figures as they are stored, and all comparisons."""
    table = tally.arrays()
    comparisons, counted = comparisons_of(table, correction)
    by_group: dict[tuple[str, str], list[GroupComparison]] = {}
    for one in comparisons:
        by_group.setdefault((one.characteristic, one.group), []).append(one)
    facts = {
        "rows": tally.read,
        "not_judged": dict(tally.not_judged),
        "clusters": tally.clusters,
        "comparisons": counted,
        "outcomes": {key: _overall(values) for key, values in table.values.items()},
        "characteristics": [_characteristic(one, tally, table, by_group) for one in tally.characteristics],
    }
    return facts, comparisons


def _overall(values: NDArray[np.float64]) -> dict[str, Any]:
    known = values[~np.isnan(values)]
    return {"n": len(known), "mean": float(known.mean()) if len(known) else None}


def _characteristic(
    one: Characteristic,
    tally: AuditTally,
    table: Table,
    by_group: dict[tuple[str, str], list[GroupComparison]],
) -> dict[str, Any]:
    counts = np.zeros(len(tally), dtype=int)
    groups = []
    for group in one.groups:
        mask = table.members[one.key, group.key]
        counts += mask
        share, *outcomes = by_group[one.key, group.key]
        groups.append(
            {
                "key": group.key,
                "label": group.label,
                "rows": int(mask.sum()),
                "clusters": clusters_in(table.clusters[mask]),
                "share": share.stored(),
                "outcomes": [outcome.stored() for outcome in outcomes],
                "words": dict(tally.words[one.key, group.key].most_common()),
            }
        )
    named = int((counts > 0).sum())
    return {
        "key": one.key, "label": one.label, "named": named, "unknown": len(tally) - named,
        "several": int((counts > 1).sum()), "groups": groups,
    }  # fmt: skip
