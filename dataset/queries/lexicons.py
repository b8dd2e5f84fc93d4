"""The lexicons of a project: its own, and the shipped ones for the rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.models import Project
from dataset.fairness.words import SHIPPED, Characteristic, read_characteristic, shipped
from dataset.models import BiasAudit, BiasLexicon


@dataclass(frozen=True)
class ProjectLexicon:
    """`own`: the project's own words, None while it uses the shipped ones."""

    characteristic: Characteristic
    own: BiasLexicon | None

    @property
    def revision(self) -> int:
        return self.own.revision if self.own else 0


def lexicons_of(project: Project) -> list[ProjectLexicon]:
    """In the order of the pages. One query."""
    own = {
        one.characteristic: one
        for one in BiasLexicon.objects.filter(project=project).select_related("changed_by")
    }
    return [
        ProjectLexicon(
            read_characteristic(key, own[key].content) if key in own else shipped(key), own.get(key)
        )
        for key in SHIPPED
    ]


def lexicon_of(project: Project, key: str) -> ProjectLexicon | None:
    return next((one for one in lexicons_of(project) if one.characteristic.key == key), None)


def frozen_lexicons(audit: BiasAudit) -> list[Characteristic]:
    """The lexicons that an audit used, as they were."""
    return [read_characteristic(key, audit.lexicons[key]) for key in SHIPPED if key in audit.lexicons]


def word_counts(audit: BiasAudit | None, key: str) -> Mapping[str, Mapping[str, int]]:
    """{group: {word: rows in which it stands}} of the audit."""
    facts: dict[str, Any] = audit.facts if audit else {}
    for one in facts.get("characteristics", []):
        if one["key"] == key:
            return {group["key"]: group["words"] for group in one["groups"]}
    return {}
