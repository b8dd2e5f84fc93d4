"""Numbers in words for people: counts, shares, times and sizes. Pure functions, for pages, messages and charts."""

import math
from collections.abc import Sequence
from datetime import date, timedelta
from typing import SupportsFloat

NOTHING = "–"  # shown for an unknown value


def finite_number(value: object) -> float | int | None:
    """The value if it is a number (or its text), else None: also for NaN, infinity and booleans."""
    if not isinstance(value, (str, SupportsFloat)) or value == "" or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if not math.isfinite(number):
        return None
    return value if isinstance(value, int) else number


def noun(count: float, one: str, many: str = "") -> str:
    """The word for `count` things, also with its verb: noun(2, "row") -> "rows"; noun(1, "run is", "runs are") -> "run is"."""
    return one if count == 1 else many or f"{one}s"


def counted(count: int, one: str, many: str = "") -> str:
    """The number with its word: "1 row", "1,284 rows", "2 people"."""
    return f"{count:,} {noun(count, one, many)}"


def listed(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def number(value: object, decimals: int | str = 0) -> str:
    """1284 -> "1,284"; 1.8449 with `number:2` -> "1.84". A dash for None, NaN and values that are not numbers."""
    amount = finite_number(value)
    return NOTHING if amount is None else f"{amount:,.{int(decimals)}f}"


def signed(value: object, decimals: int | str = 0) -> str:
    """12 -> "+12", -3 -> "−3" with a real minus sign, 0 -> "0"."""
    amount = finite_number(value)
    if amount is None:
        return NOTHING
    text = f"{abs(amount):,.{int(decimals)}f}"
    if not text.strip("0.,"):
        return text
    return ("+" if amount > 0 else "−") + text


def percent(value: object, decimals: int | str = 0) -> str:
    """A share of one: 0.62 -> "62%". 0.004 -> "<1%" and 0.997 -> ">99%", because they are not none or all."""
    amount = finite_number(value)
    if amount is None:
        return NOTHING
    digits = int(decimals)
    text = f"{amount * 100:.{digits}f}"
    if digits == 0 and 0 < amount < 0.005:
        return "<1%"
    if digits == 0 and 0.995 <= amount < 1:
        return ">99%"
    return f"{text}%"


def similar(value: object) -> str:
    """How alike two texts are by their words alone, all numbers taken as one: 0.87 -> "87% similar". Never 100%: equal words do not make
    equal texts."""
    amount = finite_number(value)
    if amount is None:
        return NOTHING
    return "the same words (numbers may differ)" if amount >= 1 else f"{math.floor(amount * 100)}% similar"


def figure(value: object) -> str:
    """Three significant digits, thousands set apart: 1.84, 12.3, 1,284, 0.0005."""
    amount = finite_number(value)
    if amount is None:
        return NOTHING
    if amount == int(amount) and abs(amount) < 1e15:
        return f"{int(amount):,}"
    if abs(amount) >= 100:
        return f"{amount:,.0f}"
    return f"{amount:.3g}" if abs(amount) >= 0.001 else f"{amount:.1e}"


def duration(value: object) -> str:
    """A timedelta or seconds in words: "40 s", "3 min", "1 h 20 min", "2 days"."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    amount = finite_number(value)
    if amount is None:
        return NOTHING
    seconds = max(0.0, float(amount))
    if seconds < 1:
        return "under 1 s" if seconds else "0 s"
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds < 59.5 else "1 min"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        hours, rest = divmod(minutes, 60)
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{round(minutes / 1440)} days"


def day(moment: date) -> str:
    """A date, or the date of a moment as it is: "5 March 2027"."""
    return f"{moment.day} {moment:%B %Y}"


def time_left(value: object) -> str:
    """A timedelta or seconds still to go: "about 3 min left". Empty while it is not known."""
    if value is None or value == "":
        return ""
    text = duration(value)
    return (
        "" if text == NOTHING else ("almost done" if text in ("0 s", "under 1 s") else f"about {text} left")
    )


def milliseconds(value: object) -> str:
    """Milliseconds for people: 84 -> "84 ms", 1530 -> "1.5 s"."""
    amount = finite_number(value)
    if amount is None:
        return NOTHING
    return f"{amount:.0f} ms" if amount < 1000 else f"{amount / 1000:.1f} s"


def filesize(value: object) -> str:
    """Bytes in powers of ten: 269000000 -> "269 MB", 3100000000 -> "3.1 GB"."""
    amount = finite_number(value)
    if amount is None:
        return NOTHING
    size = float(amount)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def gigabytes(size: float) -> str:
    """Bytes as "12.4 GB", to compare two sizes of this order."""
    return f"{size / 1e9:.1f} GB"


def since(seconds: float) -> str:
    """A time that has passed, in whole days or hours: "1 day", "5 h", "less than an hour"."""
    days, hours = int(seconds // 86400), int(seconds // 3600)
    if days:
        return counted(days, "day")
    return f"{hours} h" if hours else "less than an hour"
