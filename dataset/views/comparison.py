"""Two versions of a project side by side: what was added, removed, edited or moved."""

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from core.access import Access, project_page
from core.lists.params import Params
from core.roles import EXAMPLE_READERS
from dataset.filters import CompareFilter, CompareWithFilter
from dataset.models import DatasetVersion
from dataset.queries.comparison import Kind, VersionComparison
from dataset.queries.versions import ready_datasets, version_before
from dataset.views.versions import ready_examples

A_PAGE = 25
WHAT = "comparison of examples"


@project_page(*EXAMPLE_READERS)
@require_safe
def compare_with(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    """To the comparison with the version chosen in the form, else with the one before. A first version has nothing to be
    compared with until there is another one: the page then says so."""
    dataset = ready_examples(access, number, WHAT)
    filters = CompareWithFilter(request.GET)
    chosen = filters.criteria().get("other") if filters.is_valid() else None
    if filters.is_valid():
        others = ready_datasets(access.project, dataset.kind).exclude(pk=dataset.pk)
        other = others.filter(number=chosen).first() if chosen else version_before(dataset) or others.last()
        if other is not None:
            return redirect("datasets:dataset-compare", access.project.slug, dataset.number, other.number)
    context = {"dataset": dataset, "filters": filters, "chosen": chosen, **_others(access, dataset)}
    wrong = bool(chosen) or not filters.is_valid()
    return render(request, "datasets/version_compare.html", context, status=422 if wrong else 200)


def _others(access: Access, dataset: DatasetVersion) -> dict[str, object]:
    return {"others": ready_datasets(access.project, dataset.kind).exclude(pk=dataset.pk)}


@project_page(*EXAMPLE_READERS)
@require_safe
def compare(request: HttpRequest, access: Access, number: int, other: int) -> HttpResponse:
    """The counts cost one query over both versions, a page of rows another."""
    dataset, other_dataset = (ready_examples(access, one, WHAT) for one in (number, other))
    if dataset == other_dataset:
        raise Http404("A version is not compared with itself.")
    comparison = VersionComparison(dataset, other_dataset)
    filters = CompareFilter(request.GET, slices=comparison.slices())
    criteria = filters.criteria()
    kind, slice_name = criteria.get("kind", ""), criteria.get("slice", "")
    counts = comparison.counts(slice_name)
    page = None
    if filters.is_valid():
        rows = comparison.rows(kind=kind, slice_name=slice_name)
        page = Paginator(rows, A_PAGE).get_page(Params(request.GET).text("page", most=20))
    context = {
        "dataset": dataset,
        "other": other_dataset,
        "comparison": comparison,
        "counts": counts,
        "filters": filters,
        "kind": kind,
        "tabs": [
            ("", "All changes", counts.changed),
            *((one.value, one.label, counts.of(one)) for one in Kind),
        ],
        "page": page,
        "chosen": other_dataset.number,
        **_others(access, dataset),
    }
    return render(request, "datasets/version_compare.html", context, status=filters.http_status)
