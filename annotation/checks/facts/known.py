"""The facts of the records and the conversation, and whether they contain a fact of the completion."""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date

from annotation.checks.base import UNLIMITED, TimeBudget
from annotation.checks.facts.derived import Amounts, list_lengths
from annotation.checks.facts.fact import BARE, COUNT, Fact, Key
from annotation.checks.facts.identifiers import bare_number
from annotation.checks.facts.scan import facts_of
from annotation.checks.facts.words import CURRENCIES, LISTED
from annotation.checks.remembered import Remembered

Place = tuple[int, int, int]  # source, start, end
_WORD = re.compile(r"[^\W\d_]+")
_MOST_PLACES = 8  # of one key; a reader needs no more
# The facts of a source, the lengths of its lists, and its words when it has lists.
_Source = tuple[tuple[Fact, ...], frozenset[int], frozenset[str]]
_sources: Remembered[_Source] = Remembered()


def _read(text: str, budget: TimeBudget) -> _Source:
    lengths = frozenset(list_lengths(text))
    words = frozenset(_stem(word) for word in _WORD.findall(text.lower())) if lengths else frozenset()
    return tuple(facts_of(text, budget)), lengths, words


@dataclass
class Known:
    """Each key with the places that have it. Memory grows with the number of different facts."""

    places: dict[Key, list[Place]] = field(default_factory=lambda: defaultdict(list))
    years: set[int] = field(default_factory=set)
    currencies: set[str] = field(default_factory=set)
    amounts: Amounts = field(default_factory=Amounts)
    lengths: set[int] = field(default_factory=set)  # of lists in the sources
    own_lengths: set[int] = field(default_factory=set)  # of lists in the completion itself
    words: set[str] = field(default_factory=set)  # of the sources that have lists, without a plural's "s"

    def add(self, source: int, text: str, budget: TimeBudget = UNLIMITED) -> None:
        facts, lengths, words = _sources.of(text, lambda: _read(text, budget))
        for fact in facts:
            place = (source, fact.start, fact.end)
            for key in (*fact.keys, *(("any", value) for value in fact.values)):
                self._put(key, place)
            for part in fact.parts:
                self._put_parts(part, place)
            if fact.kind == "date":
                self._put_date(fact, place)
            elif fact.kind == "number":
                self._put_number(fact, place)
            elif number := bare_number(fact.text):
                self._put(("id", number), place)
        self.lengths |= lengths
        self.words |= words

    def _put(self, key: Key, place: Place) -> None:
        places = self.places[key]
        if len(places) < _MOST_PLACES:
            places.append(place)

    def _put_parts(self, part: tuple[Key, ...], place: Place) -> None:
        """Pieces that are references themselves; a piece that is a small number would match too much."""
        for key in part:
            if key[0] == "id" and len(str(key[1])) >= 4:
                self._put(key, place)

    def _put_number(self, fact: Fact, place: Place) -> None:
        for key in fact.keys:
            if key[0] == "number":
                self.currencies |= {str(key[2])} & CURRENCIES
        self.amounts.add(fact, place)

    def _put_date(self, fact: Fact, place: Place) -> None:
        """A date also gives its day, month and year, and its weekday."""
        for key in fact.keys:
            if key[0] != "date":
                continue
            _, year, month, day = key
            self._put(("anyyear", month, day), place)
            self._put(("day", day), place)
            if isinstance(year, int) and year:
                self.years.add(year)
                self._put(("month", year, month), place)
                self._put(("number", str(year), BARE), place)
                self._put(("any", str(year)), place)
                weekday = weekday_of(year, month, day)
                if weekday is not None:
                    self._put(("weekday", weekday), place)

    def where(self, fact: Fact) -> list[Place] | None:
        """The places that have the fact or that it follows from, possibly an empty list; None when the fact is unknown."""
        if stated := self.stated(fact):
            return stated
        return self._follows(fact) if fact.kind == "number" else None

    def stated(self, fact: Fact) -> list[Place]:
        """The places that have the fact itself; what follows from others (a sum, the length of a list) does not count."""
        stated = [place for key in self._said_as(fact) for place in self.places.get(key, ())]
        if stated:
            return stated
        parts = [[place for key in part for place in self.places.get(key, ())] for part in fact.parts]
        return [place for part in parts for place in part] if all(parts) else []

    def _said_as(self, fact: Fact) -> list[Key]:
        """All keys under which a source can have the fact."""
        keys: list[Key] = []
        for key in fact.keys:
            keys.append(key)
            if key[0] == "date":
                _, year, month, day = key
                keys.append(("date", 0, month, day) if year else ("anyyear", month, day))
            elif key[0] == "number" and key[2] == BARE:
                keys.append(("any", key[1]))
        if fact.kind == "number" and self._unit_is_open(fact):
            keys += [("number", value, BARE) for value in fact.values]
        return keys

    def _unit_is_open(self, fact: Fact) -> bool:
        """Whether a number without a unit can be this one: a currency must not contradict the currencies of the sources."""
        named = {str(key[2]) for key in fact.keys if key[0] == "number"} & CURRENCIES
        return not named or not self.currencies or bool(named & self.currencies)

    def _follows(self, fact: Fact) -> list[Place] | None:
        """A sum, a difference, or the length of a list."""
        for key in fact.keys:
            if key[0] == "number" and key[2] == COUNT and str(key[1]).isdigit() and len(str(key[1])) <= 6:
                length = int(str(key[1]))
                if length in self.own_lengths or (length in self.lengths and self._may_be_listed(fact.noun)):
                    return []
        return self.amounts.explain(fact)

    def _may_be_listed(self, noun: str) -> bool:
        """ "Three coupons" does not follow from a list of three in records without the word coupon."""
        return not noun or noun in LISTED or _stem(noun) in self.words


def _stem(word: str) -> str:
    return word.removesuffix("es") if word.endswith(("xes", "ches", "shes")) else word.removesuffix("s")


def weekday_of(year: object, month: object, day: object) -> int | None:
    try:
        return date(int(str(year)), int(str(month)), int(str(day))).weekday()
    except ValueError:
        return None
