"""Reads the values of an address or a posted form, so that no value can break a page or a query.

Lists have filters (core.lists.filters), programs send JSON (core.api.parsing and serializers). All other values of
`request.GET` and `request.POST` are read through `Params`: an invalid value counts as missing. Nothing here raises.
"""

from collections.abc import Collection, Iterable
from datetime import date, datetime, time, timedelta

from django.http import QueryDict
from django.utils import timezone

from core.lists.numbers import LARGEST_ID, whole_number
from core.text import storable

MOST_TEXT = 200_000  # characters; the services refuse text longer than a column, with a message
TRUE = frozenset({"1", "true", "yes", "on"})


class Params:
    """A query string or a posted form. Missing names read as empty."""

    def __init__(self, values: QueryDict) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def names(self) -> list[str]:
        """Every name that is given, each once, in order."""
        return [storable(name) for name in self._values]

    def text(self, name: str, default: str = "", *, most: int = MOST_TEXT) -> str:
        """The last value as text that can be stored and searched for, cut at `most` characters."""
        return storable(str(self._values.get(name, default)))[:most]

    def texts(self, name: str) -> list[str]:
        """All values of a name that can be given several times, in order."""
        return [storable(value) for value in self._values.getlist(name)]

    def number(self, name: str, *, least: int = 0, most: int = LARGEST_ID) -> int | None:
        """A whole number from `least` to `most`, else None."""
        number = whole_number(self._values.get(name), most=most)
        return number if number is not None and number >= least else None

    def numbers(self, name: str, *, most: int = LARGEST_ID) -> list[int]:
        """The ids of a name that is given several times, in order; other values are left out."""
        return ids_of(self._values.getlist(name), most=most)

    def choice(self, name: str, choices: Collection[str], default: str = "") -> str:
        """The value if it is one of `choices`, else `default`."""
        value = self._values.get(name, default)
        return value if value in choices else default

    def flag(self, name: str) -> bool:
        """Whether the value means yes: 1, true, yes or on."""
        return str(self._values.get(name, "")).lower() in TRUE

    def day(self, name: str) -> date | None:
        """A date written as 2026-11-25, else None."""
        try:
            return date.fromisoformat(self.text(name, most=10))
        except ValueError:
            return None


def ids_of(values: Iterable[object], *, most: int = LARGEST_ID) -> list[int]:
    """The whole numbers from 1 to `most` among `values`."""
    numbers = (whole_number(value, most=most) for value in values)
    return [number for number in numbers if number]


# At the ends of the calendar a time zone moves a time out of the range of datetime.
_FIRST, _LAST = date(1, 1, 3), date(9999, 12, 29)


def day_start(day: date) -> datetime | None:
    """Midnight at the start of `day` in the current time zone; None for the calendar's first days: no bound."""
    return datetime.combine(day, time.min, timezone.get_current_timezone()) if day >= _FIRST else None


def day_end(day: date) -> datetime | None:
    """Midnight at the end of `day`, the next day's start; None for the calendar's last days: no bound."""
    if day > _LAST:
        return None
    return day_start(max(day + timedelta(days=1), _FIRST))
