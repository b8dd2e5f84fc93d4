"""Exports: choose a shape, see what it has and what it leaves out, download it."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from annotation.links import annotation_subnav
from annotation.queries.examples import find_examples
from core.access import Access, project_page
from core.http.requests import by_htmx
from core.lists.params import Params
from core.roles import EXAMPLE_READERS
from dataset.downloads import export_of_examples, export_of_version
from dataset.filters import ALL_KEYS, ExamplesExportFilter, VersionExportFilter
from dataset.models import DatasetVersion
from dataset.queries.cards import croissant_of_version
from dataset.queries.exports import (
    AT_ONCE,
    ExportCounts,
    figures_of_examples,
    figures_of_version,
    first_of_examples,
    first_of_version,
)
from dataset.queries.versions import ready_datasets
from dataset.queries.withdrawals import withdrawals_in
from dataset.writers import BY_NAME, FIELDS, WRITERS, Options, Row, Writer, lost_fields
from dataset.writers.spreadsheet import MOST_ROWS

SHOWN_ROWS = 3
SHOWN_LETTERS = 4_000  # of the sample on the page
_OF_SHAPE = ("shape", "keys", "split")


def _asked(request: HttpRequest) -> QueryDict:
    """The query without empty filters, and without a choice that the shape does not have: forms send both."""
    asked = QueryDict(mutable=True)
    params = Params(request.GET)
    for name in params.names():
        if (values := params.texts(name)) != [""]:
            asked.setlist(name, values)
    writer = BY_NAME.get(asked.get("shape", ""), WRITERS[0])
    if writer.keeps_others:
        asked.setdefault("keys", ALL_KEYS)
    else:
        asked.pop("keys", None)
    asked.setdefault("shape", WRITERS[0].name)
    return asked


def _always_chosen(form: ExamplesExportFilter | VersionExportFilter) -> None:
    """On the page one of the shapes and keys is chosen: they are not optional there."""
    form.fields["shape"].required = True
    form.fields["keys"].required = "keys" in form.data


def _panel(writer: Writer, options: Options, figures: ExportCounts | None, rows: list[Row]) -> dict[str, Any]:
    """What templates/datasets/_export_panel.html shows. Without `figures` it requests itself."""
    sample = writer.sample(rows, options)
    return {
        "writer": writer,
        "figures": figures,
        "left_out": list(figures.left_out.items()) if figures else [],
        "lost": lost_fields(writer, options),
        "in_system": writer.keeps_others and not options.own_keys,
        "columns": [(name, writer.keys[name]) for name in FIELDS if name in writer.keys],
        "most_rows": MOST_ROWS,
        "sample": sample[:SHOWN_LETTERS],
        "sample_cut": len(sample) > SHOWN_LETTERS,
    }


@project_page(*EXAMPLE_READERS)
@require_safe
def export(request: HttpRequest, access: Access) -> HttpResponse:
    """Examples that match the filters of their list."""
    asked = _asked(request)
    form = ExamplesExportFilter(asked, project=access.project)
    _always_chosen(form)
    context: dict[str, Any] = {
        "form": form,
        "kept": [(name, value) for name, value in asked.items() if name not in _OF_SHAPE],
        "subnav": annotation_subnav(access, "annotation:examples"),
    }
    if form.is_valid():
        writer = form.writer
        options = Options(own_keys=form.own_keys, system_prompt=access.project.system_prompt)
        matches = find_examples(access.project, form.criteria())
        now = by_htmx(request) or matches.order_by()[: AT_ONCE + 1].count() <= AT_ONCE
        figures = figures_of_examples(matches, writer) if now else None
        rows = first_of_examples(matches, writer, SHOWN_ROWS) if now else []
        context |= _panel(writer, options, figures, rows) | {"words": form.words()}
        context["file_url"] = (
            f"{reverse('datasets:export-file', args=[access.project.slug])}?{asked.urlencode()}"
        )
    return render(request, "datasets/export.html", context, status=form.http_status)


@project_page(*EXAMPLE_READERS)
@require_safe
def export_file(request: HttpRequest, access: Access) -> StreamingHttpResponse:
    form = ExamplesExportFilter(request.GET, project=access.project)
    matches = find_examples(access.project, form.checked())
    return export_of_examples(
        request,
        access.project,
        matches,
        form.writer,
        own_keys=form.own_keys,
        words=form.words(),
        by=access.user,
    )


def _ready(access: Access, number: int) -> DatasetVersion:
    return access.get(ready_datasets(access.project), number=number)


@project_page(*EXAMPLE_READERS)
@require_safe
def dataset_export(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    """The rows of a version, all or one split."""
    dataset = _ready(access, number)
    asked = _asked(request)
    form = VersionExportFilter(asked)
    _always_chosen(form)
    context: dict[str, Any] = {
        "form": form, "dataset": dataset, "kept": [], "withdrawn": withdrawals_in(dataset),
    }  # fmt: skip
    if form.is_valid():
        writer, split = form.writer, form.cleaned_data["split"]
        options = Options(own_keys=form.own_keys, system_prompt=dataset.settings.get("system_prompt", ""))
        now = by_htmx(request) or dataset.counts.get("total", 0) <= AT_ONCE
        figures = figures_of_version(dataset, writer, split) if now else None
        rows = first_of_version(dataset, writer, SHOWN_ROWS, split) if now else []
        context |= _panel(writer, options, figures, rows)
        file_url = reverse("datasets:dataset-export-file", args=[access.project.slug, number])
        context["file_url"] = f"{file_url}?{asked.urlencode()}"
    return render(request, "datasets/export.html", context, status=form.http_status)


@project_page(*EXAMPLE_READERS)
@require_safe
def dataset_export_file(request: HttpRequest, access: Access, number: int) -> StreamingHttpResponse:
    dataset = _ready(access, number)
    form = VersionExportFilter(request.GET)
    split = form.checked().get("split", "")
    return export_of_version(
        request, dataset, form.writer, split=split, own_keys=form.own_keys, by=access.user
    )


@project_page(*EXAMPLE_READERS)
@require_safe
def dataset_croissant(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    """Croissant metadata (JSON-LD) of a version and its file."""
    dataset = _ready(access, number)
    page, download = (
        request.build_absolute_uri(reverse(f"datasets:{name}", args=[access.project.slug, number]))
        for name in ("dataset", "dataset-download")
    )
    return JsonResponse(
        croissant_of_version(dataset, url=page, download_url=download),
        content_type="application/ld+json",
        json_dumps_params={"ensure_ascii": False, "indent": 2},
    )
