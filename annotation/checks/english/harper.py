"""harper, an English grammar checker that runs inside the process, with the few rules that are nearly always right.

It has 917 rules. Most are about style or taste ("OK" or "okay", "Ceylon" is "Sri Lanka"), and were wrong or useless on real rows;
these were measured one by one (docs/reference/checks.md).
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from threading import Lock
from typing import Any

from annotation.checks.english.frequency import commonness
from annotation.checks.english.plain import PlainTexts, common_words, parts_of

_RULES = frozenset(
    {
        "SpellCheck", "SentenceCapitalization", "CapitalizePersonalPronouns", "CommaFixes", "Spaces", "RepeatedWords", "AnA",
        "DoubleModal", "ModalOf", "DidPast", "IAmAgreement", "ItsPossessive", "Didnt", "DefiniteArticle", "CorrectNumberSuffix",
        "ThenThan", "ConfirmThat", "InflectedVerbAfterTo", "ColdModalTypo", "TheirToThere", "PronounAre", "PossessiveYour",
        "WereWhere", "QuiteQuiet", "OneOfTheSingular", "DoubleNegative", "ProgressiveNeedsBe", "SupposedTo", "UseToUsedTo",
    }
)  # fmt: skip
_MOST_LETTERS = 20_000
# A text with more different words than these that nobody uses in English is not checked.
_MOST_UNKNOWN, _UNKNOWN_SHARE = 8, 0.1
_WORD = re.compile(r"[^\W\d_]{3,}")
# harper's categories
SPELLING, CAPITAL, SPACES, REPEATED = "spelling", "capital", "spaces", "repeated"
_CATEGORIES = {
    "Spelling": SPELLING, "Capitalization": CAPITAL, "Punctuation": SPACES, "Formatting": SPACES, "Repetition": REPEATED,
}  # fmt: skip


@dataclass(frozen=True)
class Lint:
    """One thing that harper sees in [start, end), with replacements of this place, the best first."""

    category: str  # SPELLING, CAPITAL, SPACES, REPEATED, or "grammar"
    start: int
    end: int
    says: str
    replacements: tuple[str, ...]


_lock = Lock()  # a linter is for one thread at a time, and another one needs 200 MB


@lru_cache(maxsize=1)
def _plain_texts() -> PlainTexts["Lint"]:
    return PlainTexts(common_words())


@lru_cache(maxsize=1)
def _linter() -> Any:
    import harper

    linter = harper.Linter()
    linter.set_lint_config({rule: rule in _RULES for rule in linter.get_lint_config()})
    return linter


@lru_cache(maxsize=2048)
def lints(text: str) -> tuple[Lint, ...]:
    """What harper sees in an English text, in its order. Empty for texts that are longer than any example, and for texts with many
    words that are not English. A small letter at the beginning of a text that is otherwise plain may be left out: the check of
    punctuation sees that itself."""
    if len(text) > _MOST_LETTERS:
        return ()
    unknown = _plain_texts().unknown_in(text)
    if unknown == [] or _is_strange(text):
        return ()
    if unknown is not None:
        return _moved(unknown)
    return tuple(
        replace(lint, start=lint.start + first, end=lint.end + first)
        for first, part in parts_of(text)
        for lint in _lints_of_part(part)
    )


@lru_cache(maxsize=4096)
def _lints_of_part(part: str) -> tuple[Lint, ...]:
    """The same of a sentence, as texts share many: each is asked about once."""
    plain = _plain_texts()
    unknown = plain.unknown_in(part)
    if unknown is not None:
        return _moved(unknown)
    found = asked(part)
    words = {(lint.start, lint.end): lint for lint in found if lint.category == SPELLING}
    plain.learn(part, [(lint.start, lint.end) for lint in found], words)
    return found


def _moved(unknown: list[tuple[int, int, Lint]]) -> tuple[Lint, ...]:
    return tuple(replace(lint, start=start, end=end) for start, end, lint in unknown)


def asked(text: str) -> tuple[Lint, ...]:
    """What harper itself says of the text."""
    with _lock:
        try:
            found = _linter().lint(text, language="plaintext")
        except BaseException as error:
            # A failure inside harper's Rust code is not an Exception in Python: it would end this process.
            if type(error).__name__ != "PanicException":
                raise
            _linter.cache_clear()
            raise RuntimeError(f"harper failed: {error}") from None
    return tuple(_lint(one, text) for one in found)


def forget() -> None:
    """Nothing is remembered of earlier texts, for measurements and tests."""
    lints.cache_clear()
    _lints_of_part.cache_clear()


def _is_strange(text: str) -> bool:
    """Names, codes or another language: harper looks for a similar word for each of them, two milliseconds each."""
    words = {word.casefold() for word in _WORD.findall(text)}
    unknown = sum(not commonness(word) for word in words - common_words())
    return unknown > _MOST_UNKNOWN and unknown > _UNKNOWN_SHARE * len(words)


def _lint(one: Any, text: str) -> Lint:
    start, end = one.span.start, one.span.end
    replacements = []
    for suggestion in one.suggestions:
        kind, words = int(suggestion.kind), suggestion.replacement_text
        replacements.append("" if kind == 1 else text[start:end] + words if kind == 2 else words)
    category = _CATEGORIES.get(one.lint_kind, "grammar")
    return Lint(category, start, end, one.message, tuple(replacements))
