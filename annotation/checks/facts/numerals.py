"""Reads numbers in figures and in words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from annotation.checks.facts.words import NUMBER_WORDS, ONES, SCALES, TENS, any_of

SPACES = " \u00a0\u202f"
# Figures are read up to this length; longer ones are a reference. (int() refuses more than 4,300 digits.)
LONGEST = 18
FIGURES = re.compile(
    rf"[0-9]{{1,3}}(?:[{SPACES}'][0-9]{{3}}){{1,5}}(?![0-9])(?:[.,][0-9]{{1,9}})?(?![0-9])"
    rf"|[0-9]{{1,{LONGEST}}}(?:[.,][0-9]{{1,9}}){{0,6}}(?![0-9])"
)
_WORD = rf"(?:{any_of(NUMBER_WORDS)})"
_SPOKEN = re.compile(rf"(?:an? )?{_WORD}(?:(?: and |[ -]){_WORD}){{0,8}}\b", re.IGNORECASE)
_PIECE = re.compile(r"[a-z]+", re.IGNORECASE)


@lru_cache(maxsize=4096)
def read_figures(digits: str) -> tuple[Decimal, ...]:
    """The possible values of written figures: "1,234" is 1234, or 1.234 where a comma is the decimal point."""
    if digits.isdigit():
        return (Decimal(digits),)
    plain = re.sub(rf"[{SPACES}']", "", digits)
    points, commas = plain.count("."), plain.count(",")
    readings = [plain]
    if points and commas:
        last = max(plain.rfind("."), plain.rfind(","))
        readings = [re.sub(r"[.,]", "", plain[:last]) + "." + plain[last + 1 :]]
    elif points or commas:
        separator = "." if points else ","
        grouped = re.fullmatch(rf"[0-9]{{1,3}}(?:\{separator}[0-9]{{3}})+", plain)
        readings = [plain.replace(separator, "")] if grouped else []
        if points + commas == 1:
            readings.append(plain.replace(separator, "."))
    try:
        return tuple(Decimal(reading) for reading in readings)
    except InvalidOperation:
        return ()


def read_small(words: str) -> int | None:
    """Figures or at most two words below a hundred: "7", "seven", "twenty-five"."""
    if words.isascii() and words.isdigit():
        return int(words[:3])
    pieces = re.split(r"[ -]", words)
    if len(pieces) == 1:
        return ONES.get(pieces[0], TENS.get(pieces[0]))
    tens, ones = TENS.get(pieces[0]), ONES.get(pieces[1])
    return tens + ones if tens is not None and ones is not None and 0 < ones < 10 else None


@dataclass
class Spoken:
    value: int
    start: int
    end: int


def spoken_numbers(text: str, at: int) -> list[Spoken]:
    """The numbers in words that begin at `at`, one after the other: "two hundred and five" is one, "two three" are two.

    "And" joins only after a hundred and more: "five and ten" are two numbers.
    """
    match = _SPOKEN.match(text, at)
    return list(_split(text, match)) if match else []


class _Sum:
    """A number in words during reading: `whole` is the finished thousands, `part` can still be multiplied."""

    def __init__(self) -> None:
        self.whole, self.part, self.room = 0, 0, 10**12

    def take(self, word: str) -> bool:
        """Whether `word` can follow: each step must be smaller than the last one."""
        if word in SCALES:
            return self._scale(SCALES[word])
        value = ONES.get(word, TENS.get(word, 0))
        if value >= self.room:
            return False
        self.part += value
        self.room = 10 if word in TENS else 1
        return True

    def _scale(self, scale: int) -> bool:
        if scale in (12, 100):  # "two hundred", "half a dozen" is read elsewhere
            if self.part >= 100:
                return False
            self.part = (self.part or 1) * scale
            self.room = 100 if scale == 100 else 1
            return True
        if self.whole and self.whole % (scale * 1000):
            return False
        self.whole += (self.part or 1) * scale
        self.part, self.room = 0, scale
        return True

    @property
    def value(self) -> int:
        return self.whole + self.part


def _split(text: str, match: re.Match[str]) -> Iterator[Spoken]:
    current: Spoken | None = None
    total = _Sum()
    joined, joins = False, False
    for piece in _PIECE.finditer(text, *match.span()):
        word = piece.group().lower()
        if word in ("a", "an"):
            continue
        if word == "and":
            joined = True
            continue
        goes_on = current is not None and (joins or not joined) and total.take(word)
        if not goes_on:
            if current:
                yield current
            total = _Sum()
            total.take(word)
            current = Spoken(0, match.start() if current is None else piece.start(), piece.end())
        assert current is not None
        current.value, current.end = total.value, piece.end()
        joined, joins = False, word in SCALES
    if current:
        yield current
