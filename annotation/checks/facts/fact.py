"""Facts and their keys. Facts are compared by keys."""

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

    `keys` are alternatives: the fact is known when one of them is. `parts`, if any, are pieces; the fact is also known when all
    of them are. `serious` marks facts that do harm when they are invented. `claims` is False for facts that can support others but
    need no support (a count of one, "step 2").
    """

    kind: str
    text: str
    start: int
    end: int
    keys: tuple[Key, ...]
    serious: bool = False
    claims: bool = True
    parts: tuple[tuple[Key, ...], ...] = ()
    label: str = ""  # "amount" where the text calls it that without a unit, "more" for "two more"
    values: tuple[str, ...] = ()  # of a number: its readings without the unit
    noun: str = ""  # the counted thing, in lower case, where a word follows the count


def number_key(value: Decimal, unit: str) -> Key:
    return ("number", plain(value), unit)


@lru_cache(maxsize=4096)
def plain(value: Decimal) -> str:
    """1200, 1200.0 and 1.2E+3 in one spelling."""
    return format(value.normalize(), "f") if value else "0"


def squeeze(word: str) -> str:
    """A reference without the parts that people often leave out: case, spaces, dashes, dots."""
    return "".join(letter for letter in word if letter.isalnum()).upper()
