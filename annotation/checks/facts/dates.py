"""Reads dates, weekdays and times of the day at a given place of a text."""

import re
from collections.abc import Callable, Iterator

from annotation.checks.facts.fact import Fact, Key
from annotation.checks.facts.numerals import read_small
from annotation.checks.facts.words import CAPITAL, MONTHS, NUMBER_WORDS, ONES, TENS, TIMES, WEEKDAYS, any_of

# What was read, and where reading continues.
Read = tuple[list[Fact], int]

_MONTH = rf"(?:{any_of(MONTHS)})"
_NTH = r"(?:st|nd|rd|th)?"
_YEAR = r"(?:19|20)[0-9]{2}"
_THROUGH = r"\s?(?:-|–|to|and|or|/|until)\s?"
_FLAGS = re.IGNORECASE
_ISO = re.compile(
    rf"(?P<y>{_YEAR})(?P<sep>[-/])(?P<m>[0-9]{{1,2}})(?P=sep)(?P<d>[0-9]{{1,2}})"
    r"(?:[T ](?P<h>[0-2][0-9]):(?P<min>[0-5][0-9])(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?(?![\w-])",
    _FLAGS,
)
_DAY_MONTH = re.compile(
    rf"(?P<d>[0-9]{{1,2}}){_NTH}(?:{_THROUGH}(?P<d2>[0-9]{{1,2}}){_NTH})?[ -](?:of )?(?P<m>{_MONTH})\b"
    rf"(?:\.?,?[ -](?P<y>{_YEAR})\b)?",
    _FLAGS,
)
_MONTH_DAY = re.compile(
    rf"(?P<m>{_MONTH})\.? (?P<d>[0-9]{{1,2}}){_NTH}(?:{_THROUGH}(?P<d2>[0-9]{{1,2}}){_NTH})?(?![0-9,.]{{0,3}}[0-9]|:|\s?[ap]\.?m\b)"
    rf"(?:,? (?P<y>{_YEAR})\b)?",
    _FLAGS,
)
_MONTH_YEAR = re.compile(rf"(?P<m>{_MONTH})\.? (?P<y>{_YEAR})\b", _FLAGS)
_NUMERIC = re.compile(
    rf"(?P<a>[0-9]{{1,2}})(?P<sep>[./-])(?P<b>[0-9]{{1,2}})(?P=sep)(?P<y>{_YEAR}|[0-9]{{2}})(?![\w/-]|\.[0-9])"
)
_ORDINAL = re.compile(r"(?P<d>[0-9]{1,2})(?:st|nd|rd|th)\b", _FLAGS)
_DATED = re.compile(r"(?:on|by|until|till|from|before|after|since|of) the $", _FLAGS)
_HALF = r"[ap]\.?m\b\.?"
_SPAN = re.compile(
    rf"(?P<h>[0-9]{{1,2}})(?:[:.](?P<m>[0-5][0-9]))?{_THROUGH}(?P<h2>[0-9]{{1,2}})(?:[:.](?P<m2>[0-5][0-9]))?\s?(?P<half>{_HALF})",
    _FLAGS,
)
_TWELVE = re.compile(
    rf"(?P<h>[0-9]{{1,2}})(?:[:.](?P<m>[0-5][0-9]))?\s?(?P<half>{_HALF}|o['’]\s?clock\b)", _FLAGS
)
_CLOCK = re.compile(r"(?P<h>[01]?[0-9]|2[0-4])[:h](?P<m>[0-5][0-9])(?::[0-5][0-9])?(?![\w]|:[0-9])", _FLAGS)
_WORD = rf"(?:{any_of({*ONES, *TENS})})"
_PAST = re.compile(
    rf"(?P<min>half|(?:a )?quarter|{_WORD}(?:[- ]{_WORD})?|[0-9]{{1,2}})(?: minutes)? (?P<way>past|to|till) "
    rf"(?P<h>{_WORD}|[0-9]{{1,2}})\b(?!\s?[-:.]?[0-9])(?:\s?(?P<half>{_HALF}))?",
    _FLAGS,
)
_WORD_CLOCK = re.compile(rf"(?P<h>{_WORD})\s?(?P<half>{_HALF}|o['’]\s?clock\b)", _FLAGS)
# "Ten to five" is a time only where a time is expected; elsewhere it may be a range.
_EXPECTED = re.compile(r"(?:\bat|\bby|\buntil|\btill|\bbefore|\bafter|\bfrom|\bit is|\bit['’]s) $", _FLAGS)


