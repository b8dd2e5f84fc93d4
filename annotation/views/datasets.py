"""Dataset versions: freezing one, what it holds, how it differs from the one before."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from annotation.datasets import SPLITS
from annotation.downloads import dataset_as_jsonl
from annotation.models import DatasetVersion, GroupSplit
from annotation.queries.datasets import (
    compare,
    newest_ready,
    not_frozen_yet,
    preview,
    rows_of,
    version_before,
    versions_of,
    withheld_of,
)
from annotation.queries.examples import slices_of, sources_of
from annotation.queries.paging import cut
from annotation.queries.provenance import people_behind
from annotation.services.datasets import start_freeze
from annotation.views.data_forms import FreezeForm
from core.access import Access, project_page
from core.errors import Invalid
from core.forms import take_errors
from core.models import Role

READERS = (Role.ADMIN, Role.VIEWER, Role.ANNOTATOR, Role.REVIEWER)


@project_page(*READERS)
@require_safe
def datasets(request: HttpRequest, access: Access) -> HttpResponse:
    context = {
        "page": cut(request, versions_of(access.project), 25),
        "waiting": not_frozen_yet(access.project, newest_ready(access.project)),
        "can_freeze": access.has(Role.ADMIN),
        "sees_runs": access.sees_all,
    }
    return render(request, "annotation/dataset_list.html", context)


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def dataset_new(request: HttpRequest, access: Access) -> HttpResponse:
    """The form, and beside it what would be frozen; the filters ask for that part again as they change."""
    slices, sources = slices_of(access.project), [source.name for source in sources_of(access.project)]
    chosen = request.POST if request.method == "POST" else request.GET
    form = FreezeForm(
        request.POST if request.method == "POST" else None,
        slices=slices,
        sources=sources,
        initial={"slices": chosen.getlist("slices"), "sources": chosen.getlist("sources")},
    )
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            dataset = start_freeze(
                by=access.user,
                project=access.project,
                validation=form.share("validation"),
                test=form.share("test"),
                slices=given["slices"],
                sources=given["sources"],
                note=given["note"],
            )
        except Invalid as error:
            take_errors(form, error)
        else:
            return redirect("annotation:dataset", access.project.slug, dataset.number)
    context = {
        "form": form,
        "preview": preview(
            access.project, slices=chosen.getlist("slices"), sources=chosen.getlist("sources")
        ),
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "annotation/dataset_new.html", context, status=status)


def _dataset(access: Access, number: int) -> DatasetVersion:
    return access.get(versions_of(access.project), number=number)


def _share_bars(counts: dict[str, int], longest: int) -> list[tuple[str, float, float]]:
    """(split, start, width) in percent of the longest bar."""
    bars, start = [], 0.0
    for split in SPLITS:
        width = 100 * counts.get(split, 0) / max(longest, 1)
        bars.append((split, round(start, 2), round(width, 2)))
        start += width
    return bars


def _slices(dataset: DatasetVersion) -> list[dict[str, Any]]:
    found = dataset.counts.get("slices", {})
    longest = max((sum(counts.values()) for counts in found.values()), default=0)
    return [
        {
            "name": name,
            "counts": [counts.get(split, 0) for split in SPLITS],
            "total": sum(counts.values()),
            "bars": _share_bars(counts, longest),
        }
        for name, counts in sorted(found.items(), key=lambda item: -sum(item[1].values()))
    ]


@project_page(*READERS)
@require_safe
def dataset(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    one = _dataset(access, number)
    ready = one.status == DatasetVersion.Status.READY
    before = version_before(one) if ready else None
    context = {
        "dataset": one,
        "run": one.run,
        "ready": ready,
        "splits": [(split, GroupSplit.Split(split).label, one.counts.get(split, 0)) for split in SPLITS],
        "bars": _share_bars(one.counts, one.counts.get("total", 0)),
        "slices": _slices(one),
        "comparison": compare(one, before) if before else None,
        "people": people_behind(one) if ready else None,
        "sees_runs": access.sees_all,
        "may_change": access.has(Role.ADMIN),
    }
    return render(request, "annotation/dataset_detail.html", context)


def _ready(access: Access, number: int) -> DatasetVersion:
    one = _dataset(access, number)
    if one.status != DatasetVersion.Status.READY:
        raise Http404("This dataset has no rows.")
    return one


@project_page(*READERS)
@require_safe
def dataset_rows(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    one = _ready(access, number)
    split = request.GET.get("split", "")
    if split not in SPLITS:
        split = ""
    tabs = [("", "All", one.counts["total"])] + [
        (name, GroupSplit.Split(name).label, one.counts.get(name, 0)) for name in SPLITS
    ]
    context = {
        "dataset": one,
        "split": split,
        "tabs": tabs,
        "page": cut(request, rows_of(one, split=split), 25),
    }
    return render(request, "annotation/dataset_rows.html", context)


@project_page(*READERS)
@require_safe
def dataset_withheld(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    one = _ready(access, number)
    return render(
        request,
        "annotation/dataset_withheld.html",
        {"dataset": one, "page": cut(request, withheld_of(one), 25)},
    )


@project_page(*READERS)
@require_safe
def dataset_download(request: HttpRequest, access: Access, number: int) -> StreamingHttpResponse:
    """The artifact itself: one JSON object a line, in the version's order."""
    return dataset_as_jsonl(_ready(access, number))
