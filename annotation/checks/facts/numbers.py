"""Numbers with their kind: money, a measure, a count, or no unit."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from annotation.checks.facts.dates import Read, clock_keys
from annotation.checks.facts.fact import BARE, COUNT, Fact, Key, number_key, plain
from annotation.checks.facts.numerals import FIGURES, SPACES, read_figures, spoken_numbers
from annotation.checks.facts.words import (
    ALONE,
    AMOUNTS,
    BETWEEN,
    CODES,
    COUNTS,
    CURRENCIES,
    GLUED,
    HOURS,
    LEAST_DIGITS,
    MORE,
    POINTERS,
    PREFIXES,
    SCALES,
    SETTINGS,
    SOME_OF,
    UNITS,
    any_of,
)  # fmt: skip

FLAGS = re.IGNORECASE
_CODE_LENGTHS = sorted({len(code) for code in CODES})
_LARGE = 100  # from this value an invented number is serious
_MOST_POINTED = 20  # "step 2"; "step 45123" is a reference

# --- before the number -------------------------------------------------------------------------------------
_BACK = 32  # characters read before a number
_PREFIX = re.compile(rf"(?:(?<![^\W_])(?P<code>{any_of(m for m in PREFIXES if m[0].isalpha())})\.?|(?P<sign>{any_of(m for m in PREFIXES if not m[0].isalpha())}))[{SPACES}]?[-−]?$", FLAGS)  # fmt: skip
_TIES = frozenset(":=")
_LOOSE = " \t\"'#"

# --- after the number --------------------------------------------------------------------------------------
WORDY_UNITS = any_of(word for word in UNITS if word[-1].isalnum())
_SIGNS = any_of(sign for sign in UNITS if not sign[-1].isalnum())
_MORE_WORD = re.compile(rf"[{SPACES}](?P<more>{any_of(MORE)})\b", FLAGS)
_UNIT = re.compile(
    rf"(?P<gap>[{SPACES}]{{0,2}}|-)(?:(?:{any_of(BETWEEN)})[{SPACES}-]){{0,2}}(?:(?P<word>{WORDY_UNITS})(?![^\W_])|(?P<sign>{_SIGNS}))",
    FLAGS,
)
_GLUED = re.compile(rf"(?P<word>{any_of(GLUED)})(?![^\W_])", FLAGS)
_SCALE = re.compile(
    rf"[{SPACES}]?(?P<scale>{any_of(word for word in SCALES if SCALES[word] >= 100)}|mn|bn|mio)\b|(?P<k>k)\b",
    FLAGS,
)
_SCALES = {**SCALES, "mn": 10**6, "mio": 10**6, "bn": 10**9}
_NOUN = re.compile(rf"[{SPACES}](?P<noun>[^\W\d_]{{2,40}})")
_TIMES = re.compile(r"[x×](?![^\W_])", FLAGS)
_RANGE = re.compile(r"[-–](?P<to>[0-9]{1,3}(?:[.,][0-9]{1,3})?)(?![\w]|[-/.,][0-9])")
_COMPOUND = re.compile(r"(?:-[^\W\d_]{3,30}){1,4}(?![-_/#]?[^\W_])")
# Tested first: without one of these the number is alone and nothing else is tried.
_FOLLOWED = re.compile(rf"[{SPACES}]{{0,2}}(?:[^\W\d]|[^\w\s.,;)\]}}|\"'])|[.:'-](?=[^\W_])")
_GOES_ON = re.compile(r"[^\W_]|[-_/#]{1,2}[^\W_]|[.:](?=[0-9])")
# "Two of them" counts; "two of clubs" and "5 of 12" are not counts.
_SOME_OF = re.compile(rf"[{SPACES}]of (?:{any_of(SOME_OF)})\b", FLAGS)
_NAME_GOES_ON = re.compile(r"(?:[-_][^\W_]{1,40})++")
_IS_KEY = re.compile(r"\"\s{0,3}:")


@dataclass(frozen=True)
class _Unit:
    readings: list[tuple[str, Decimal]]  # measure or currency, and how many of its base unit
    end: int


def _unit_after(text: str, end: int) -> _Unit | None:
    glued = _GLUED.match(text, end)
    if glued:
        return _Unit(GLUED[glued["word"].lower()], glued.end())
    match = _UNIT.match(text, end)
    if not match:
        return None
    return _Unit(UNITS[(match["word"] or match["sign"]).lower()], match.end())


def _prefix_before(text: str, at: int) -> re.Match[str] | None:
    """The currency in front of the number at `at`."""
    before = text[max(0, at - 3) : at].rstrip(f"{SPACES}-−.")
    if not before or before[-1].isdigit() or before[-1] in "\"':,;|(":
        return None
    return _PREFIX.search(text, max(0, at - 8), at)


def _label_before(text: str, at: int) -> tuple[str, bool]:
    """The name in front of a number in lower case, and whether a mark connects it to the number ("qty: 3")."""
    start, end = max(0, at - _BACK), at
    tied = False
    while end > start and (text[end - 1] in _LOOSE or (text[end - 1] in _TIES and not tied)):
        tied = tied or text[end - 1] in _TIES
        end -= 1
    begin = end
    while begin > start and (text[begin - 1].isalpha() or text[begin - 1] == "_"):
        begin -= 1
    return text[begin:end].lower(), tied


def _is_any(label: str, names: frozenset[str]) -> bool:
    return label in names or label.rpartition("_")[2] in names


@dataclass
class _Number:
    """A number that is being read."""

    text: str
    at: int  # where its figures or words begin
    start: int  # where its text begins, with a currency sign
    end: int
    values: tuple[Decimal, ...]
    spoken: bool = False
    digits: str = ""


def at_figures(text: str, at: int) -> Read | None:
    """The number that begins with the figure at `at`; None when it is the start of a reference ("41007-A")."""
    match = FIGURES.match(text, at)
    if not match:
        return None
    digits, end = match.group(), match.end()
    values = read_figures(digits)
    if not values or _looks_like_reference(digits):
        return None
    number = _Number(text, at, at, end, values, digits=digits)
    if not _FOLLOWED.match(text, end):
        return [_finish(number, None)], end
    through = _RANGE.match(text, end)
    if through and (len(digits) <= 3 or not digits.isdigit()):
        return _range(number, through)
    return _with_what_follows(number)


def _with_what_follows(number: _Number) -> Read | None:
    """The number with its scale and unit, or with the word it is joined to ("2x", "3-pack")."""
    text, end = number.text, number.end
    _scale(number)
    unit = _unit_after(text, number.end)
    if not unit:
        short = len(number.digits) <= 3
        joined = _TIMES.match(text, number.end) or (_COMPOUND.match(text, number.end) if short else None)
        if joined:
            number.end = joined.end()
            return [_counted(number)], number.end
        if number.end == end and _GOES_ON.match(text, end):
            return None
    fact = _finish(number, unit)
    return [fact], number.end


def _looks_like_reference(digits: str) -> bool:
    """ "007" and "00451" are not numbers: a number has no zeros in front."""
    return len(digits) >= 3 and digits[0] == "0" and digits.isdigit()


def _range(number: _Number, through: re.Match[str]) -> Read | None:
    """ "3-5 days" gives both ends, in the unit of the second."""
    second = _Number(
        number.text, through.start("to"), number.start, through.end(), read_figures(through["to"])
    )
    unit = _unit_after(number.text, through.end())
    facts = []
    for bound in (number, second):
        bound.end = through.end()
        facts.append(_finish(bound, unit))
    return facts, second.end


def at_number_word(text: str, at: int) -> Read | None:
    """The numbers in words that begin at `at`: "twenty-five", "a dozen", "two hundred and five pallets"."""
    facts: list[Fact] = []
    end = at
    for spoken in spoken_numbers(text, at):
        number = _Number(text, spoken.start, spoken.start, spoken.end, (Decimal(spoken.value),), spoken=True)
        unit = _unit_after(text, spoken.end)
        name = _NAME_GOES_ON.match(text, spoken.end)
        if name and not unit:  # "two-factor", "two-of-diamonds": a name, not a number of things
            return facts, name.end()
        facts.append(_finish(number, unit))
        end = number.end
    return (facts, end) if facts else None


def number_fact(text: str, start: int, end: int, readings: list[tuple[str, Decimal]]) -> Fact:
    keys = tuple(number_key(value, unit) for unit, value in readings)
    return Fact("number", text[start:end], start, end, keys)


# --- joining the parts --------------------------------------------------------------------------------
def _scale(number: _Number) -> None:
    """Multiplies the figures by the scale: "1.5 million", "5k"."""
    match = _SCALE.match(number.text, number.end)
    if match and all(value.adjusted() < 9 for value in number.values):
        number.end = match.end()
        scale = 1000 if match["k"] else _SCALES[match["scale"].lower()]
        number.values = tuple(value * scale for value in number.values)


def _finish(number: _Number, unit: _Unit | None) -> Fact:
    """The fact of a number, from the text before and after it."""
    text, values = number.text, number.values
    prefix = None if number.spoken else _prefix_before(text, number.at)
    if prefix:
        number.start = prefix.start("code" if prefix["code"] else "sign")
        readings = PREFIXES[(prefix["code"] or prefix["sign"]).lower()]
    elif unit:
        number.end = max(unit.end, number.end)
        readings = unit.readings
    else:
        return _without_unit(number)
    keys = tuple(dict.fromkeys(number_key(value * per, name) for value in values for name, per in readings))
    units = {name for name, _ in readings}
    # Invented money, shares and exact figures do harm; "5 minutes" is less serious.
    serious = bool(units & CURRENCIES) or "percent" in units or _is_exact(values)
    more = "more" if _MORE_WORD.match(text, number.end) else ""
    return _made(number, keys, serious=serious, label=more)


def _is_whole(values: tuple[Decimal, ...]) -> bool:
    return all(value == value.to_integral_value() for value in values)


def _is_exact(values: tuple[Decimal, ...]) -> bool:
    return max(values) >= _LARGE or not _is_whole(values)


def _without_unit(number: _Number) -> Fact:
    label, tied = _label_before(number.text, number.at)
    if _is_any(label, COUNTS):
        return _counted(number)
    noun = _NOUN.match(number.text, number.end)
    word = noun["noun"].lower() if noun else ""
    if word == "of" and not _SOME_OF.match(number.text, number.end):
        return _made(number, tuple(number_key(value, "of") for value in number.values), serious=False)
    if word in MORE:
        return _counted(number, more=True)
    if _is_any(label, AMOUNTS) or not (number.spoken or (word and word not in ALONE)):
        return _bare(number, label, tied=tied)
    return _counted(number)


def _bare(number: _Number, label: str, *, tied: bool) -> Fact:
    """A number alone: an amount without a unit, a reference in figures, an hour."""
    values = number.values
    keys: list[Key] = [number_key(value, BARE) for value in values]
    keys += _as_reference(number)
    if label in HOURS and number.digits.isdigit() and len(number.digits) <= 2 and int(number.digits) <= 24:
        keys += clock_keys(int(number.digits), 0)
    claims = not _is_silent(number, values, label, tied=tied)
    named = "amount" if _is_any(label, AMOUNTS) else ""
    return _made(number, tuple(keys), serious=_is_exact(values), claims=claims, label=named)


def _as_reference(number: _Number) -> Iterator[Key]:
    """A longer number can be a reference, and the words before it can be part of it ("fd 41007")."""
    digits = number.digits
    if digits.isdigit() and len(digits) >= LEAST_DIGITS:
        yield ("id", digits)
    if digits.isdigit() and len(digits) >= 3:
        yield from (("id", name) for name in joined_names(number.text, number.at, digits))


def _is_silent(number: _Number, values: tuple[Decimal, ...], label: str, *, tied: bool) -> bool:
    """References to parts of the text, free choices of the caller, and a count of one."""
    if max(values) <= 1 and _is_whole(values):
        return True
    if tied and _is_any(label, SETTINGS):
        return True
    return label in POINTERS and max(values) <= _MOST_POINTED


def _counted(number: _Number, *, more: bool = False) -> Fact:
    """A count of things. One is implied by the name of the thing, so it is not a claim; zero is not a claim either."""
    label, tied = _label_before(number.text, number.at)
    keys = [*(number_key(value, COUNT) for value in number.values), *_as_reference(number)]
    if number.spoken and label in HOURS and not number.text[number.end : number.end + 2].strip(" .,;!?"):
        keys += clock_keys(int(number.values[0]), 0) if number.values[0] <= 24 else []  # "at three"
    single = max(number.values) <= 1
    noun = _NOUN.match(number.text, number.end)
    claims = not single and not _is_silent(number, number.values, label, tied=tied)
    fact = _made(
        number, tuple(keys), serious=_is_exact(number.values), claims=claims, label="more" if more else ""
    )
    return replace(fact, noun=noun["noun"].lower()) if noun and noun["noun"].lower() not in ALONE else fact


def _made(
    number: _Number, keys: tuple[Key, ...], *, serious: bool, claims: bool = True, label: str = ""
) -> Fact:
    text = number.text
    if _IS_KEY.match(text, number.end):
        claims = False  # the name of a field
    written = text[number.start : number.end]
    parts: tuple[tuple[Key, ...], ...] = ()
    pieces = number.digits.split()
    if len(pieces) > 1:  # "28 100" can be two numbers
        parts = tuple((number_key(Decimal(piece), BARE), ("id", piece)) for piece in pieces)
    values = tuple(plain(value) for value in number.values)
    return Fact("number", written, number.start, number.end, keys, serious, claims, parts, label, values)


def joined_names(text: str, at: int, name: str) -> Iterator[str]:
    """`name` with the one, two and three words before it: how a reference is written with spaces ("fd 41007")."""
    start = max(0, at - 40)
    words = text[start:at].split(" ")
    if words.pop() not in ("", "#"):
        return
    joined = name
    for word in reversed(words[-3:] if start == 0 else words[1:][-3:]):
        letters = word.lstrip("\"'([{,;:|")
        if not letters.isalpha():
            return
        joined = letters.upper() + joined
        yield joined
        if letters != word:
            return


def after_code(text: str, at: int, word: str) -> int:
    """Where the figures begin after a currency without a space ("EUR450"); `at` itself without a currency."""
    for length in _CODE_LENGTHS:
        if word[length : length + 1].isdigit() and word[:length] in CODES:
            return at + length
    return at
