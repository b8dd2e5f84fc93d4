"""Files of examples: upload one, check and map it, import it, list the problems of its rows, remove it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.links import annotation_subnav
from core.access import Access, project_page
from core.errors import ExpectedError
from core.forms import take_errors
from core.lists.paging import cut
from core.lists.params import Params
from core.models import Role
from core.roles import READERS
from core.wording import counted
from dataset.downloads import issues_as_csv
from dataset.filters import IssueFilter
from dataset.forms import ImportForm, MappingForm
from dataset.models import DataImport, ImportIssue
from dataset.queries.imports import imports_of, issues_of, remembered_mapping, uploads_of
from dataset.services.imports import (
    check_again,
    discard_check,
    import_checked,
    remove_import,
    start_import,
    why_not_removable,
)
from dataset.services.uploads import complete_path, remove_upload


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
    """Uploads a file and checks it, or imports it at once."""
    posted = request.method == "POST"
    form = ImportForm(request.POST, request.FILES) if posted else ImportForm()
    if posted and form.is_valid():
        try:
            data_import = _start(request, access, form)
        except ExpectedError as error:
            take_errors(form, error)
        else:
            return redirect("datasets:import", access.project.slug, data_import.pk)
    context = {"form": form, "uploads": uploads_of(access)}
    return render(request, "datasets/import_new.html", context, status=422 if posted else 200)


def _start(request: HttpRequest, access: Access, form: ImportForm) -> DataImport:
    values = dict(form.cleaned_data)
    file, upload_id = values.pop("file", None), values.pop("upload")
    # A name that another person made up gives the same answer as one that is gone.
    upload = access.get(uploads_of(access), public_id=upload_id) if upload_id else None
    data_import = start_import(
        by=access.user,
        project=access.project,
        path=complete_path(upload) if upload else Path(file.temporary_file_path()),
        file_name=upload.file_name if upload else file.name,
        check=Params(request.POST).choice("do", ("check", "import"), "check") == "check",
        **values,
    )
    if upload:
        remove_upload(by=access.user, upload=upload)
    return data_import


@project_page(Role.ADMIN)
@require_POST
def upload_remove(request: HttpRequest, access: Access, public_id: UUID) -> HttpResponse:
    """Removes an upload that was not finished."""
    remove_upload(by=access.user, upload=access.get(uploads_of(access), public_id=public_id))
    messages.success(request, "The upload is removed.")
    return redirect("datasets:import-new", access.project.slug)


def _data_import(access: Access, pk: int) -> DataImport:
    return access.get(imports_of(access.project), pk=pk)


@project_page(*READERS)
@require_safe
def import_detail(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    return _page(request, access, _data_import(access, pk))


def _page(
    request: HttpRequest, access: Access, data_import: DataImport, form: MappingForm | None = None
) -> HttpResponse:
    """The page of an import: while nothing is stored, with the mapping of its columns; `form` has errors."""
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
        **(_check(data_import, form) if data_import.is_check else {}),
    }
    status = 422 if form is not None else filters.http_status
    return render(request, "datasets/import_detail.html", context, status=status)


def _check(data_import: DataImport, form: MappingForm | None) -> dict[str, Any]:
    """What the page of a checked file has more: its columns with their fields, and its first rows."""
    form = form or MappingForm(data_import=data_import)
    results = {key["key"]: key for key in data_import.keys}
    columns = [
        {**column, "field": form[f"column-{at}"], "result": results.get(column["name"])}
        for at, column in enumerate(data_import.columns)
    ]
    return {
        "form": form,
        "columns": columns,
        "undecided": not data_import.run.is_active and not data_import.removed_at,
        "usable": bool(data_import.accepted or data_import.repeated),
        "remembered": remembered_mapping(data_import),
        "has_tools": form["tool_turns"].initial == "records"
        or any("tool calls" in issue["reason"] for row in data_import.preview for issue in row["issues"])
        or data_import.issues.filter(reason__contains="tool").exists(),
    }


def _mapped(
    request: HttpRequest, access: Access, pk: int, service: Callable[..., DataImport]
) -> HttpResponse:
    data_import = _data_import(access, pk)
    form = MappingForm(request.POST, data_import=data_import)
    if form.is_valid():
        service(by=access.user, data_import=data_import, mapping=form.mapping(), **form.choices())
        return redirect("datasets:import", access.project.slug, data_import.pk)
    return _page(request, access, data_import, form)


@project_page(Role.ADMIN)
@require_POST
def import_check(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Reads the file once more with the mapping of the form. Nothing is stored."""
    return _mapped(request, access, pk, check_again)


@project_page(Role.ADMIN)
@require_POST
def import_start(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Imports a checked file with the mapping of the form."""
    return _mapped(request, access, pk, import_checked)


@project_page(Role.ADMIN)
@require_POST
def import_discard(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Gives up a checked file."""
    discard_check(by=access.user, data_import=_data_import(access, pk))
    messages.success(request, "The file is discarded. Nothing of it was imported.")
    return redirect("datasets:imports", access.project.slug)


@project_page(*READERS)
@require_safe
def import_issues(request: HttpRequest, access: Access, pk: int) -> StreamingHttpResponse:
    """All bad and repeated lines as CSV."""
    return issues_as_csv(_data_import(access, pk), by=access.user, method=request.method)


@project_page(Role.ADMIN)
@require_POST
def import_remove(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    data_import = _data_import(access, pk)
    count = remove_import(by=access.user, data_import=data_import)
    messages.success(
        request, f"{counted(count, 'example is', 'examples are')} removed. The import stays in the list."
    )
    return redirect("datasets:import", access.project.slug, data_import.pk)
