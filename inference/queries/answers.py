"""Every answer, and where it came from."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse

from annotation.models import DatasetRow, GroupSplit
from core.models import Project, User
from inference.models import Generation
from inference.queries.candidates import version_label
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
    """`wanted`: q (part of the answer, or its id as an application got it), version (id), purpose, status,
    doubt ("yes": only answers that may come from other weights; "no": only the others)."""
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
    if wanted.get("doubt") == "yes":
        found = found.exclude(doubt="")
    elif wanted.get("doubt") == "no":
        found = found.filter(doubt="")
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


def _asked_by(one: Generation) -> str:
    if one.token is not None:
        return f"the application key {one.token.name}"
    return one.user.name if one.user else "Guildhall itself"


def lineage(one: Generation) -> list[dict[str, Any]]:
    """From the answer back, nearest first, as components/lineage.html takes it. No query: all is selected."""
    slug, version = one.project.slug, one.version
    steps: list[dict[str, Any]] = [
        {
            "kind": f"Answer, {one.get_purpose_display().lower()}",
            "label": str(one.public_id),
            "url": "",
            "detail": f"asked by {_asked_by(one)} on {one.created_at:%-d %b %Y, %H:%M} UTC",
        },
        {
            "kind": "Model version",
            "label": version_label(version),
            "url": reverse("training:version", args=[slug, version.pk]),
            "detail": f"served as {version.served_name}; weights SHA-256 {version.artifact.sha256[:16]}…",
        },
    ]
    training = version.training
    if training is not None:
        dataset = training.dataset
        steps += [
            {
                "kind": "Training run",
                "label": f"Run {training.number}",
                "url": reverse("training:run", args=[slug, training.number]),
                "detail": f"{training.method}, launched by {training.launched_by.name} on "
                f"{training.created_at:%-d %b %Y}; code {training.code_version}",
            },
            {
                "kind": "Dataset version",
                "label": str(dataset),
                "url": reverse("annotation:dataset", args=[slug, dataset.number]),
                "detail": f"SHA-256 {dataset.content_hash[:16]}…"
                + (f", frozen by {dataset.created_by.name}" if dataset.created_by else ""),
            },
        ]
    base = version.base_model
    steps.append(
        {
            "kind": "Base model",
            "label": base.name,
            "url": reverse("training:base", args=[slug, base.pk]),
            "detail": f"{base.get_kind_display()} {base.location} {base.revision}".strip(),
        }
    )
    return steps
