"""Reads the data rules of a project and what they need to know of its sources."""

from collections.abc import Collection
from typing import Any

from django.utils import timezone

from core.models import Project
from dataset.data_rules import Rules, SourceFacts
from dataset.models import ProjectRules, Source


def rules_of(project: Project) -> list[str]:
    """The values of the rules that the project has chosen, sorted. One query."""
    rules = ProjectRules.objects.filter(project=project).values_list("rules", flat=True).first()
    return sorted(rules or [])


def with_rules(project: Project, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a freeze with the project's rules. Without rules there is no entry, so that content which was frozen before
    there were rules has the same hash again. One query."""
    rules = rules_of(project)
    return {**settings, "rules": rules} if rules else settings


def rules_for(project: Project, chosen: Collection[str]) -> Rules:
    """The rules of a freeze today. One query."""
    sources = {
        name: SourceFacts(license_text, consent, expires_on, withdrawn_at is not None)
        for name, license_text, consent, expires_on, withdrawn_at in _facts(project)
    }
    return Rules(chosen, sources, timezone.localdate())


def what_rules_see(project: Project) -> list[Any]:
    """The project's rules and the facts of its sources, for the stamp of a preview. Two queries."""
    return [rules_of(project), [[str(value) for value in row] for row in _facts(project)]]


def _facts(project: Project) -> list[tuple[Any, ...]]:
    return list(
        Source.objects.filter(project=project)
        .order_by("name")
        .values_list("name", "license", "consent", "expires_on", "withdrawn_at")
    )
