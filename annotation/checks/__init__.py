"""Checks: what a machine can see in a pair before a colleague reads it. One file each; add yours to CHECKS.

A check never decides. It says what it sees; "bad" asks whoever submits for a reason, which reviewers then read.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from annotation.checks import boilerplate, facts, length, privacy, repeated
from annotation.checks.base import Check, Finding, Pair, Span
from core.models import Project

CHECKS: dict[str, Check] = {
    check.name: check
    for check in (facts.CHECK, privacy.CHECK, length.CHECK, boilerplate.CHECK, repeated.CHECK)
}
_WORST_FIRST = {"bad": 0, "warn": 1, "ok": 2}

__all__ = ["CHECKS", "Check", "Finding", "Pair", "Span", "bad_findings", "run_checks"]


def run_checks(
    content: Mapping[str, Any], project: Project, *, example_id: int | None = None
) -> list[Finding]:
    """Every check's findings in the order of CHECKS, each check's worst first."""
    pair = Pair.of(content, example_id)
    return [finding for check in CHECKS.values() for finding in _run(check, pair, project)]


def bad_findings(
    content: Mapping[str, Any], project: Project, *, example_id: int | None = None
) -> list[Finding]:
    """What asks for a reason before the pair can be submitted. Makes no query."""
    pair = Pair.of(content, example_id)
    return [
        finding
        for check in CHECKS.values()
        if not check.asks_database
        for finding in _run(check, pair, project)
        if finding.level == "bad"
    ]


def _run(check: Check, pair: Pair, project: Project) -> list[Finding]:
    found = sorted(check.run(pair, project), key=lambda finding: _WORST_FIRST[finding.level])
    return [replace(finding, check=check.name) for finding in found]
