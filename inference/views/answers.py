"""Every answer of the project, and the walk from one to the people behind it."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from core.access import Access, project_page
from core.forms import cut
from core.models import Role
from inference import queries
from inference.forms import AnswersFilter
from inference.models import Generation
from inference.views.room import subnav


@project_page(Role.ADMIN, Role.VIEWER)
@require_safe
def answers(request: HttpRequest, access: Access) -> HttpResponse:
    versions = [
        (str(one.pk), queries.version_label(one)) for one in queries.answered_versions(access.project)
    ]
    filters = AnswersFilter(request.GET, versions=versions)
    found = queries.filtered_answers(access.project, filters.wanted())
    context = {"filters": filters, "page": cut(request, found, 25), "subnav": subnav(access, "answers")}
    return render(request, "inference/answers.html", context)


@project_page(Role.ADMIN, Role.VIEWER)
@require_safe
def answer(request: HttpRequest, access: Access, public_id: UUID) -> HttpResponse:
    """One answer and where it came from: version, run, dataset version, rows, people."""
    one = access.get(queries.answer_with_lineage(access.project), public_id=public_id)
    version = one.version
    context = {
        "answer": one,
        "steps": lineage(one),
        "page": cut(request, queries.trained_rows(version), 20),
        "people": queries.people_behind(version),
        "training": version.training,
        "version_name": queries.version_label(version),
        "subnav": subnav(access, "answers"),
    }
    return render(request, "inference/answer.html", context)


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
            "label": queries.version_label(version),
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
