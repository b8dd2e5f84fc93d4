"""The word lists of rules/*.toml, read once and converted for the scanners."""

import re
import tomllib
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

_RULES = Path(__file__).parent / "rules"


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((_RULES / f"{name}.toml").read_text(encoding="utf-8"))


def any_of(words: Iterable[str]) -> str:
    """A pattern for any of the words, the longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


# --- units: how it is written -> [(measure, how many of the measure's base unit)] ---------------------------
Units = dict[str, list[tuple[str, Decimal]]]
_LONG = 4  # from this length on a plural with "s" is recognised


def _spellings(word: str) -> list[str]:
    return [word, f"{word}s"] if len(word) >= _LONG and word[-1].isalpha() and word[-1] != "s" else [word]


def _measures() -> tuple[Units, Units]:
    """Units after a number, with or without a space; and those that are only units without a space."""
    spaced: Units = {}
    glued: Units = {}
    for measure, units in _read("units")["measure"].items():
        for unit in units.values():
            reading = (measure, Decimal(unit.get("per", "1")))
            for table, words in ((spaced, unit["words"]), (glued, unit.get("glued", []))):
                for spelling in (spelling for word in words for spelling in _spellings(word)):
                    table.setdefault(spelling, []).append(reading)
    return spaced, glued


UNITS, GLUED = _measures()

# --- money --------------------------------------------------------------------------------------------------
_money = _read("currencies")
CURRENCIES = frozenset(_money["currency"])
MARKS: Units = {}
for _code, _marks in _money["currency"].items():
    for _mark in _marks:
        MARKS.setdefault(_mark, []).append((_code, Decimal(1)))
for _table, _share in (("shared", Decimal(1)), ("hundredth", Decimal("0.01"))):
    for _mark, _codes in _money[_table].items():
        MARKS.setdefault(_mark, []).extend((_code, _share) for _code in _codes)
for _mark, _readings in MARKS.items():
    UNITS.setdefault(_mark, []).extend(_readings)
# Only these are written before an amount; "pound 5" or "cents 5" is not.
PREFIXES = {
    mark: readings for mark, readings in MARKS.items() if len(mark) <= 3 and mark not in ("kr", "yen", "¢")
} | {"kr": MARKS["kr"]}
CODES = frozenset(code.lower() for code in CURRENCIES)

# --- numbers ------------------------------------------------------------------------------------------------
_numbers = _read("numbers")
ONES: dict[str, int] = _numbers["ones"]
TENS: dict[str, int] = _numbers["tens"]
SCALES: dict[str, int] = _numbers["scales"]
MULTIPLES: dict[str, int] = _numbers["multiples"]
FRACTIONS = {word: Decimal(value) for word, value in _numbers["fractions"].items()}
NUMBER_WORDS = frozenset({*ONES, *TENS, *SCALES})
BETWEEN, MORE, ALONE, AMOUNTS, COUNTS, SETTINGS, POINTERS, HOURS, JOINERS, SOME_OF, LISTED = (
    frozenset(_numbers["words"][name])
    for name in (
        "between",
        "more",
        "alone",
        "amounts",
        "counts",
        "settings",
        "pointers",
        "hours",
        "joiners",
        "some_of",
        "listed",
    )
)
VAGUE: tuple[str, ...] = tuple(_numbers["vague"]["phrases"])
VAGUE_STARTS = frozenset(re.split(r"[^\w%]", phrase)[0].strip("%") for phrase in VAGUE)

# --- dates --------------------------------------------------------------------------------------------------
_dates = _read("dates")
MONTHS: dict[str, int] = _dates["months"]
WEEKDAYS: dict[str, int] = _dates["weekdays"]
CAPITAL = frozenset(_dates["capital"]["words"])
TIMES: dict[str, tuple[int, int]] = {word: (at[0], at[1]) for word, at in _dates["times"].items()}

# --- references ---------------------------------------------------------------------------------------------
_identifiers = _read("identifiers")
COMMON = frozenset(_identifiers["common"])
LEAST_DIGITS: int = _identifiers["least_digits"]
