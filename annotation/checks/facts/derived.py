"""Values that follow from the amounts and lists of the sources: sums, differences, products, and lengths of lists."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import combinations

from annotation.checks.facts.fact import BARE, COUNT, Fact
from annotation.checks.facts.words import CURRENCIES, JOINERS, any_of

Place = tuple[int, int, int]
Pool = dict[Decimal, Place]
_MOST = 24  # amounts of one unit that are combined; more make almost any sum possible
_MOST_FACTOR = 1000
_OPEN = "amount"  # amounts that the source gives without a unit ("total: 9.50")
_NEVER = frozenset({"percent", "share", BARE})  # shares of different things do not add up


@dataclass
class Amounts:
    """The amounts of each unit, each value once, with its place; and the counts, by source."""

    by_unit: dict[str, Pool] = field(default_factory=lambda: defaultdict(dict))
    totals: dict[tuple[int, str], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    more: set[Decimal] = field(default_factory=set)
    several: set[tuple[int, str]] = field(default_factory=set)
    _derived: dict[str, dict[Decimal, list[Place]]] = field(default_factory=dict)

    def add(self, fact: Fact, place: Place) -> None:
        for key in fact.keys:
            if key[0] != "number":
                continue
            unit = _OPEN if key[2] == BARE and fact.label == "amount" else str(key[2])
            if unit in _NEVER:
                continue
            value = Decimal(str(key[1]))
            if fact.label == "more":
                self.more.add(value)
            known = self.by_unit[unit]
            if len(known) < _MOST:
                known.setdefault(value, place)
            source = (place[0], unit)
            if source in self.totals:
                self.several.add(source)
            self.totals[source] += value

    def explain(self, fact: Fact) -> list[Place] | None:
        """The amounts that the number follows from; None when it follows from nothing."""
        for key in fact.keys:
            if key[0] != "number":
                continue
            places = self.derived(str(key[2])).get(Decimal(str(key[1])))
            if places is not None:
                return places
        return None

    def derived(self, unit: str) -> dict[Decimal, list[Place]]:
        """All values of one unit that follow, with their origin. Calculated once: all sources are read before."""
        if unit not in self._derived:
            self._derived[unit] = dict(self._counts() if unit == COUNT else self._of(unit))
        return self._derived[unit]

    def _of(self, unit: str) -> Iterator[tuple[Decimal, list[Place]]]:
        if unit in _NEVER and unit != BARE:
            return
        names = [unit]
        if unit == BARE:
            names = [name for name in self.by_unit if name == _OPEN or name in CURRENCIES]
        elif unit in CURRENCIES:
            names.append(_OPEN)
        for name in names:
            yield from _combined(self.by_unit.get(name, {}), self.by_unit.get(COUNT, {}))
            yield from ((total, []) for total in self._totals(name))

    def _totals(self, unit: str) -> Iterator[Decimal]:
        """The sum of each source, and of all sources."""
        parts = [(source, total) for (source, name), total in self.totals.items() if name == unit]
        yield from (total for source, total in parts if (source, unit) in self.several)
        if len(parts) > 1:
            yield sum((total for _, total in parts), Decimal())

    def _counts(self) -> Iterator[tuple[Decimal, list[Place]]]:
        """Counts are small, and nearly every count is a sum of others: so only "two more" and the total of one source."""
        for more in self.more:
            for count in (*self.by_unit.get(COUNT, {}), Decimal(1)):
                yield more + count, []
        for (source, name), total in self.totals.items():
            if name == COUNT and (source, name) in self.several:
                yield total, []


def _combined(pool: Pool, counts: Pool) -> Iterator[tuple[Decimal, list[Place]]]:
    """Sums and differences of two, the same price twice (it is one entry here), and a count times a price."""
    for (first, at), (second, there) in combinations(pool.items(), 2):
        yield first + second, [at, there]
        yield abs(first - second), [at, there]
    for amount, at in pool.items():
        yield amount * 2, [at]
        for count, there in counts.items():
            if 1 < count <= _MOST_FACTOR:
                yield amount * count, [at, there]


# --- lists --------------------------------------------------------------------------------------------------
_JOINER = re.compile(rf"(?:,|\s)\s?(?:{any_of(JOINERS)})\s", re.IGNORECASE)
_SERIAL = re.compile(rf",\s?(?:{any_of(JOINERS)})\s")
_BULLET = re.compile(r"(?m)^[ \t]{0,8}(?:[-*•]|[0-9]{1,2}[.)])\s")
_PIECE = re.compile(r"[.!?:;\n]\s?")
_MOST_NODES = 20_000


def list_lengths(text: str) -> set[int]:
    """How long the lists in a text are: JSON arrays, lines with bullets, "a, b and c"."""
    lengths = _arrays(text) if text[:1] in "[{" else set()
    bullets = len(_BULLET.findall(text))
    for piece in _PIECE.split(text) if "," in text else ():
        commas = piece.count(",")
        if commas and _JOINER.search(piece, piece.rindex(",")):
            serial = bool(_SERIAL.search(piece))
            lengths.add(commas + 1 if serial else commas + 2)
    return {length for length in {*lengths, bullets} if length >= 2}


def _arrays(text: str) -> set[int]:
    try:
        nodes = [json.loads(text)]
    except (ValueError, RecursionError):
        return set()
    lengths: set[int] = set()
    for node in nodes:  # grows during the loop
        children = list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []
        if isinstance(node, list):
            lengths.add(len(node))
        if len(nodes) < _MOST_NODES:
            nodes.extend(child for child in children if isinstance(child, (dict, list)))
    return lengths
