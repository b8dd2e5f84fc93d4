"""A check of its own for tests: repeated spaces, which it fixes. It is a plug-in like the others."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from annotation.checks import CHECKS, TEXT_CHECKS
from annotation.checks.base import Check, Finding, Fix, Pair, Span, TimeBudget
from core.models import Project

_GAP = re.compile(r" {2,}")


def _gaps(pair: Pair, project: Project, budget: TimeBudget) -> list[Finding]:
    texts = [("messages", at, text) for at, text in enumerate(pair.messages)]
    texts += [("context", at, text) for at, text in enumerate(pair.context)]
    return [
        Finding(
            "warn",
            "Too many spaces.",
            (Span(field, index, *match.span(), "warn"),),
            kind="two-spaces",
            fixes=(Fix(field, index, *match.span(), " "),),
        )
        for field, index, text in [*texts, ("completion", 0, pair.completion)]
        for match in _GAP.finditer(text)
    ]


@contextmanager
def check_of_spaces() -> Iterator[str]:
    """The check "spaces" is one of the checks."""
    CHECKS["spaces"] = Check("spaces", "No repeated spaces", _gaps)
    TEXT_CHECKS.append("spaces")
    try:
        yield "spaces"
    finally:
        TEXT_CHECKS.remove("spaces")
        del CHECKS["spaces"]
