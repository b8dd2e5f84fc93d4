"""Coverage: how the examples are spread over the project's lists, what is missing, and the targets."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.coverage_forms import TargetForm
from annotation.links import annotation_subnav
from annotation.models import AuthoringTask, CoverageTarget
from annotation.queries.authoring import progress_of, tasks_of
from annotation.queries.coverage import coverage as coverage_of
from annotation.queries.holes import crowds_of, holes_of, milestones
from annotation.registry import size_notes
from annotation.services.coverage import PART, part_words, remove_target, set_target
from core.access import Access, project_page
from core.errors import ExpectedError, Invalid
from core.forms import status_of, take_errors
from core.lists.params import Params
from core.models import Role
from core.roles import EXAMPLE_DECIDERS, EXAMPLE_READERS

MOST_TASKS = 5


@project_page(*EXAMPLE_READERS)
@require_safe
def coverage(request: HttpRequest, access: Access) -> HttpResponse:
    given = Params(request.GET)
    found = coverage_of(
        access.project,
        slices_at=given.number("slices", least=1) or 1,
        edges_at=given.number("edges", least=1) or 1,
    )
    open_tasks = tasks_of(access.project, status=AuthoringTask.Status.OPEN)
    context = {
        "coverage": found,
        "holes": holes_of(found),
        "crowds": crowds_of(found),
        "milestones": milestones(found.approved),
        "size_notes": [
            (note, [(label, url) for label, url, roles in note.links if access.has(*roles)])
            for note in size_notes(access.project)
        ],
        "tasks": progress_of(open_tasks[:MOST_TASKS]),
        "can_set": access.has(Role.ADMIN),
        "can_task": access.has(*EXAMPLE_DECIDERS),
        "subnav": annotation_subnav(access, "quality:findings"),
    }
    return render(request, "annotation/coverage.html", context)


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def target(request: HttpRequest, access: Access) -> HttpResponse:
    """The target of the part that the address names (`slice`, `edge`, `length`, `language`, `mood`)."""
    given = Params(request.GET)
    part = {name: given.text(name, most=120) for name in PART}
    try:
        words = part_words(access.project, **part)
    except Invalid:
        messages.info(
            request,
            "Choose what the target is for: “Set” beside a slice, an edge case, a length, a language or a mood.",
        )
        return redirect("quality:coverage", access.project.slug)
    present = CoverageTarget.objects.filter(project=access.project, **part).first()
    initial: dict[str, Any] = (
        {name: getattr(present, name) for name in ("amount", "unit", "owner")} if present else {}
    )
    data = request.POST if request.method == "POST" else None
    form = TargetForm(data, project=access.project, initial=initial)
    if form.is_valid():
        try:
            set_target(by=access.user, project=access.project, **{**form.cleaned_data, **part})
            messages.success(request, f"The target for {words} is set.")
            return redirect("quality:coverage", access.project.slug)
        except ExpectedError as error:
            take_errors(form, error)
    context = {"form": form, "words": words, "target": present}
    return render(request, "annotation/target.html", context, status=status_of(form))


@project_page(Role.ADMIN)
@require_POST
def target_remove(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    remove_target(by=access.user, target=access.get(CoverageTarget.objects.select_related("project"), pk=pk))
    messages.success(request, "The target is removed.")
    return redirect("quality:coverage", access.project.slug)
