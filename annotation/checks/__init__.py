"""Checks: rules that look at an example before a colleague reads it. One file each; add yours to CHECKS.

A check does not decide. It gives findings; "bad" asks the person who submits for a reason, which reviewers then read. A check
that fails or takes too long says so and blocks no one.
"""

import logging
from collections.abc import Mapping
from typing import Any

from annotation.checks import (
    boilerplate,
    cutoff,
    encoding,
    english,
    facts,
    language,
    length,
    privacy,
    profanity,
    punctuation,
    repeated,
    secrets,
    size,
)
from annotation.checks import (
    marks as marks_check,
)
from annotation.checks.base import Check, Finding, OutOfTime, Pair, Span, TimeBudget
from core.models import Project

log = logging.getLogger(__name__)

CHECKS: dict[str, Check] = {
    check.name: check
    for check in (
        facts.CHECK,
        privacy.CHECK,
        secrets.CHECK,
        length.CHECK,
        cutoff.CHECK,
        boilerplate.CHECK,
        profanity.CHECK,
        language.CHECK,
        english.CHECK,
        punctuation.CHECK,
        encoding.CHECK,
        marks_check.CHECK,
        size.CHECK,
        repeated.CHECK,
    )
}
TEXT_CHECKS = [name for name, check in CHECKS.items() if not check.asks_database]
SECONDS = 2.0  # processor time of one check; the largest example that can be stored takes about half of it
_WORST_FIRST = {"bad": 0, "warn": 1, "ok": 2}

__all__ = [
    "CHECKS",
    "TEXT_CHECKS",
    "Check",
    "Finding",
    "Pair",
    "Span",
    "fact_marks",
    "marks",
    "run_checks",
    "text_findings",
    "texts_of",
]


def run_checks(
    content: Mapping[str, Any], project: Project, *, example_id: int | None = None
) -> list[Finding]:
    """Every check's findings in the order of CHECKS, each check's worst first. Some checks are silent when all is well; those that
    the project has switched off always are."""
    pair = Pair.of(content, example_id)
    return [finding for check in CHECKS.values() for finding in _run(check, pair, project)]


def text_findings(
    content: Mapping[str, Any], project: Project, *, example_id: int | None = None
) -> list[Finding]:
    """The findings of TEXT_CHECKS: what they say depends on the text and the project's settings. With a bad one among them a submit needs
    a reason. Makes no query, but for a text that may be too long: then it asks once for the project's base model
    (annotation.registry.base_of_lengths)."""
    pair = Pair.of(content, example_id)
    return [finding for name in TEXT_CHECKS for finding in _run(CHECKS[name], pair, project)]


def _run(check: Check, pair: Pair, project: Project) -> list[Finding]:
    if check.name in project.checks_off:
        return []
    try:
        findings = check.run(pair, project, TimeBudget(SECONDS))
    except OutOfTime:
        findings = [Finding("warn", "Not checked: the text is too long.", kind="not-checked")]
    except Exception:  # a check is only a help: it must not block people's work
        log.exception(
            "The check %r failed on example %s of project %s.", check.name, pair.example, project.pk
        )
        findings = [
            Finding(
                "warn",
                "Not checked: this check had an error. The error is in the server's log.",
                kind="not-checked",
            )
        ]
    findings.sort(key=lambda finding: _WORST_FIRST[finding.level])
    return [_named(finding, check.name) for finding in findings]


def _named(found: Finding, check: str) -> Finding:
    """dataclasses.replace takes five times as long."""
    return Finding(found.level, found.says, found.spans, check, found.example, found.kind, found.fixes)


def texts_of(content: Mapping[str, Any]) -> dict[str, list[str]]:
    """The texts that spans and fixes refer to, by field."""
    return {
        "completion": [str(content.get("completion") or "")],
        "context": [str(record) for record in content.get("context") or []],
        "messages": [str(m.get("content") or "") for m in content.get("messages") or []],
    }


def marks(findings: list[Finding], content: Mapping[str, Any]) -> dict[str, list[str]]:
    """The words of the findings: {"completion-ok": [...], "completion-bad": [...], "context-ok": [...], ...}.

    Words instead of positions, so that the page can still mark them when the text has changed.
    """
    texts = texts_of(content)
    marked: dict[str, dict[str, None]] = {}
    for finding in findings:
        for span in finding.spans:
            if span.index < len(texts[span.field]):
                words = texts[span.field][span.index][span.start : span.end]
                marked.setdefault(f"{span.field}-{span.tone}", {}).setdefault(words)
    return {name: list(words) for name, words in marked.items()}


def fact_marks(content: Mapping[str, Any], project: Project) -> dict[str, list[str]]:
    """The words to mark for the facts only: those in the records or the conversation, and those in neither.
    Makes no query."""
    return marks(_run(facts.CHECK, Pair.of(content), project), content)
