"""Reads counterfactual twins."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from core.models import Project
from dataset.models import Twin


def twins_of(project: Project, *, status: str = "", finding: int = 0) -> QuerySet[Twin]:
    """With their originals; those to read first come first. One query."""
    twins = Twin.objects.filter(project=project).select_related(
        "project", "example", "finding__audit", "made", "created_by", "decided_by"
    )
    if status:
        twins = twins.filter(status=status)
    if finding:
        twins = twins.filter(finding=finding)
    return twins.order_by("id")


def waiting_count(project: Project) -> int:
    return Twin.objects.filter(project=project, status=Twin.Status.WAITING).count()


def next_waiting(twin: Twin) -> Twin | None:
    """The next one to read after this, in a circle."""
    waiting = twins_of(twin.project, status=Twin.Status.WAITING).exclude(pk=twin.pk)
    return waiting.filter(pk__gt=twin.pk).first() or waiting.first()


@dataclass(frozen=True)
class TwinPart:
    """One text of the original and the twin's. `name` is the field of the form, `doubts` what a person must look at."""

    name: str
    label: str
    old: str
    new: str
    doubts: list[dict[str, Any]]

    @property
    def changed(self) -> bool:
        return self.old != self.new


def parts_of(twin: Twin) -> list[TwinPart]:
    """The texts of the twin beside those of the original, as the original is now."""
    example = twin.example

    def part(name: str, label: str, old: str, new: str) -> TwinPart:
        return TwinPart(name, label, old, new, [one for one in twin.swaps.get(name, []) if one["doubt"]])

    turns = [turn["content"] for turn in example.messages]
    parts = [
        part(f"messages.{at}", turn["role"], turns[at] if at < len(turns) else "", turn["content"])
        for at, turn in enumerate(twin.messages)
    ]
    parts += [
        part(f"context.{at}", "Record", example.context[at] if at < len(example.context) else "", record)
        for at, record in enumerate(twin.context)
    ]
    return [*parts, part("completion", "Completion", example.completion, twin.completion)]
