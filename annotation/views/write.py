"""Writing a new example."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from annotation import services
from annotation.forms import PairForm, pair_from, whole_number
from annotation.models import AuthoringTask, Draft
from annotation.queries import queue as queries
from annotation.queries.authoring import progress_of, tasks_for, tasks_of
from annotation.views.editing import (
    form_with,
    go,
    go_to,
    is_shown_again,
    side,
    whole_main,
)
from core.access import Access, project_page
from core.errors import ExpectedError
from core.lists.params import Params
from core.models import Role
from core.services.drafts import FormState
from core.views.drafts import how_it_stands, never_from_memory, saved, writer_of


def _page(
    request: HttpRequest, access: Access, form: PairForm, draft: Draft | None, status: int = 200
) -> HttpResponse:
    asked = _asked(request)
    other = bool(asked and draft and whole_number(str(draft.content.get("task") or "")) != asked)
    context = {
        "form": form,
        "draft": draft,
        "begin": not form.content.get("messages"),
        "tasks": progress_of(tasks_for(access.user, access.project)),
        "task": whole_number(str(form.content.get("task") or "")),
        "other_draft": other,
        **side(access),
    }
    return never_from_memory(render(request, "annotation/write.html", context, status=status))


def _asked(request: HttpRequest) -> int:
    """The id of the task that the address names; 0 without one."""
    return Params(request.GET).number("task") or 0


def _for_task(access: Access, pk: int) -> dict[str, Any]:
    """The start of an example for an open task: its slice and its kind of edge case."""
    task = tasks_of(access.project, status=AuthoringTask.Status.OPEN).filter(pk=pk).first() if pk else None
    return {"slice": task.slice, "edge": task.edge, "task": task.pk} if task else {}


@project_page(Role.ANNOTATOR)
@require_http_methods(["GET", "HEAD", "POST"])
def write(request: HttpRequest, access: Access) -> HttpResponse:
    """An empty editor, or the person's draft of a new example. A POST submits it to the reviewers."""
    if request.method != "POST":
        draft = queries.new_draft_of(access.user, access.project)
        content = draft.content if draft else _for_task(access, _asked(request))
        return _page(request, access, PairForm(access.project, content), draft)
    content = pair_from(request.POST)
    try:
        example = services.write_example(
            by=access.user,
            project=access.project,
            content=content,
            group=content["group"],
            reason=content["reason"],
            task=content["task"],
            keep=True,
        )
    except ExpectedError as error:
        if not is_shown_again(error):
            raise
        form = form_with(error, PairForm(access.project, content))
        return whole_main(_page(request, access, form, None, status=error.status))
    if example.task_id is None:
        messages.success(request, f"#{example.pk} submitted.")
        return go(request, "overview", access.project.slug)
    (now,) = progress_of(AuthoringTask.objects.filter(pk=example.task_id))
    messages.success(
        request, f"#{example.pk} submitted: {now.written:,} of {now.task.quota:,} for this task."
    )
    if now.left:
        return go_to(request, f"{reverse('annotation:write', args=[access.project.slug])}?task={now.task.pk}")
    return go(request, "overview", access.project.slug)


@project_page(Role.ANNOTATOR)
@require_http_methods(["GET", "HEAD", "POST"])
def write_draft(request: HttpRequest, access: Access) -> HttpResponse:
    """POST saves the draft of the new example; GET returns who saved it last."""
    if request.method != "POST":
        draft = queries.new_draft_of(access.user, access.project)
        state = FormState(editable=True, held=True, can_open=True)
        return how_it_stands(state, draft, reverse("annotation:write", args=[access.project.slug]))
    kept = services.save_new_draft(
        by=access.user, project=access.project, content=pair_from(request.POST), **writer_of(request)
    )
    return saved(kept)


@project_page(Role.ANNOTATOR)
@require_POST
def write_discard(request: HttpRequest, access: Access) -> HttpResponse:
    services.discard_draft(by=access.user, project=access.project, example=None)
    return go(request, "write", access.project.slug)
