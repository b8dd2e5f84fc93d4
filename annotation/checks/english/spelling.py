"""Spelling and grammar of an English completion.

harper's dictionary lacks many product words and names, so that a word it does not know is no mistake yet. It counts as misspelt when
a much more common word is one letter away, and neither the conversation, the records nor the project's own texts have it.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from itertools import groupby

from rapidfuzz.distance import OSA

from annotation.checks.base import UNLIMITED, Check, Finding, Fix, Pair, Span, TimeBudget
from annotation.checks.english.frequency import commonness
from annotation.checks.english.harper import REPEATED, SPELLING, Lint, lints
from annotation.checks.languages import is_english
from annotation.checks.prose import inside, other_places, words_in
from core.models import Project

_MOST = 20  # findings of one text
_KNOWN, _COMMON = 3.2, 3.0  # on the Zipf scale: a word that is in use; a word that people mean
_GAIN, _GAIN_SHORT, _GAIN_DOUBLED, _GAIN_SWAPPED = (
    2.3,
    3.4,
    0.9,
    1.3,
)  # how much more common the meant word must be
_SURE_LEAD = 2.0  # a replacement is offered when the next best word is this much less common
_SHORT = 4  # letters
_CONTRACTIONS = frozenset(
    [
        "aren't",
        "can't",
        "couldn't",
        "didn't",
        "doesn't",
        "don't",
        "hadn't",
        "hasn't",
        "haven't",
        "he'll",
        "he's",
        "here's",
        "i'd",
        "i'll",
        "i'm",
        "i've",
        "isn't",
        "it'd",
        "it'll",
        "it's",
        "let's",
        "shouldn't",
        "she's",
        "that's",
        "there's",
        "they'd",
        "they'll",
        "they're",
        "they've",
        "wasn't",
        "we'd",
        "we've",
        "weren't",
        "what's",
        "who's",
        "won't",
        "wouldn't",
        "you'd",
        "you'll",
        "you're",
        "you've",
    ]
)
_DOUBLED = re.compile(r"(.)\1+")
_FINE_TWICE = frozenset(
    {
        "that",
        "had",
        "bye",
        "no",
        "yes",
        "very",
        "so",
        "knock",
        "ha",
        "really",
        "far",
        "long",
        "night",
        "cha",
        "is",
    }
)
_SENTENCE_START = re.compile(r"(?:^|[.!?:\n]\s*|[-*•]\s+)[\"'“‘(]?$")


def run(pair: Pair, project: Project, budget: TimeBudget = UNLIMITED) -> list[Finding]:
    text = pair.completion
    if pair.is_call or not text.strip() or not is_english(text, pair.question):
        return []
    found = [*_seen(text, _Words(pair, project), budget)]
    return found[:_MOST]


class _Words:
    """The words of the conversation, the records and the project: whatever they have is not misspelt."""

    def __init__(self, pair: Pair, project: Project) -> None:
        self._texts = (*pair.messages, *pair.context, project.system_prompt, project.guideline)

    @cached_property
    def known(self) -> frozenset[str]:
        return frozenset(word for text in self._texts for word in words_in(text))


def _seen(text: str, words: _Words, budget: TimeBudget) -> Iterator[Finding]:
    found = [lint for lint in lints(text) if not inside(lint.start, lint.end, other_places(text))]
    spelled: list[tuple[str, Span, list[str]]] = []
    for lint in found:
        budget.spend()
        written = text[lint.start : lint.end]
        if lint.category == SPELLING:
            meant = _meant(lint, text, words)
            if meant:
                spelled.append((written, _span(lint), meant))
        elif lint.category == REPEATED:
            if written.split()[0].casefold() not in _FINE_TWICE:
                yield _finding(
                    "repeated", f"A word stands twice: “{written}”.", [_span(lint)], lint.replacements[:1]
                )
        elif lint.category == "grammar" and lint.replacements:
            meant = list(
                dict.fromkeys(
                    _as_written(one.lower(), written) if one.isupper() else one for one in lint.replacements
                )
            )
            says = f"Grammar: “{written}”. Is it “{meant[0]}”?"
            yield _finding("grammar", says, [_span(lint)], meant if len(meant) == 1 else ())
    spelled.sort(key=lambda one: one[0])
    for written, places in groupby(spelled, key=lambda one: one[0]):
        together = list(places)
        yield _misspelt(written, [span for _, span, _ in together], together[0][2])


def _misspelt(written: str, spans: list[Span], meant: list[str]) -> Finding:
    if meant[0].casefold() == written.casefold():
        return _finding("name", f"“{written}” is a name: “{meant[0]}”.", spans, meant)
    if len(meant) == 1:
        return _finding("word", f"“{written}” looks misspelt. Is it “{meant[0]}”?", spans, meant)
    return _finding("word", f"“{written}” looks misspelt. Is it “{meant[0]}” or “{meant[1]}”?", spans, ())


def _finding(kind: str, says: str, spans: list[Span], meant: "tuple[str, ...] | list[str]") -> Finding:
    fixes = tuple(Fix("completion", 0, span.start, span.end, meant[0]) for span in spans) if meant else ()
    return Finding("warn", says, tuple(spans), kind=kind, fixes=fixes)


def _span(lint: Lint) -> Span:
    return Span("completion", 0, lint.start, lint.end, "warn")


def _meant(lint: Lint, text: str, words: _Words) -> list[str]:
    """The words that were probably meant, the best first; none when the word can be right."""
    written = text[lint.start : lint.end]
    lower = written.casefold().replace("’", "'")
    contractions = [
        one
        for one in lint.replacements
        if one.lower() in _CONTRACTIONS and one.lower().replace("'", "") == lower
    ]
    if contractions:
        return [_as_written(contractions[0], written)]
    if _may_be_right(lint, text, lower, words):
        return []
    as_name = [one for one in lint.replacements if one.casefold() == lower and one != written]
    if as_name:
        return as_name[:1] if written.islower() and _plain_name(as_name[0]) else []
    if _is_form_of_known(lower, words):
        return []
    # A word that is in use can still be a frequent mistake, when only the order or the doubling of its letters is wrong: "recieve".
    known = commonness(lower) >= _KNOWN
    candidates = [one for one in lint.replacements if not known or _same_letters(lower, one.casefold())]
    gains = sorted(((_gain(lower, one.casefold()), one) for one in candidates), reverse=True)
    close = [(gain, one) for gain, one in gains if gain >= _GAIN_DOUBLED]
    if not close or close[0][0] < _least_gain(lower, close[0][1].casefold()):
        return []
    sure = (
        len(close) == 1
        or _same_letters(lower, close[0][1].casefold())
        or close[0][0] - close[1][0] >= _SURE_LEAD
    )
    return [_as_written(one, written) for _, one in (close[:1] if sure else close[:2])]


def _plain_name(name: str) -> bool:
    return name[:1].isupper() and name[1:].islower() and commonness(name) >= 2.5


def _may_be_right(lint: Lint, text: str, lower: str, words: _Words) -> bool:
    written = text[lint.start : lint.end]
    beside = text[lint.start - 1 : lint.start] + text[lint.end : lint.end + 1]
    if (
        any(letter in "-_@#/\\&$" or letter.isalnum() for letter in beside)
        or not written.replace("'", "").replace("’", "").isalpha()
    ):
        return True
    if len(written) < _SHORT or any(letter.isupper() for letter in written[1:]) or not written.isascii():
        return True
    if written[0].isupper() and not _SENTENCE_START.search(text, max(0, lint.start - 6), lint.start):
        return True  # a name
    return lower in words.known


def _is_form_of_known(lower: str, words: _Words) -> bool:
    """A plural or another form of a word that is in use: "chais"."""
    for ending in ("s", "es", "'s", "y"):
        stem = lower.removesuffix(ending)
        if stem != lower and len(stem) > 2 and (stem in words.known or commonness(stem) >= _KNOWN - 0.4):
            return True
    return False


def _gain(written: str, meant: str) -> float:
    """How much more common the meant word is; 0 when it is more than one letter away."""
    if not meant.isalpha():
        return 0.0
    gain = commonness(meant) - commonness(written)
    if _same_but_doubled(written, meant):
        return gain if len(meant) >= _SHORT else 0.0  # "Ummm" is a sound
    if OSA.distance(written, meant) > 1 or commonness(meant) < _COMMON:
        return 0.0
    return gain if written[0] == meant[0] or sorted(written) == sorted(meant) else 0.0


def _same_letters(written: str, meant: str) -> bool:
    return sorted(written) == sorted(meant) or _same_but_doubled(written, meant)


def _least_gain(written: str, meant: str) -> float:
    if sorted(written) == sorted(meant):
        return _GAIN_SWAPPED
    if _same_but_doubled(written, meant):
        return _GAIN_DOUBLED
    return _GAIN_SHORT if len(written) <= _SHORT else _GAIN


def _same_but_doubled(written: str, meant: str) -> bool:
    return _DOUBLED.sub(r"\1", written) == _DOUBLED.sub(r"\1", meant)


def _as_written(word: str, written: str) -> str:
    return word[:1].upper() + word[1:] if written[:1].isupper() else word


CHECK = Check("spelling", "Words and grammar, in English", run)
