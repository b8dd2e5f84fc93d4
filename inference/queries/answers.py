"""Every answer, and where it came from."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from annotation.models import DatasetRow, GroupSplit
from core.models import Project, User
from inference.models import Generation
from training.models import ModelVersion


def answers(project: Project) -> QuerySet[Generation]:
    """Every answer of the project, newest first, with what a list shows."""
    return (
        Generation.objects.filter(project=project)
        .select_related("version__base_model", "user", "token", "conversation")
        .defer("params")
        .order_by("-id")
    )


def filtered_answers(project: Project, wanted: Mapping[str, Any]) -> QuerySet[Generation]:
    """`wanted`: q (part of the answer, or its id as an application got it), version (id), purpose, status."""
    found = answers(project)
    if q := str(wanted.get("q") or "").strip():
        try:
            # "chatcmpl-<32 hex digits>" is what the door gave out.
            found = found.filter(public_id=uuid.UUID(q.removeprefix("chatcmpl-")))
        except ValueError:
            found = found.filter(text__icontains=q)
    for name in ("purpose", "status"):
        if wanted.get(name):
            found = found.filter(**{name: wanted[name]})
    if str(wanted.get("version") or "").isdigit():
        found = found.filter(version_id=int(wanted["version"]))
    return found


def answered_versions(project: Project) -> list[ModelVersion]:
    """Versions of the project, for filters."""
    return list(
        ModelVersion.objects.filter(project=project)
        .select_related("base_model")
        .order_by("-number", "base_model__name")
    )


def answer_with_lineage(project: Project) -> QuerySet[Generation]:
    return Generation.objects.filter(project=project).select_related(
        "project",
        "conversation",
        "user",
        "token",
        "version__base_model__artifact",
        "version__artifact",
        "version__training__dataset__created_by",
        "version__training__launched_by",
        "version__training__run",
    )


def trained_rows(version: ModelVersion) -> QuerySet[DatasetRow]:
    """The rows a version was trained on, in the dataset's order; empty for a base model."""
    if version.training is None:
        return DatasetRow.objects.none()
    return (
        DatasetRow.objects.filter(dataset_id=version.training.dataset_id, split=GroupSplit.Split.TRAIN)
        .select_related("revision__by", "example__submitted_by", "example__source")
        .order_by("position")
    )


def people_behind(version: ModelVersion) -> list[User]:
    """Who wrote or accepted the examples a version was trained on. Two queries."""
    if version.training is None:
        return []
    rows = DatasetRow.objects.filter(
        dataset_id=version.training.dataset_id, split=GroupSplit.Split.TRAIN
    ).values("example_id")
    writers = User.objects.filter(submitted_examples__in=rows).distinct()
    reviewers = User.objects.filter(
        reviews_given__verdict="accepted", reviews_given__example__in=rows
    ).distinct()
    return sorted({*writers, *reviewers}, key=lambda person: person.name)
