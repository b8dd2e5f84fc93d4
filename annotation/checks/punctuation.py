"""Capitals, full stops and spaces: what a copy editor would correct without asking.

Languages without small and capital letters have no finding, nor have calls, code and lists.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace

from annotation.checks.base import UNLIMITED, Check, Finding, Fix, Pair, Span, TimeBudget
from annotation.checks.english.harper import CAPITAL, SPACES, lints
from annotation.checks.languages import is_english
from annotation.checks.prose import inside, other_places
from annotation.checks.sentences import LEAST_WORDS, is_cut_off, last_sentence
from core.models import Project

_MOST = 20
_SEVERAL = {
    "capital": "Sentences begin with a small letter", "spaces": "Spaces are missing or too much",
    "pronoun": "“I” is written small", "full-stop": "A full stop is missing",
}  # fmt: skip
_FIRST = re.compile(r"\s*[\"“‘(¿¡]?([^\W\d_][\w'’-]*)")
_TWO_SPACES = re.compile(r"(?<=[^\W_])[ \u00a0]{2,}(?=[^\W_])|(?<=,)[ \u00a0]{2,}(?=[^\W_])")
_NOT_A_SENTENCE = re.compile(r"\s*(?:[-*•#>|]|\d{1,3}[.)]\s|.{0,40}:\s*\S{1,40}$)")
_CLOSING = frozenset("'’\"”)]")
_AUXILIARY = r"(?:do|does|did|is|are|was|were|can|could|would|will|shall|should|may|have|has)"
_ASKS = re.compile(
    rf"(?:(?:so|and|ok|okay|sure|yes|no|hi|hello|please|sorry|great|alright),?\s+){{0,4}}{_AUXILIARY}(?:n['’]?t)?\s+"
    r"(?:i|you|we|they|he|she|it|this|that|these|those|the|your|my|our|there|everything)\b",
    re.IGNORECASE,
)
_MAY_ASK = re.compile(
    rf"\b(?:what|which|who|whom|whose|how|why|when|where)\b|\b(?:right|correct|ok|okay)\s*\Z"
    rf"|\s{_AUXILIARY}\s+(?:i|you|we|they|it|this|that|the|your)\b",
    re.IGNORECASE,
)


def run(pair: Pair, project: Project, budget: TimeBudget = UNLIMITED) -> list[Finding]:
    text = pair.completion
    if pair.is_call or not text.strip():
        return []
    english = is_english(text, pair.question)
    found = [*_first_capital(text), *_spaces(text), *_last_stop(text, english)]
    if english:
        taken = {span.start for finding in found for span in finding.spans}
        found += [finding for finding in _harpers(text, budget) if finding.spans[0].start not in taken]
    return [*_together(found[:_MOST])]


def _together(found: list[Finding]) -> Iterator[Finding]:
    """One finding for each kind: a text in small letters has one fault, not ten."""
    for kind in dict.fromkeys(finding.kind for finding in found):
        same = [finding for finding in found if finding.kind == kind]
        spans = tuple(span for finding in same for span in finding.spans)
        fixes = tuple(fix for finding in same for fix in finding.fixes)
        says = same[0].says if len(same) == 1 else f"{_SEVERAL[kind]} in {len(same)} places."
        yield replace(same[0], says=says, spans=spans, fixes=fixes)


def _first_capital(text: str) -> Iterator[Finding]:
    match = _FIRST.match(text)
    if not match or inside(*match.span(1), other_places(text)):
        return
    word = match[1]
    # "iPhone" and "eBay" are written so; a text of one word is a value rather than a sentence.
    if (
        word.islower()
        and word[0].upper() != word[0]
        and word[0].upper().isalpha()
        and len(text.split()) > 1
        and len(word[0].upper()) == 1
    ):
        yield _finding(
            "capital",
            "The text begins with a small letter.",
            match.start(1),
            match.start(1) + 1,
            word[0].upper(),
        )


def _spaces(text: str) -> Iterator[Finding]:
    for match in list(_TWO_SPACES.finditer(text))[:_MOST]:
        if not inside(*match.span(), other_places(text)):
            yield _finding("spaces", "Two spaces where one is enough.", match.start(), match.end(), " ")


def _last_stop(text: str, english: bool) -> Iterator[Finding]:
    at = len(text.rstrip())
    end = at - 2 if text[max(0, at - 1) : at] in _CLOSING and at > 1 else at - 1
    last, line = last_sentence(text), text[:at].rpartition("\n")[2]
    if (
        text.lstrip()[:1] in "{["
        or len(last.split()) < LEAST_WORDS
        or not _is_cased(text[end])
        or _NOT_A_SENTENCE.match(line)
    ):
        return
    if inside(at - 1, at, other_places(text)) or is_cut_off(text, english=lambda: english):
        return
    says, stop = "The last sentence has no full stop.", "."
    if english and _ASKS.match(last):
        says, stop = "The last question has no question mark.", "?"
    elif not english or _MAY_ASK.search(last):
        # Whether it asks is not certain, so a person must write it.
        says, stop = "The last sentence has no full stop or question mark.", ""
    fixes = (Fix("completion", 0, at, at, stop),) if stop else ()
    yield Finding("warn", says, (Span("completion", 0, end, at, "warn"),), kind="full-stop", fixes=fixes)


def _is_cased(letter: str) -> bool:
    return letter.isdigit() or unicodedata.category(letter) in ("Ll", "Lu")


def _harpers(text: str, budget: TimeBudget) -> Iterator[Finding]:
    for lint in lints(text):
        budget.spend()
        if (
            lint.category not in (CAPITAL, SPACES)
            or inside(lint.start, lint.end, other_places(text))
            or not lint.replacements
        ):
            continue
        written, meant = text[lint.start : lint.end], lint.replacements[0]
        if lint.category == SPACES:
            if "." not in written and "\n" not in written:
                yield _finding("spaces", "A space is missing or too much.", lint.start, lint.end, meant)
        elif written[:1].islower() and written.casefold() == meant.casefold():
            pronoun = written.casefold().split("'")[0].split("’")[0] == "i"
            says = (
                f"“{written}” is written “{meant}”."
                if pronoun
                else f"The sentence begins with a small letter: “{written}”."
            )
            yield _finding("pronoun" if pronoun else "capital", says, lint.start, lint.end, meant)


def _finding(kind: str, says: str, start: int, end: int, becomes: str) -> Finding:
    return Finding(
        "warn",
        says,
        (Span("completion", 0, start, end, "warn"),),
        kind=kind,
        fixes=(Fix("completion", 0, start, end, becomes),),
    )


CHECK = Check("punctuation", "Capitals, full stops and spaces", run)
