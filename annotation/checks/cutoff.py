"""A completion that ends in the middle of a sentence."""

import re

from annotation.checks.base import UNLIMITED, Check, Finding, Pair, Span, TimeBudget
from annotation.checks.languages import is_english
from annotation.checks.sentences import is_cut_off
from core.models import Project

_FENCE = re.compile(r"^\s*```", re.MULTILINE)


def run(pair: Pair, project: Project, budget: TimeBudget = UNLIMITED) -> list[Finding]:
    text = pair.completion
    if pair.is_call or not text.strip():
        return []
    if len(_FENCE.findall(text)) % 2:
        return [_finding(text, "A block of code has no end.")]
    begun = text.strip()[:1]
    if begun in "{[" and not text.strip().endswith(("}", "]")) and '"' in text:
        return [_finding(text, "The call has no end.")]
    if is_cut_off(text, english=lambda: is_english(text, pair.question)):
        return [_finding(text, "The text ends in the middle of a sentence.")]
    return []


def _finding(text: str, says: str) -> Finding:
    end = len(text.rstrip())
    start = end - len(text[:end].rsplit(maxsplit=1)[-1])
    return Finding("warn", says, (Span("completion", 0, start, end, "warn"),), kind="cut-off")


CHECK = Check("ending", "Not cut off in the middle of a sentence", run)
