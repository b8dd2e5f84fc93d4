"""Halves, quarters, single units and multiples in words."""

import re
from decimal import Decimal

from annotation.checks.facts.dates import Read
from annotation.checks.facts.fact import BARE, COUNT, Fact, number_key
from annotation.checks.facts.numbers import FLAGS, WORDY_UNITS, number_fact
from annotation.checks.facts.words import (
    FRACTIONS,
    MULTIPLES,
    UNITS,
)  # fmt: skip

_HALF_UNIT = re.compile(rf"half[ -](?:an? )?(?P<unit>{WORDY_UNITS})(?![^\W_])", FLAGS)
_ONE_UNIT = re.compile(r"(?:within|in|after|takes?|about|next|last) an? (?P<unit>hour|day|week|month|year)\b(?! or (?:two|so))", FLAGS)  # fmt: skip
_HALF_DOZEN = re.compile(r"half an? dozen\b", FLAGS)
_QUARTER = re.compile(r"quarter of an hour\b", FLAGS)


def at_fraction(text: str, at: int, word: str) -> Read | None:
    """ "Half" and "half an hour", "a quarter of an hour"."""
    quarter = _QUARTER.match(text, at)
    if quarter:
        return [number_fact(text, at, quarter.end(), [("time", Decimal(900))])], quarter.end()
    if word not in FRACTIONS:
        return None
    dozen = _HALF_DOZEN.match(text, at)
    if dozen:
        return [number_fact(text, at, dozen.end(), [(COUNT, Decimal(6))])], dozen.end()
    match = _HALF_UNIT.match(text, at)
    if match:
        readings = [(measure, per / 2) for measure, per in UNITS[match["unit"].lower()]]
        return [number_fact(text, at, match.end(), readings)], match.end()
    share, end = FRACTIONS[word], at + len(word)
    keys = (number_key(share, "share"), number_key(share, BARE), number_key(share * 100, "percent"))
    claims = not text[max(0, at - 6) : at].lower().endswith(("and a ", "and-a-"))  # "an hour and a half"
    return [Fact("number", text[at:end], at, end, keys, claims=claims)], end


def at_one_unit(text: str, at: int) -> Read | None:
    """ "Within an hour": the words before "an" decide, since "an hour" alone is mostly a rate."""
    match = _ONE_UNIT.match(text, at)
    if not match:
        return None
    return [number_fact(text, at, match.end(), UNITS[match["unit"].lower()])], match.end()


def at_multiple(text: str, at: int, word: str) -> Fact:
    """ "Double", "both": an answer can use the number instead; the word itself needs no support."""
    value = Decimal(MULTIPLES[word])
    return Fact(
        "number", text[at : at + len(word)], at, at + len(word), (number_key(value, COUNT),), claims=False
    )
