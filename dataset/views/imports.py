"""Files of examples: upload one, follow it, list the problems of its lines, remove it."""

from pathlib import Path

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.links import annotation_subnav
from core.access import Access, project_page
from core.errors import ExpectedError
from core.forms import take_errors
from core.lists.paging import cut
from core.models import Role
from core.roles import READERS
from core.wording import counted
from dataset.downloads import issues_as_csv
from dataset.filters import IssueFilter
from dataset.forms import ImportForm
from dataset.models import DataImport, ImportIssue
from dataset.queries.imports import imports_of, issues_of
from dataset.services.imports import remove_import, start_import, why_not_removable


@project_page(*READERS)
@require_safe
def imports(request: HttpRequest, access: Access) -> HttpResponse:
    page = cut(request, imports_of(access.project), 25)
    context = {
        "page": page,
        "can_import": access.has(Role.ADMIN),
        "subnav": annotation_subnav(access, "datasets:imports"),
    }
    return render(request, "datasets/import_list.html", context)


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def import_new(request: HttpRequest, access: Access) -> HttpResponse:
    form = (
        ImportForm(request.POST or None, request.FILES or None) if request.method == "POST" else ImportForm()
    )
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        upload = values.pop("file")
        try:
            data_import = start_import(
                by=access.user,
                project=access.project,
                path=Path(upload.temporary_file_path()),
                file_name=upload.name,
                **values,
            )
        except ExpectedError as error:
            take_errors(form, error)
        else:
            return redirect("datasets:import", access.project.slug, data_import.pk)
    status = 422 if request.method == "POST" else 200
    return render(request, "datasets/import_new.html", {"form": form}, status=status)


def _batch(access: Access, pk: int) -> DataImport:
    return access.get(imports_of(access.project), pk=pk)


@project_page(*READERS)
@require_safe
def import_detail(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    data_import = _batch(access, pk)
    filters = IssueFilter(request.GET)
    kind = filters.criteria().get("kind", "")
    if not kind:
        kind = (
            ImportIssue.Kind.REJECTED
            if data_import.rejected or not data_import.repeated
            else ImportIssue.Kind.REPEATED
        )
    removable = bool(
        data_import.stored_at
        and data_import.accepted
        and not data_import.removed_at
        and not data_import.run.is_active
    )
    context = {
        "data_import": data_import,
        "run": data_import.run,
        "filters": filters,
        "kind": kind,
        "page": cut(request, filters.shown(issues_of(data_import, kind=kind)), 50),
        "keys": sorted(data_import.keys, key=lambda key: key["what"]),  # ignored keys first
        "ignored": [key for key in data_import.keys if key["what"] == "ignored"],
        "may_change": access.has(Role.ADMIN),
        "removable": removable,
        "obstacle": why_not_removable(data_import) if removable else "",
    }
    return render(request, "datasets/import_detail.html", context, status=filters.http_status)


@project_page(*READERS)
@require_safe
def import_issues(request: HttpRequest, access: Access, pk: int) -> StreamingHttpResponse:
    """All bad and repeated lines as CSV."""
    return issues_as_csv(_batch(access, pk), by=access.user, method=request.method)


@project_page(Role.ADMIN)
@require_POST
def import_remove(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    data_import = _batch(access, pk)
    count = remove_import(by=access.user, data_import=data_import)
    messages.success(
        request, f"{counted(count, 'example is', 'examples are')} removed. The import stays in the list."
    )
    return redirect("datasets:import", access.project.slug, data_import.pk)
