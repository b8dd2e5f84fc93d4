"""Moving a project: its archives, and for operators the imports of archives."""

from pathlib import Path

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.access import Access, operator_page, project_page
from core.errors import ExpectedError
from core.forms import ImportProjectForm, MoveForm, status_of, take_errors
from core.lists.paging import cut
from core.models import ProjectArchive, Role, User
from core.moving.parts import left_out
from core.moving.services import (
    KEPT_DAYS,
    archives_of,
    project_imports,
    remove_archive,
    start_archive,
    start_import,
)
from core.moving.writing import estimated_bytes
from core.views.archive_file import archive_file


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def move(request: HttpRequest, access: Access) -> HttpResponse:
    """Archives of the project, and the form that makes one."""
    sizes = {weights: estimated_bytes(access.project, with_weights=weights) for weights in (True, False)}
    form = MoveForm(request.POST if request.method == "POST" else None, sizes=sizes)
    if request.method == "POST" and form.is_valid():
        try:
            start_archive(
                by=access.user,
                project=access.project,
                with_weights=form.cleaned_data["weights"] == MoveForm.WITH,
            )
        except ExpectedError as error:
            take_errors(form, error)
        else:
            messages.success(request, "The archive is being made. You can close this page.")
            return redirect("core:move", access.project.slug)
    context = {
        "form": form,
        "page": cut(request, archives_of(access.project), 10),
        "left_out": [one for one in left_out() if one.words],
        "days": KEPT_DAYS,
    }
    return render(request, "core/move.html", context, status=status_of(form))


def _archive(access: Access, pk: int) -> ProjectArchive:
    return access.get(archives_of(access.project), pk=pk)


@project_page(Role.ADMIN)
@require_safe
def move_download(request: HttpRequest, access: Access, pk: int) -> StreamingHttpResponse:
    return archive_file(_archive(access, pk), by=access.user, method=request.method)


@project_page(Role.ADMIN)
@require_POST
def move_remove(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    remove_archive(by=access.user, archive=_archive(access, pk))
    messages.success(request, "The archive is removed.")
    return redirect("core:move", access.project.slug)


@require_safe
@operator_page
def imports(request: HttpRequest, operator: User) -> HttpResponse:
    """The imports of projects in this installation."""
    return render(request, "core/project_imports.html", {"page": cut(request, project_imports(), 25)})


@require_http_methods(["GET", "HEAD", "POST"])
@operator_page
def import_new(request: HttpRequest, operator: User) -> HttpResponse:
    post = request.method == "POST"
    form = ImportProjectForm(request.POST if post else None, request.FILES if post else None)
    if post and form.is_valid():
        upload = form.cleaned_data["file"]
        try:
            started = start_import(
                by=operator,
                path=Path(upload.temporary_file_path()),
                file_name=upload.name,
                slug=form.cleaned_data["slug"],
            )
        except ExpectedError as error:
            take_errors(form, error)
        else:
            return redirect("core:project-import", started.pk)
    context = {"form": form, "most": settings.ARCHIVE_MAX_BYTES}
    return render(request, "core/project_import_new.html", context, status=status_of(form))


@require_safe
@operator_page
def import_detail(request: HttpRequest, operator: User, pk: int) -> HttpResponse:
    started = get_object_or_404(project_imports(), pk=pk)
    member = started.project is not None and started.project.memberships.filter(user=operator).exists()
    try:
        made_at = parse_datetime(str(started.manifest.get("created_at", "")))
    except ValueError:  # the archive says it
        made_at = None
    context = {"started": started, "run": started.run, "member": member, "made_at": made_at}
    return render(request, "core/project_import.html", context)
