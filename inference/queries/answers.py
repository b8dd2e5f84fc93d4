"""Answers and their lineage."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from core.lineage import LineageStep
from core.lists.search import either_form
from core.models import Project
from inference.models import Answer
from inference.queries.candidates import version_label
from training.lineage import version_lineage
from training.models import ModelVersion


def answers(project: Project) -> QuerySet[Answer]:
    """Every answer of the project, newest first, with the columns of the list."""
    return (
        Answer.objects.filter(project=project)
        .select_related("version__base_model", "user", "api_key", "conversation")
        .defer("params", "messages")
        .order_by("-id")
    )


def filtered_answers(project: Project, criteria: Mapping[str, Any]) -> QuerySet[Answer]:
    """`criteria`: q (part of the question or of the answer, or the id that an application got), version (id), purpose,
    status, doubt ("yes": only answers that may come from other weights; "no": only the others)."""
    matches = answers(project)
    if q := str(criteria.get("q") or "").strip():
        try:
            # "chatcmpl-<32 hex digits>" is the id that an application got.
            matches = matches.filter(public_id=uuid.UUID(q.removeprefix("chatcmpl-")))
        except ValueError:
            # Both columns have a trigram index over their upper case, which is what icontains compares.
            matches = matches.filter(either_form("question", q) | either_form("text", q))
    for name in ("purpose", "status"):
        if criteria.get(name):
            matches = matches.filter(**{name: criteria[name]})
    if criteria.get("doubt") == "yes":
        matches = matches.exclude(doubt="")
    elif criteria.get("doubt") == "no":
        matches = matches.filter(doubt="")
    if criteria.get("version"):
        matches = matches.filter(version_id=criteria["version"])
    return matches


def answered_versions(project: Project) -> list[ModelVersion]:
    """Versions of the project, for filters."""
    return list(
        ModelVersion.objects.filter(project=project)
        .select_related("base_model")
        .order_by("-number", "base_model__name")
    )


def version_choices(project: Project) -> list[tuple[str, str]]:
    """(id, label) of each version, for filters. One query."""
    return [(str(version.pk), version_label(version)) for version in answered_versions(project)]


def answer_with_lineage(project: Project) -> QuerySet[Answer]:
    return Answer.objects.filter(project=project).select_related(
        "project",
        "conversation",
        "user",
        "api_key",
        "version__base_model__artifact",
        "version__artifact",
        "version__project",
        "version__training_run__dataset__created_by",
        "version__training_run__launched_by",
        "version__training_run__run",
        "adapter__version__artifact",
    )


def _asked_by(answer: Answer) -> str:
    if answer.api_key is not None:
        return f"the application key {answer.api_key.name}"
    return answer.user.name if answer.user else "Guildhall itself"


def lineage(answer: Answer) -> list[LineageStep]:
    """From the answer back, nearest first, as components/lineage.html takes it. At most one query: the rest is selected."""
    first = LineageStep(
        f"Answer, {answer.get_purpose_display().lower()}",
        str(answer.public_id),
        "",
        f"asked by {_asked_by(answer)} on {answer.created_at:%-d %b %Y, %H:%M} UTC",
    )
    return [first, *_adapter_step(answer), *version_lineage(answer.version)]


def _adapter_step(answer: Answer) -> list[LineageStep]:
    """The personal adapter that stood on top of the version, also when it was deleted since."""
    if answer.adapter_number is None:
        return []
    adapter = answer.adapter
    detail = "no longer here: it was deleted, or stayed in another installation"
    if adapter is not None and adapter.version is not None:
        detail = (
            f"on top of {answer.version}, learnt from {len(adapter.train_rows)} corrections; weights SHA-256 "
            f"{adapter.version.artifact.sha256[:16]}…"
        )
    return [LineageStep("Personal adapter", str(answer.adapter_number), "", detail)]
