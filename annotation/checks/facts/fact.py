"""What a fact is, and how facts are compared: by keys."""

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

# ("number", value, unit), ("id", letters and digits), ("address", ...), ("date", year, month, day), ("month", year,
# month), ("day", day), ("weekday", 0 to 6), ("time", minute of the day).
Key = tuple[object, ...]

BARE = ""  # the unit of a number without one
COUNT = "count"  # the unit of a number that counts things


@dataclass(frozen=True, slots=True)
class Fact:
    """What a text states at [start, end).

    `keys` are alternatives: the fact is known when one of them is. `parts`, where there are any, are pieces that may all
    be known instead. `serious` marks what does harm when it is made up. `claims` is False for what can vouch for others
    but needs no support itself (a count of one, "step 2").
    """

    kind: str
    text: str
    start: int
    end: int
    keys: tuple[Key, ...]
    serious: bool = False
    claims: bool = True
    parts: tuple[tuple[Key, ...], ...] = ()
    label: str = ""  # "amount" where the text names it so without a unit, "more" for "two more"
    values: tuple[str, ...] = ()  # of a number: its readings without the unit
    noun: str = ""  # what a count counts, in lower case, where a word follows it


def number_key(value: Decimal, unit: str) -> Key:
    return ("number", plain(value), unit)


@lru_cache(maxsize=4096)
def plain(value: Decimal) -> str:
    """1200, 1200.0 and 1.2E+3 in one spelling."""
    return format(value.normalize(), "f") if value else "0"


def squeeze(word: str) -> str:
    """A reference without what people leave out when they write it: case, spaces, dashes, dots."""
    return "".join(letter for letter in word if letter.isalnum()).upper()
