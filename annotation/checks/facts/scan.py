"""All checkable facts of a text, in order: one pass with bounded steps.

The pass goes from word to word. The start of a word decides which readers are tried. Each has a pattern that reads a bounded
number of characters, so that the time depends only on the length of the text.
"""

import re
from collections.abc import Iterator

from annotation.checks.base import UNLIMITED, TimeBudget
from annotation.checks.facts import dates, fractions, identifiers, numbers
from annotation.checks.facts.dates import Read
from annotation.checks.facts.fact import Fact
from annotation.checks.facts.words import (
    CAPITAL,
    FRACTIONS,
    MONTHS,
    MULTIPLES,
    NUMBER_WORDS,
    SCALES,
    TIMES,
    VAGUE,
    VAGUE_STARTS,
    WEEKDAYS,
    any_of,
)

_WORD = re.compile(r"[^\W_]+")
_FIGURE = frozenset("0123456789")
_LISTED = re.compile(r"(?:^|\n)[ \t]{0,8}[*_]{0,2}$")
_LIST_MARK = re.compile(r"[0-9]{1,2}[.)](?=\s)")
_ESCAPE = re.compile(r"u[0-9a-f]{4}", re.IGNORECASE)
_VAGUE = re.compile(rf"(?:{any_of(VAGUE)})(?![^\W_])", re.IGNORECASE)
_VAGUE_FIGURES = tuple(phrase for phrase in VAGUE if phrase[0].isdigit())
_SCALED = re.compile(rf"an? (?:{any_of(SCALES)})\b", re.IGNORECASE)
_BEFORE_A = frozenset({"within", "in", "after", "take", "takes", "about", "next", "last"})
# Figures of other scripts, one for one, so that positions in the text do not change.
_OTHER_FIGURES = re.compile(r"[^\x00-\x7f]")


# Words with which a fact can begin. Besides, `_BEFORE_A` can where _A_UNIT follows.
_BEGINS = frozenset(
    {
        *MONTHS, *WEEKDAYS, *(f"{day}s" for day in WEEKDAYS if day.endswith("day")), *TIMES, *NUMBER_WORDS, *FRACTIONS,
        *MULTIPLES, "half", "quarter", "http", "https", "www",
    }
)  # fmt: skip
_DECIDES = (
    _BEGINS | VAGUE_STARTS | _BEFORE_A | {"a", "an"}
)  # words that begin a fact, or a phrase that is none
_A_UNIT = re.compile(r"\ban? (?:hour|day|week|month|year)\b", re.IGNORECASE)
_SIGNS = re.compile(r"[0-9@\\]")


def facts_of(text: str, budget: TimeBudget = UNLIMITED) -> Iterator[Fact]:
    """The facts of `text`. Enumerations ("1. ...") and phrases such as "a minute or two" are not facts."""
    text = _ascii_figures(text)
    if not _SIGNS.search(text) and not _A_UNIT.search(text):
        words = _WORD.findall(text.lower())
        budget.spend(len(words) // 8)
        if _BEGINS.isdisjoint(words):
            return  # most texts
    has_address = "@" in text
    at = 0
    while match := identifiers.TOKEN.search(text, at):
        budget.spend()
        word = match.group()
        at = match.end()
        if (
            word.isalpha()
            and word.lower() not in _DECIDES
            and not has_address
            and text[match.start() - 1 : match.start()] != "\\"
            and text[at + 1 : at + 2] not in _FIGURE
        ):
            continue
        start = _WORD.match(text, match.start())
        assert start is not None  # the token begins with it
        facts, at = _read(text, start)
        yield from facts


def _ascii_figures(text: str) -> str:
    if text.isascii():
        return text
    return _OTHER_FIGURES.sub(lambda match: _figure(match.group()), text)


def _figure(letter: str) -> str:
    return str(int(letter)) if letter.isdecimal() else letter


def _read(text: str, match: re.Match[str]) -> Read:
    at = match.start()
    if text[at - 1 : at] == "\\" and (skip := _escaped(text, at)):  # JSON's "\u00e9" and "\n"
        return [], at + skip
    return _at_figure(text, at) if text[at] in _FIGURE else _at_letter(text, match)


def _escaped(text: str, at: int) -> int:
    if _ESCAPE.match(text, at):
        return 5
    return 1 if text[at] in "nrtbf" else 0


def _at_figure(text: str, at: int) -> Read:
    listed = _LIST_MARK.match(text, at)
    if listed and _LISTED.search(text, max(0, at - 12), at):
        return [], listed.end()
    if text.startswith(_VAGUE_FIGURES, at) and (vague := _VAGUE.match(text, at)):
        return [], vague.end()
    for reader in (dates.at_digit, numbers.at_figures, identifiers.grouped):
        read = reader(text, at)
        if read:
            return _longer(read, identifiers.grouped(text, at)) if reader is numbers.at_figures else read
    return _token(text, at)


def _longer(number: Read, grouped: Read | None) -> Read:
    """ "06 1234 5678" begins with a number, but the whole is one reference."""
    return grouped if grouped and grouped[1] > number[1] else number


def _at_letter(text: str, match: re.Match[str]) -> Read:
    at, word = match.start(), match.group().lower()
    if word in VAGUE_STARTS and (vague := _VAGUE.match(text, at)):
        return [], vague.end()
    read = _at_known_word(text, at, word)
    if read:
        return read
    if "@" in text[match.end() : match.end() + 66] or word in ("http", "https", "www"):
        read = identifiers.address(text, at)
        if read:
            return read
    if text[at].isupper() and (read := identifiers.spaced(text, at)):
        return read
    after = numbers.after_code(text, at, word)
    if after > at and (read := numbers.at_figures(text, after)):
        return read
    return _token(text, at)


def _at_known_word(text: str, at: int, word: str) -> Read | None:
    """Reads what begins with a word of the lists: a date, a time, a number in words."""
    read = dates.at_word(text, at, word)
    if read or (word in MONTHS and word not in CAPITAL):
        return read
    if word in NUMBER_WORDS or (word in ("a", "an") and _SCALED.match(text, at)):
        return numbers.at_number_word(text, at)
    if word in FRACTIONS or word == "quarter":
        return fractions.at_fraction(text, at, word)
    if word in MULTIPLES:
        return [fractions.at_multiple(text, at, word)], at + len(word)
    return fractions.at_one_unit(text, at) if word in _BEFORE_A else None


def _token(text: str, at: int) -> Read:
    match = identifiers.TOKEN.match(text, at)
    assert match is not None  # it begins with the present letter or figure
    word = match.group()
    if not any(letter in _FIGURE for letter in word):
        return [], match.end()  # all of "jack-of-hearts" is one name
    fact = identifiers.token(text, match)
    return ([fact] if fact else []), match.end()
