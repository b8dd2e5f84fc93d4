"""Reads the data rules of a project and what they need to know of its sources."""

from collections.abc import Collection
from dataclasses import dataclass
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


@dataclass(frozen=True)
class RulesNow:
    """The project's rules and what they need to know of its sources: rows of name, license, consent, expires_on, withdrawn_at."""

    chosen: list[str]
    facts: list[tuple[Any, ...]]

    @property
    def seen(self) -> list[Any]:
        """Both, for the stamp of a preview."""
        return [self.chosen, [[str(value) for value in row] for row in self.facts]]

    def rules(self, chosen: Collection[str] | None = None) -> Rules:
        """The rules of a freeze today; `chosen` are those of a version that is frozen, else the project's."""
        sources = {
            name: SourceFacts(license_text, consent, expires_on, withdrawn_at is not None)
            for name, license_text, consent, expires_on, withdrawn_at in self.facts
        }
        return Rules(self.chosen if chosen is None else chosen, sources, timezone.localdate())


def rules_now(project: Project) -> RulesNow:
    """Two queries."""
    facts = Source.objects.filter(project=project).order_by("name")
    return RulesNow(
        rules_of(project),
        list(facts.values_list("name", "license", "consent", "expires_on", "withdrawn_at")),
    )
