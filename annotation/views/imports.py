"""Files of examples: upload one, follow it, list the problems of its lines, remove it."""

from pathlib import Path

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.downloads import issues_as_csv
from annotation.filters import IssueFilter
from annotation.models import Import, ImportIssue
from annotation.queries.imports import imports_of, issues_of
from annotation.services.imports import remove_import, start_import, why_not_removable
from annotation.views.data_forms import ImportForm
from core.access import Access, project_page
from core.errors import ExpectedError
from core.forms import take_errors
from core.models import Role
from core.paging import cut


@project_page(Role.ADMIN, Role.VIEWER)
@require_safe
def imports(request: HttpRequest, access: Access) -> HttpResponse:
    page = cut(request, imports_of(access.project), 25)
    return render(
        request, "annotation/import_list.html", {"page": page, "can_import": access.has(Role.ADMIN)}
    )


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def import_new(request: HttpRequest, access: Access) -> HttpResponse:
    form = (
        ImportForm(request.POST or None, request.FILES or None) if request.method == "POST" else ImportForm()
    )
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        upload = given.pop("file")
        try:
            batch = start_import(
                by=access.user,
                project=access.project,
                path=Path(upload.temporary_file_path()),
                file_name=upload.name,
                **given,
            )
        except ExpectedError as error:
            take_errors(form, error)
        else:
            return redirect("annotation:import", access.project.slug, batch.pk)
    status = 422 if request.method == "POST" else 200
    return render(request, "annotation/import_new.html", {"form": form}, status=status)


def _batch(access: Access, pk: int) -> Import:
    return access.get(imports_of(access.project), pk=pk)


@project_page(Role.ADMIN, Role.VIEWER)
@require_safe
def import_detail(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    batch = _batch(access, pk)
    filters = IssueFilter(request.GET)
    kind = filters.wanted().get("kind", "")
    if not kind:
        kind = (
            ImportIssue.Kind.REJECTED if batch.rejected or not batch.repeated else ImportIssue.Kind.REPEATED
        )
    removable = bool(batch.stored_at and batch.accepted and not batch.removed_at and not batch.run.is_active)
    context = {
        "batch": batch,
        "run": batch.run,
        "filters": filters,
        "kind": kind,
        "page": cut(request, filters.shown(issues_of(batch, kind=kind)), 50),
        "keys": sorted(batch.keys, key=lambda key: key["what"]),  # ignored keys first
        "ignored": [key for key in batch.keys if key["what"] == "ignored"],
        "may_change": access.has(Role.ADMIN),
        "removable": removable,
        "obstacle": why_not_removable(batch) if removable else "",
    }
    return render(request, "annotation/import_detail.html", context, status=filters.http_status)


@project_page(Role.ADMIN, Role.VIEWER)
@require_safe
def import_issues(request: HttpRequest, access: Access, pk: int) -> StreamingHttpResponse:
    """All bad and repeated lines as CSV."""
    return issues_as_csv(_batch(access, pk), by=access.user, method=request.method)


@project_page(Role.ADMIN)
@require_POST
def import_remove(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    batch = _batch(access, pk)
    count = remove_import(by=access.user, batch=batch)
    noun = "example is" if count == 1 else "examples are"
    messages.success(request, f"{count:,} {noun} removed. The import stays in the list.")
    return redirect("annotation:import", access.project.slug, batch.pk)
