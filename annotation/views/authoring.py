"""Authoring tasks: examples that are missing and that people write."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.coverage_forms import NewTaskForm, TaskForm
from annotation.links import annotation_subnav
from annotation.models import AuthoringTask
from annotation.queries.authoring import possible_owners, progress_of, tasks_of
from annotation.queries.categories import edge_names
from annotation.services import coverage as services
from core.access import Access, project_page
from core.errors import ExpectedError
from core.forms import status_of, take_errors
from core.lists.paging import cut
from core.lists.params import Params
from core.models import Role, User
from core.roles import EXAMPLE_DECIDERS, EXAMPLE_READERS

Status = AuthoringTask.Status
TASK_PART = ("slice", "edge", "language", "mood")


def _task(access: Access, pk: int) -> AuthoringTask:
    return access.get(tasks_of(access.project), pk=pk)


@project_page(*EXAMPLE_READERS)
@require_safe
def tasks(request: HttpRequest, access: Access) -> HttpResponse:
    page = cut(request, tasks_of(access.project), 25)
    context = {
        "page": page,
        "rows": progress_of(page),
        "edge_names": edge_names(access.project),
        "can_change": access.has(*EXAMPLE_DECIDERS),
        "writes": access.has(Role.ANNOTATOR),
        "subnav": annotation_subnav(access, "annotation:overview"),
    }
    return render(request, "annotation/tasks.html", context)


@project_page(*EXAMPLE_DECIDERS)
@require_http_methods(["GET", "HEAD", "POST"])
def task_new(request: HttpRequest, access: Access) -> HttpResponse:
    given = Params(request.GET)
    initial: dict[str, Any] = {name: given.text(name) for name in TASK_PART}
    initial["quota"] = given.number("quota") or 20
    data = request.POST if request.method == "POST" else None
    form = NewTaskForm(data, project=access.project, initial=initial)
    if form.is_valid():
        try:
            task = services.create_task(by=access.user, project=access.project, **form.cleaned_data)
            messages.success(request, "The task is open.")
            return redirect("annotation:task", access.project.slug, task.pk)
        except ExpectedError as error:
            take_errors(form, error)
    return render(request, "annotation/task_new.html", {"form": form}, status=status_of(form))


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def task_from_hole(request: HttpRequest, access: Access) -> HttpResponse:
    """One click on the coverage page: a task for what is missing, owned by the target's owner if they write here."""
    given = Params(request.POST)
    task = services.create_task(
        by=access.user,
        project=access.project,
        slice=given.text("slice"),
        edge=given.text("edge"),
        language=given.text("language"),
        mood=given.text("mood"),
        quota=given.number("quota", least=1, most=services.MOST_QUOTA) or 0,
        owner=_writer(access, given.number("owner")),
    )
    messages.success(request, "The task is open. Change its words, owner or date here.")
    return redirect("annotation:task", access.project.slug, task.pk)


def _writer(access: Access, pk: int | None) -> User | None:
    return possible_owners(access.project).filter(pk=pk).first() if pk else None


@project_page(*EXAMPLE_READERS)
@require_safe
def task(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """The task, its progress and its examples."""
    one = _task(access, pk)
    return _page(request, access, one, TaskForm(None, project=access.project, task=one))


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def task_change(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    one = _task(access, pk)
    form = TaskForm(request.POST, project=access.project, task=one)
    if form.is_valid():
        try:
            services.change_task(
                by=access.user, task=one, seen=request.POST.get("seen", ""), **form.cleaned_data
            )
            messages.success(request, "The task is saved.")
            return redirect("annotation:task", access.project.slug, one.pk)
        except ExpectedError as error:
            take_errors(form, error)
    return _page(request, access, one, form)


def _page(request: HttpRequest, access: Access, one: AuthoringTask, form: TaskForm) -> HttpResponse:
    context = {
        "task": one,
        "progress": progress_of([one])[0],
        "edge_names": edge_names(access.project),
        "form": form,
        "seen": services.task_stamp(one),
        "can_change": access.has(*EXAMPLE_DECIDERS),
        "writes": access.has(Role.ANNOTATOR),
        "page": cut(request, one.examples.select_related("submitted_by", "trait").order_by("-pk"), 25),
    }
    return render(request, "annotation/task.html", context, status=status_of(form))


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def task_end(request: HttpRequest, access: Access, pk: int, status: str) -> HttpResponse:
    one = _task(access, pk)
    services.end_task(by=access.user, task=one, status=status, seen=request.POST.get("seen", ""))
    words = "cancelled" if status == Status.CANCELLED else "closed as done"
    messages.success(request, f"The task is {words}. Its examples stay.")
    return redirect("annotation:task", access.project.slug, one.pk)


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def task_reopen(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    one = _task(access, pk)
    services.reopen_task(by=access.user, task=one, seen=request.POST.get("seen", ""))
    messages.success(request, "The task is open again.")
    return redirect("annotation:task", access.project.slug, one.pk)
