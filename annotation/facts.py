"""What a text states that can be wrong: references, dates, times, weekdays, numbers. Pure functions.

Each fact carries `keys`: spellings-free names of what it says. Two facts say the same when their keys meet, so
"14 November" meets "2026-11-14", "1,234.00" meets "1234" and "2 pm" meets "14:00".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import pairwise

Key = tuple[object, ...]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|(?-i:Mar(?:ch)?)|Apr(?:il)?|(?-i:May)|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)"
)
_WORDS = {
    word: number
    for number, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90, "hundred": 100}
_UNIT = (
    r"(?:(?:working|business|calendar|full|more|free|extra)\s+)?(?:minutes?|hours?|days?|weeks?|months?|years?|euros?"
    r"|dollars?|pounds?|pallets?|cartons?|boxes|packages|parcels|pieces|containers?|units?|copies|kilos?|tons?|tonnes?)"
)
_SCAN = re.compile(
    rf"""
      (?P<address>\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+ | \bhttps?://[^\s<>"')]+[^\s<>"').,;] | \bwww\.[\w.-]+\w)
    | (?P<iso>\b(?P<iy>(?:19|20)\d\d)[-/](?P<im>\d\d?)[-/](?P<id>\d\d?)
        (?:[T ](?P<ih>[0-2]\d):(?P<imin>[0-5]\d)(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?(?![\w-]))
    | (?P<dmy>\b(?P<dd>\d\d?)(?:st|nd|rd|th)?(?:\s*(?:-|–|to|and|or|/|until)\s*(?P<dd2>\d\d?)(?:st|nd|rd|th)?)?
        [ -](?:of\ )?(?P<dm>{_MONTH})\b(?:\.?,?[ -](?P<dy>(?:19|20)\d\d)\b)?)
    | (?P<mdy>\b(?P<mm>{_MONTH})\.?\ (?P<md>\d\d?)(?:st|nd|rd|th)?
        (?:\s*(?:-|–|to|and|or|until)\s*(?P<md2>\d\d?)(?:st|nd|rd|th)?)?(?![\d,.]*\d)(?:,?\ (?P<my>(?:19|20)\d\d)\b)?)
    | (?P<month>\b(?P<om>{_MONTH})\ (?P<oy>(?:19|20)\d\d)\b)
    | (?P<numeric>\b(?P<n1>\d\d?)(?P<nsep>[./-])(?P<n2>\d\d?)(?P=nsep)(?P<ny>(?:19|20)\d\d|\d\d)(?![\w/-]))
    | (?P<span12>\b(?P<s1>\d\d?)(?:[:.](?P<s1m>[0-5]\d))?\s*(?:-|–|to|and)\s*(?P<s2>\d\d?)(?:[:.](?P<s2m>[0-5]\d))?
        \s?(?P<shalf>[ap]\.?m\b\.?))
    | (?P<twelve>\b(?P<t1>\d\d?)(?:[:.](?P<t1m>[0-5]\d))?\s?(?P<half>[ap]\.?m\b\.?|o['’]clock))
    | (?P<clock>\b(?P<c1>[01]?\d|2[0-4])[:h](?P<c1m>[0-5]\d)(?::[0-5]\d)?(?!\w|:\d))
    | (?P<noon>\b(?:noon|midday|midnight)\b)
    | (?P<weekday>\b(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?|(?-i:Mon|Tue|Wed|Thu|Thurs|Fri|Sat|Sun))\b)
    | (?P<ordinal>\b(?P<o>\d\d?)(?:st|nd|rd|th)\b)
    | (?P<spaced>(?-i:\b(?!EUR|USD|GBP|CHF)[A-Z]{{2,5}}[ ](?!(?:19|20)\d\d[-/]\d\d?[-/])\d{{4,}}(?:[-/]\d+)*\b(?![.,]\d)))
    | (?P<token>[A-Za-z0-9]+(?:[-/_\#.][A-Za-z0-9]+)*)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?P<money>[€$£¥]\s?)?(?<![\w.,])(?P<digits>\d{1,3}(?:[ \u00a0\u202f']\d{3})+(?:[.,]\d+)?(?!\d)|\d+(?:[.,]\d+)*)"
    r"(?P<after>\s?(?:%|percent\b|per\ cent\b|€|\$|£|(?:eur|usd|gbp|chf|euros?|dollars?|pounds?)\b)"
    r"|(?:kgs?|km|cbm|ft|cm|mm|mt|hrs?|[kmhgtx]|m3|teu|c|f)\b|\s?°\s?[cf])?(?!\w)",
    re.IGNORECASE,
)
_CURRENCY = re.compile(r"(?:\b(?:eur|usd|gbp|chf|sek|dkk|nok|pln|jpy|cny)\s?)$", re.IGNORECASE)
_COUNTED = re.compile(rf"\b(?P<word>{'|'.join(_WORDS)})\s+(?={_UNIT}\b)", re.IGNORECASE)
_LISTED = re.compile(r"(?m)^\s*\d{1,2}[.)]\s")
_ALWAYS = re.compile(r"\b24/7\b|\b(?:step|option|question)\s+\d\b", re.IGNORECASE)
_REFERENCE = 4  # digits; a shorter number is a count, not part of a reference
_WINDOW = 4  # neighbouring words that together may spell a reference


@dataclass(frozen=True)
class Fact:
    """`keys` are alternatives; `parts`, where given, are the words it falls into, which may all be known instead.

    `serious` marks what does harm when it is made up: references, dates, money, large or exact numbers.
    """

    kind: str
    text: str
    start: int
    end: int
    keys: frozenset[Key]
    serious: bool = False
    parts: tuple[frozenset[Key], ...] = ()


def _fact(kind: str, text: str, start: int, end: int, *keys: Key, serious: bool = False) -> Fact:
    return Fact(kind, text[start:end], start, end, frozenset(keys), serious)


# --- dates and times ---------------------------------------------------------------------------------------
def _month(word: str) -> int:
    return _MONTHS.index(word[:3].lower()) + 1


def _is_day(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= 31


def _day_keys(year: int, month: int, day: int) -> tuple[Key, ...]:
    """`year` 0 when the text does not say. A date without a year says the same as that date in any year."""
    return (("date", year, month, day),)


def _dates(match: re.Match[str], text: str) -> Iterator[Fact]:
    g = match.groupdict()
    start, end = match.span()
    if g["iso"]:
        year, month, day = int(g["iy"]), int(g["im"]), int(g["id"])
        if _is_day(month, day):
            cut = match.end("id")
            yield _fact("date", text, start, cut, *_day_keys(year, month, day), serious=True)
            if g["ih"]:
                yield _fact(
                    "time",
                    text,
                    match.start("ih"),
                    match.end("imin"),
                    _time_key(int(g["ih"]), int(g["imin"])),
                )
    elif g["dmy"] or g["mdy"]:
        p = "d" if g["dmy"] else "m"
        month = _month(g["dm" if p == "d" else "mm"])
        year = int(g["dy" if p == "d" else "my"] or 0)
        first, second = g["dd" if p == "d" else "md"], g["dd2" if p == "d" else "md2"]
        for named in (first, second):
            if named and _is_day(month, int(named)):
                yield _fact("date", text, start, end, *_day_keys(year, month, int(named)), serious=True)
    elif g["numeric"]:
        a, b, year = int(g["n1"]), int(g["n2"]), int(g["ny"])
        year += 2000 if year < 100 else 0
        keys = [key for m, d in ((b, a), (a, b)) if _is_day(m, d) for key in _day_keys(year, m, d)]
        if keys:
            yield _fact("date", text, start, end, *keys, serious=True)
    elif g["month"]:
        yield _fact("date", text, start, end, ("month", int(g["oy"]), _month(g["om"])), serious=True)
    elif g["ordinal"]:
        yield _fact("date", text, start, end, ("day", int(g["o"])), ("n", str(int(g["o"]))))


def _time_key(hour: int, minute: int) -> Key:
    return ("time", (hour % 24) * 60 + minute)


def _clock_keys(hour: int, minute: int, half: str) -> list[Key]:
    """Minutes of the day. Without am or pm an hour up to twelve may be either."""
    half = half.lower()
    if half.startswith("p"):
        return [_time_key(hour % 12 + 12, minute)]
    if half.startswith("a"):
        return [_time_key(hour % 12, minute)]
    keys = [_time_key(hour, minute)]
    return [*keys, _time_key(hour % 12 + 12, minute)] if 0 < hour < 12 else keys


def _times(match: re.Match[str], text: str) -> Iterator[Fact]:
    g = match.groupdict()
    start, end = match.span()
    if g["span12"]:
        for hour, minute in (("s1", "s1m"), ("s2", "s2m")):
            keys = _clock_keys(int(g[hour]), int(g[minute] or 0), g["shalf"])
            if hour == "s1":  # "9 to 2 pm" starts in the morning
                keys += _clock_keys(int(g[hour]), int(g[minute] or 0), "a")
            yield _fact("time", text, start, end, *keys)
    elif g["twelve"]:
        yield _fact("time", text, start, end, *_clock_keys(int(g["t1"]), int(g["t1m"] or 0), g["half"]))
    elif g["clock"]:
        yield _fact("time", text, start, end, *_clock_keys(int(g["c1"]), int(g["c1m"]), ""))
    elif g["noon"]:
        yield _fact("time", text, start, end, _time_key(0 if g["noon"].lower() == "midnight" else 12, 0))


# --- numbers -----------------------------------------------------------------------------------------------
def _decimals(digits: str) -> list[Decimal]:
    """What a written number may mean: "1,234" is 1234, or 1.234 where a comma is the decimal point."""
    plain = re.sub(r"[ \u00a0\u202f']", "", digits)
    points, commas = plain.count("."), plain.count(",")
    readings: list[str] = []
    if points and commas:
        last = max(plain.rfind("."), plain.rfind(","))
        readings = [re.sub(r"[.,]", "", plain[:last]) + "." + plain[last + 1 :]]
    elif points or commas:
        sep = "." if points else ","
        grouped = re.fullmatch(rf"\d{{1,3}}(?:\{sep}\d{{3}})+", plain)
        if grouped:
            readings.append(plain.replace(sep, ""))
        if points + commas == 1:
            readings.append(plain.replace(sep, "."))
    else:
        readings = [plain]
    try:
        return [Decimal(reading) for reading in readings]
    except InvalidOperation:
        return []


def _number_key(value: Decimal) -> Key:
    return ("n", format(value.normalize(), "f"))


def _number(text: str, match: re.Match[str]) -> Fact | None:
    digits = match.group("digits")
    values = _decimals(digits)
    if not values:
        return None
    after = (match.group("after") or "").strip().lower()
    keys = {_number_key(value) for value in values}
    if after == "k":
        keys |= {_number_key(value * 1000) for value in values}
    if digits.isdigit() and len(digits) >= _REFERENCE:
        keys.add(("ref", digits))
    money = bool(match.group("money")) or bool(_CURRENCY.search(text[: match.start()]))
    exact = "%" in after or "cent" in after or after in ("€", "$", "£") or "eur" in after or "usd" in after
    serious = money or exact or max(values) >= 100 or "." in format(min(values).normalize(), "f")
    words = re.findall(r"\d+", digits)
    parts = tuple(frozenset({("n", str(int(word))), ("ref", word)}) for word in words)
    return Fact(
        "number",
        text[match.start() : match.end()],
        match.start(),
        match.end(),
        frozenset(keys),
        serious,
        parts if re.search(r"[ \u00a0\u202f]", digits) else (),
    )


# --- references --------------------------------------------------------------------------------------------
def _squeeze(word: str) -> str:
    return "".join(letter for letter in word if letter.isalnum()).upper()


def _reference(text: str, start: int, end: int) -> Fact:
    name = _squeeze(text[start:end])
    digits = sum(letter.isdigit() for letter in name)
    words = re.findall(r"[A-Za-z]+|\d+", text[start:end])
    numbers = tuple(frozenset({("ref", word.upper()), ("n", word.lstrip("0") or "0")}) for word in words)
    return Fact(
        "reference",
        text[start:end],
        start,
        end,
        frozenset({("ref", name)}),
        serious=len(name) >= 4 and digits >= 2,
        # "PO 45123" is known where "45123" is called a purchase order.
        parts=numbers[1:] if " " in text[start:end] else (),
    )


# --- the whole ---------------------------------------------------------------------------------------------
def _from_token(text: str, start: int, end: int) -> Iterator[Fact]:
    """A word with a digit in it is a number with its unit ("40ft", "24-hour", "EUR450") or a reference."""
    word = text[start:end]
    if not any(letter.isdigit() for letter in word):
        return
    unit = re.fullmatch(r"(?i)(eur|usd|gbp|chf)?(\d+(?:\.\d+)?)((?:-[a-z]+)+|[a-z]{0,3}\d?)", word)
    if unit and (unit.group(1) or unit.group(3).startswith("-") or _is_unit(unit.group(3))):
        match = _NUMBER.match(text, start + len(unit.group(1) or ""))
        value = Decimal(unit.group(2))
        keys: set[Key] = {_number_key(value), ("ref", _squeeze(word))}
        if match:
            keys |= {_number_key(reading) for reading in _decimals(unit.group(2))}
        if unit.group(3).lower() == "k":
            keys.add(_number_key(value * 1000))
        yield Fact(
            "number",
            word,
            start,
            end,
            frozenset(keys),
            serious=bool(unit.group(1)) or value >= 100,
        )
        return
    span = re.fullmatch(r"(\d+)-(\d+)", word)
    if span and len(span.group(1)) <= 3 and len(span.group(2)) <= 3:  # "3-5 days"
        for group in (1, 2):
            number = int(span.group(group))
            yield Fact(
                "number",
                word,
                start,
                end,
                frozenset({("n", str(number)), ("ref", _squeeze(word))}),
                serious=number >= 100,
            )
        return
    yield _reference(text, start, end)


def _is_unit(word: str) -> bool:
    return word.lower() in {
        "", "kg", "kgs", "g", "t", "mt", "km", "m", "m2", "m3", "cm", "mm", "ft", "cbm", "l", "h", "hr", "hrs", "min", "k",
        "x", "teu", "c", "f", "pm", "am", "s", "in", "lb", "lbs",
    }  # fmt: skip


def facts_of(text: str) -> list[Fact]:
    """Everything checkable that `text` states, in its order. Enumerations ("1. ...") and "24/7" state nothing."""
    silent = [match.span() for pattern in (_LISTED, _ALWAYS) for match in pattern.finditer(text)]
    facts: list[Fact] = []
    at = 0
    while at < len(text):
        match = _SCAN.search(text, at)
        if match is None:
            break
        number = _NUMBER.search(text, at, match.end()) if match.group("token") else None
        number = _NUMBER.match(text, number.start()) if number and number.start() <= match.start() else None
        if number and number.end() < match.end():
            number = None  # only the head of a longer word: "41007-A"
        found, at = (
            ([made] if (made := _number(text, number)) else [], number.end())
            if number
            else (list(_match_facts(match, text)), match.end())
        )
        facts += found
    for match in _COUNTED.finditer(text):
        value = _WORDS[match.group("word").lower()]
        facts.append(_fact("number", text, match.start("word"), match.end("word"), ("n", str(value))))
    facts = [fact for fact in facts if not any(a <= fact.start and fact.end <= b for a, b in silent)]
    return sorted(facts, key=lambda fact: (fact.start, fact.end))


def _match_facts(match: re.Match[str], text: str) -> Iterator[Fact]:
    start, end = match.span()
    if match.group("address"):
        yield _fact("reference", text, start, end, ("address", match.group().lower()), serious=True)
    elif match.group("weekday"):
        yield _fact("weekday", text, start, end, ("weekday", _DAYS.index(match.group()[:3].lower())))
    elif match.group("spaced"):
        yield _reference(text, start, end)
    elif match.group("token"):
        yield from _from_token(text, start, end)
    else:
        yield from _dates(match, text)
        yield from _times(match, text)


@dataclass
class Known:
    """What the sources state: each key with the places that say it, as (source, start, end)."""

    places: dict[Key, list[tuple[int, int, int]]] = field(default_factory=dict)
    years: set[int] = field(default_factory=set)

    def add(self, source: int, text: str) -> None:
        for fact in facts_of(text):
            for key in fact.keys:
                self._put(key, source, fact.start, fact.end)
                self._put_more(key, source, fact)
            for key in (key for part in fact.parts for key in part if len(str(key[1])) >= _REFERENCE):
                self._put(key, source, fact.start, fact.end)
        for match in re.finditer(rf"(?i)\b(?:{'|'.join(_WORDS)})\b", text):
            self._put(("n", str(_WORDS[match.group().lower()])), source, *match.span())
        words = list(re.finditer(r"[A-Za-z0-9]+", text))
        for i, first in enumerate(words):
            name = ""
            for last in words[i : i + _WINDOW]:
                name += last.group().upper()
                if any(letter.isdigit() for letter in name):
                    self._put(("ref", name), source, first.start(), last.end())

    def _put(self, key: Key, source: int, start: int, end: int) -> None:
        self.places.setdefault(key, []).append((source, start, end))

    def _put_more(self, key: Key, source: int, fact: Fact) -> None:
        """A date also states its day, month and year, and the weekday it falls on."""
        if key[0] == "date":
            _, year, month, day = key
            self._put(("anyyear", month, day), source, fact.start, fact.end)
            self._put(("day", day), source, fact.start, fact.end)
            if isinstance(year, int) and year:
                self.years.add(year)
                self._put(("month", year, month), source, fact.start, fact.end)
                self._put(("n", str(year)), source, fact.start, fact.end)
                weekday = _weekday(year, month, day)
                if weekday is not None:
                    self._put(("weekday", weekday), source, fact.start, fact.end)

    def where(self, fact: Fact) -> list[tuple[int, int, int]]:
        """The places that say what the fact says; empty when nothing does."""
        found: list[tuple[int, int, int]] = []
        for key in fact.keys:
            found += self.places.get(key, [])
            if key[0] == "date":
                _, year, month, day = key
                if year:
                    found += self.places.get(("date", 0, month, day), [])
                else:
                    found += self.places.get(("anyyear", month, day), [])
        if found or not fact.parts:
            return found
        parts = [[place for key in keys for place in self.places.get(key, [])] for keys in fact.parts]
        return [place for part in parts for place in part] if all(parts) else []


def _weekday(year: object, month: object, day: object) -> int | None:
    try:
        return date(int(str(year)), int(str(month)), int(str(day))).weekday()
    except ValueError:
        return None


def wrong_weekdays(text: str, known: Known) -> list[tuple[Fact, Fact, str]]:
    """Weekdays that stand beside a date they do not fall on: [(weekday, date, the right day's name)].

    A date without a year is taken in the one year that the sources speak of; with several, nothing is said.
    """
    facts = facts_of(text)
    wrong = []
    for a, b in pairwise(facts):
        pair = {a.kind: a, b.kind: b}
        if set(pair) != {"weekday", "date"} or not re.fullmatch(r"[\s,(]*(?:the\s+)?", text[a.end : b.start]):
            continue
        key = next(iter(pair["date"].keys))
        if key[0] != "date":
            continue
        years = {key[1]} if key[1] else known.years
        days = {_weekday(year, key[2], key[3]) for year in years}
        said = next(iter(pair["weekday"].keys))[1]
        if len(years) == 1 and None not in days and said not in days:
            right = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")[
                int(str(days.pop()))
            ]
            wrong.append((pair["weekday"], pair["date"], right))
    return wrong