def _is_day(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= 31


def _fact(kind: str, text: str, start: int, end: int, *keys: Key, serious: bool = False) -> Fact:
    return Fact(kind, text[start:end], start, end, keys, serious)


def _iso(text: str, match: re.Match[str]) -> Iterator[Fact]:
    year, month, day = int(match["y"]), int(match["m"]), int(match["d"])
    if not _is_day(month, day):
        return
    yield _fact("date", text, match.start(), match.end("d"), ("date", year, month, day), serious=True)
    if match["h"]:
        key = _time_key(int(match["h"]), int(match["min"]))
        yield _fact("time", text, match.start("h"), match.end("min"), key)


def _named(text: str, match: re.Match[str]) -> Iterator[Fact]:
    """Day and month, in either order; a range gives both its ends. Year 0 when the text has no year."""
    name = match["m"]
    if name.lower() in CAPITAL and not name[0].isupper():  # "2 may be late"
        return
    month, year = MONTHS[name.lower()], int(match["y"] or 0)
    for day in (match["d"], match["d2"]):
        if day and _is_day(month, int(day)):
            yield _fact("date", text, *match.span(), ("date", year, month, int(day)), serious=True)


def _month_year(text: str, match: re.Match[str]) -> Iterator[Fact]:
    key = ("month", int(match["y"]), MONTHS[match["m"].lower()])
    yield _fact("date", text, *match.span(), key, serious=True)


def _numeric(text: str, match: re.Match[str]) -> Iterator[Fact]:
    """14/11/2026 or 11/14/2026: both readings where both are days."""
    a, b, year = int(match["a"]), int(match["b"]), int(match["y"])
    year += 2000 if year < 100 else 0
    keys: list[Key] = [("date", year, m, d) for m, d in ((b, a), (a, b)) if _is_day(m, d)]
    if keys:
        yield _fact("date", text, *match.span(), *dict.fromkeys(keys), serious=True)


def _ordinal(text: str, match: re.Match[str]) -> Iterator[Fact]:
    """ "The 14th" is a day; "the 2nd" is one only after "on the" and similar words, because it mostly counts."""
    day = int(match["d"])
    dated = bool(_DATED.search(text, max(0, match.start() - 12), match.start()))
    claims = day > 3 or dated
    yield Fact("date", match.group(), *match.span(), (("day", day),), claims=claims)


def _time_key(hour: int, minute: int) -> Key:
    return ("time", (hour % 24) * 60 + minute)


def clock_keys(hour: int, minute: int, half: str = "") -> list[Key]:
    """Minutes of the day. Without am or pm an hour up to twelve can be either."""
    half = half.lower()
    if half.startswith("p"):
        return [_time_key(hour % 12 + 12, minute)]
    if half.startswith("a"):
        return [_time_key(hour % 12, minute)]
    keys = [_time_key(hour, minute)]
    return [*keys, _time_key(hour % 12 + 12, minute)] if 0 < hour < 12 else keys


def _span(text: str, match: re.Match[str]) -> Iterator[Fact]:
    first, second = int(match["h"]), int(match["h2"])
    # "9 to 2 pm" starts in the morning.
    keys = [
        *clock_keys(first, int(match["m"] or 0), match["half"]),
        *clock_keys(first, int(match["m"] or 0), "a"),
    ]
    yield _fact("time", text, *match.span(), *keys)
    yield _fact("time", text, *match.span(), *clock_keys(second, int(match["m2"] or 0), match["half"]))


def _twelve(text: str, match: re.Match[str]) -> Iterator[Fact]:
    yield _fact(
        "time", text, *match.span(), *clock_keys(int(match["h"]), int(match["m"] or 0), match["half"])
    )


def _clock(text: str, match: re.Match[str]) -> Iterator[Fact]:
    yield _fact("time", text, *match.span(), *clock_keys(int(match["h"]), int(match["m"])))


def _past(text: str, match: re.Match[str]) -> Iterator[Fact]:
    """ "Half past three", "a quarter to five", "ten past nine"."""
    minute_word = match["min"].lower()
    minutes = 30 if minute_word == "half" else 15 if "quarter" in minute_word else read_small(minute_word)
    hour = read_small(match["h"].lower())
    back = match["way"].lower() != "past"
    if hour is None or minutes is None or not 1 <= hour <= 12 or not 1 <= minutes <= 30:
        return
    quarter = minute_word == "half" or "quarter" in minute_word
    if back and not quarter and not _EXPECTED.search(text, max(0, match.start() - 8), match.start()):
        return
    hour, minute = (hour - 1 or 12, 60 - minutes) if back else (hour, minutes)
    yield _fact("time", text, *match.span(), *clock_keys(hour, minute, match["half"] or ""))


def _word_clock(text: str, match: re.Match[str]) -> Iterator[Fact]:
    hour = read_small(match["h"].lower())
    if hour is not None and 1 <= hour <= 12:
        yield _fact("time", text, *match.span(), *clock_keys(hour, 0, match["half"]))


_Rule = tuple[re.Pattern[str], Callable[[str, re.Match[str]], Iterator[Fact]]]
_AT_DIGIT: tuple[_Rule, ...] = (
    (_ISO, _iso), (_DAY_MONTH, _named), (_NUMERIC, _numeric), (_SPAN, _span), (_TWELVE, _twelve), (_CLOCK, _clock),
    (_PAST, _past), (_ORDINAL, _ordinal),
)  # fmt: skip
_AT_MONTH: tuple[_Rule, ...] = ((_MONTH_DAY, _named), (_MONTH_YEAR, _month_year))
_AT_WORD: tuple[_Rule, ...] = ((_PAST, _past), (_WORD_CLOCK, _word_clock))


# Tested first, because most numbers are neither a date nor a time: what must follow the figures of a date or time.
_MAY_BE = re.compile(r"[0-9]{1,4}(?:[^\s0-9,;|)\]}\"]|\s[^\W\d_]|\s[-–/])")


def at_digit(text: str, at: int) -> Read | None:
    """The date or time that begins with the digit at `at`."""
    return _first(_AT_DIGIT, text, at) if _MAY_BE.match(text, at) else None


def at_word(text: str, at: int, word: str) -> Read | None:
    """The date or time that begins with the word at `at`; `word` is it in lower case."""
    if word in CAPITAL and not text[at].isupper():
        return None
    if word in MONTHS:
        return _first(_AT_MONTH, text, at)
    end = at + len(word)
    name = word.removesuffix("s") if word.endswith("days") else word
    if name in WEEKDAYS:
        return [_fact("weekday", text, at, end, ("weekday", WEEKDAYS[name]))], end
    if word in TIMES:
        return [_fact("time", text, at, end, _time_key(*TIMES[word]))], end
    return _first(_AT_WORD, text, at) if word in NUMBER_WORDS or word in ("half", "quarter") else None


def _first(rules: tuple[_Rule, ...], text: str, at: int) -> Read | None:
    for pattern, read in rules:
        match = pattern.match(text, at)
        if match:
            facts = list(read(text, match))
            if facts:
                return facts, match.end()
    return None
