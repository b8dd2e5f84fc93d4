"""Vulgar words and insults in a completion, by a word list (rules/profanity.toml).

A list does not understand: it misses rudeness in polite words, irony, and languages without a list. A scorer that does can be added
with `annotation.registry.register_rudeness`. Only the completion is looked at: customers write what they want.
"""

import re
import tomllib
from functools import lru_cache
from pathlib import Path

from annotation.checks.base import UNLIMITED, Check, Finding, Pair, Span, TimeBudget
from annotation.registry import rudeness_of
from core.models import Project

_RULES = Path(__file__).parent / "rules" / "profanity.toml"
_MOST = 20
_NEAR = 30  # letters between a person's word and an insult
_BEGIN = 4  # letters; every word of the lists has as many before its first "*"
_LETTERS = re.compile(r"\w+")
_QUOTED = re.compile(r"[\"“„«]\s*$")
_NOT = re.compile(r"\b(?:not|never|n['’]t|no|nicht|kein\w*|pas|nunca)\s(?:[\w'’]+\s){0,1}$", re.IGNORECASE)
_IF = re.compile(r"\b(?:if|ob|si)\b", re.IGNORECASE)
_OTHER_SENTENCE = re.compile(r"[.!?;\n]")


def _rules() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads(_RULES.read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def _lists() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """(vulgar words, insults, words for a person) of all languages: a word of one language is rarely one of another, too."""

    def words_for(name: str) -> re.Pattern[str]:
        return _pattern({word for language in _rules().values() for word in language[name]})

    return words_for("vulgar"), words_for("insult"), words_for("person")


@lru_cache(maxsize=1)
def _beginnings() -> frozenset[str]:
    """The first letters, _BEGIN at most, of all vulgar words and insults."""
    words = {
        word for language in _rules().values() for name in ("vulgar", "insult") for word in language[name]
    }
    return frozenset(_LETTERS.findall(word)[0][:_BEGIN].casefold() for word in words)


def _may_be_rude(text: str) -> bool:
    """Whether a word of the text begins like one of the lists. Ten times as fast as the patterns."""
    if not text.isascii():
        return True
    begins = {word[:_BEGIN] for word in _LETTERS.findall(text.lower())}
    return not begins.isdisjoint(_beginnings())


def _pattern(words: set[str]) -> re.Pattern[str]:
    parts = [re.escape(word).replace(r"\*", r"\w{0,12}").replace(r"\ ", r"\s{1,3}") for word in sorted(words)]
    return re.compile(rf"(?<![\w'’-])(?:{'|'.join(parts)})(?![\w-])", re.IGNORECASE)


def run(pair: Pair, project: Project, budget: TimeBudget = UNLIMITED) -> list[Finding]:
    text = pair.completion
    if pair.is_call or not text.strip():
        return []
    findings = _listed(text) if _may_be_rude(text) else []
    if not findings and (says := rudeness_of(text)):
        findings.append(Finding("warn", says, (Span("completion", 0, 0, len(text), "warn"),), kind="rude"))
    return findings


def _listed(text: str) -> list[Finding]:
    vulgar, insults, _ = _lists()
    findings = []
    spans = [match.span() for match in vulgar.finditer(text)][:_MOST]
    if spans:
        findings.append(_finding("profanity", "A vulgar word: “{}”.", text, spans))
    spans = [match.span() for match in insults.finditer(text) if _meets_person(text, *match.span())][:_MOST]
    if spans:
        findings.append(_finding("insult", "It can be read as an insult: “{}”.", text, spans))
    return findings


def _meets_person(text: str, start: int, end: int) -> bool:
    """Whether somebody is called so: a word for a person just before it in the same sentence, and no "not"; or the word alone."""
    if text.strip(" .!?\n") == text[start:end]:
        return True
    before = _OTHER_SENTENCE.split(text[max(0, start - _NEAR) : start])[-1]
    if _NOT.search(before) or _QUOTED.search(before):
        return False
    after = _OTHER_SENTENCE.split(text[end : end + _NEAR // 2])[0]
    person = _lists()[2]
    return bool(person.search(before) or person.search(after)) and not _IF.search(before)


def _finding(kind: str, says: str, text: str, spans: list[tuple[int, int]]) -> Finding:
    marks = tuple(Span("completion", 0, start, end, "warn") for start, end in spans)
    return Finding("warn", says.format(text[spans[0][0] : spans[0][1]]), marks, kind=kind)


CHECK = Check("profanity", "No vulgar words and no insults", run)
