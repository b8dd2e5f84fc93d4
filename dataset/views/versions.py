"""Dataset versions: freeze one, show its content, compare it with the one before."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from annotation.links import annotation_subnav
from annotation.queries.examples import slices_of, sources_of
from core.access import Access, project_page
from core.errors import Conflict, ExpectedError
from core.forms import status_of, take_errors
from core.lists.paging import cut
from core.lists.params import Params
from core.models import Role
from core.roles import EXAMPLE_DECIDERS, EXAMPLE_READERS
from dataset.downloads import dataset_as_jsonl
from dataset.filters import RowFilter
from dataset.forms import FreezeForm
from dataset.models import DataRule, DatasetVersion, GroupSplit
from dataset.queries.audits import audit_of_version, newest_made, summary
from dataset.queries.comparison import VersionComparison
from dataset.queries.datasheet import answered_of
from dataset.queries.preference_versions import (
    changed_rows,
    people_who_judged,
    preference_rows_of,
    refuse_preferences,
    with_texts,
)
from dataset.queries.preview import AT_ONCE, WHOLE, Preview, preview
from dataset.queries.provenance import people_behind
from dataset.queries.reports import facts_of, report_of
from dataset.queries.versions import (
    newest_ready,
    not_frozen_yet,
    ready_datasets,
    rows_of,
    version_before,
    versions_of,
    withheld_of,
)
from dataset.queries.withdrawals import withdrawals_in
from dataset.services.versions import FREEZE_DEFAULTS, start_freeze
from dataset.split_tables import SplitTable, split_table
from dataset.splits import SPLITS
from dataset.views.preferences import preference_details


@project_page(*EXAMPLE_READERS)
@require_safe
def datasets(request: HttpRequest, access: Access) -> HttpResponse:
    context = {
        "page": cut(request, versions_of(access.project), 25),
        "waiting": not_frozen_yet(access.project, newest_ready(access.project)),
        "can_freeze": access.has(Role.ADMIN),
        "sees_runs": access.sees_all,
        "subnav": annotation_subnav(access, "datasets:datasets"),
    }
    return render(request, "datasets/version_list.html", context)


def _form(access: Access, data: QueryDict | None, **initial: list[str]) -> FreezeForm:
    sources = sources_of(access.project)
    return FreezeForm(data, slices=slices_of(access.project), sources=sources, initial=initial)


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def dataset_new(request: HttpRequest, access: Access) -> HttpResponse:
    """The form, and beside it a preview, which reloads when the form changes."""
    params = Params(request.GET)
    chosen = {name: params.texts(name) for name in ("slices", "sources")}
    form = _form(access, request.POST if request.method == "POST" else None, **chosen)
    conflict = False
    if request.method == "POST" and form.is_valid():
        try:
            dataset = start_freeze(
                by=access.user,
                project=access.project,
                note=form.cleaned_data["note"],
                seen=request.POST.get("seen", ""),
                **form.settings(),
            )
        except ExpectedError as error:
            conflict = isinstance(error, Conflict)
            take_errors(form, error)
        else:
            return redirect("datasets:dataset", access.project.slug, dataset.number)
    defaults = FREEZE_DEFAULTS | chosen
    freeze_settings = form.settings() if form.is_bound and not form.errors else defaults
    # In a busy project examples are approved every few seconds. A person who has seen once that the data changes can freeze.
    context = {
        "form": form,
        "conflict": conflict,
        "bias_audit": newest_made(access.project),
        **_preview(access, freeze_settings, at_once=request.method == "POST"),
    }
    return render(request, "datasets/version_new.html", context, status=status_of(form))


@project_page(Role.ADMIN)
@require_safe
def dataset_preview(request: HttpRequest, access: Access) -> HttpResponse:
    """The preview of a freeze with the present values of the form."""
    form = _form(access, request.GET)
    # The note does not count here. Errors of the other fields are shown in the place of the plan.
    context = _preview(access, form.settings(), at_once=True) if form.is_valid() else {"form": form}
    return render(request, "datasets/_freeze_preview.html", {"access": access, **context})


class FreezePreview(SplitTable):
    preview: Preview
    counts: dict[str, Any] | None
    settings: dict[str, Any]
    whole: int


def _preview(access: Access, settings: dict[str, Any], *, at_once: bool) -> FreezePreview:
    """With many rows the plan takes a while: the page shows the counts first and then requests it."""
    shown = preview(access.project, settings, most=None if at_once else AT_ONCE)
    new = {name: n for name, _, n in shown.slices} if shown.since else None
    return {
        "preview": shown,
        "counts": shown.counts,
        "settings": settings,
        "whole": WHOLE,
        **split_table(shown.counts or {}, new),
    }


def _dataset(access: Access, number: int) -> DatasetVersion:
    return access.get(versions_of(access.project), number=number)


@project_page(*EXAMPLE_READERS)
@require_safe
def dataset(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    dataset = _dataset(access, number)
    ready = dataset.status == DatasetVersion.Status.READY
    preferences = dataset.kind == DatasetVersion.Kind.PREFERENCE
    details = _preference_page if preferences else _details
    context = {
        "dataset": dataset,
        "run": dataset.run,
        "ready": ready,
        "counts": dataset.counts,
        "sees_runs": access.sees_all,
        "may_change": access.has(Role.ADMIN),
        **(details(access, dataset) if ready else {}),
    }
    template = "preferences_detail" if ready and preferences else "version_detail"
    return render(request, f"datasets/{template}.html", context)


def _preference_page(access: Access, dataset: DatasetVersion) -> dict[str, Any]:
    before = version_before(dataset)
    return {
        **split_table(dataset.counts),
        **preference_details(dataset),
        "withdrawn": withdrawals_in(dataset),
        "rules": [DataRule(rule).label for rule in dataset.settings.get("rules", ())],
        "before": before,
        "difference": changed_rows(dataset, before) if before else None,
        "people": people_who_judged(dataset) if access.sees_all else None,
    }


def _details(access: Access, dataset: DatasetVersion) -> dict[str, Any]:
    """What the page of a ready version shows. Counts over its rows are cached or stored: nothing reads 100,000 rows."""
    before, report = version_before(dataset), report_of(dataset)
    bias_audit = audit_of_version(dataset)
    answered, asked = answered_of(dataset)
    return {
        **split_table(dataset.counts),
        "withdrawn": withdrawals_in(dataset),
        "rules": [DataRule(rule).label for rule in dataset.settings.get("rules", ())],
        "before": before,
        "comparison": VersionComparison(dataset, before).counts() if before else None,
        "others": ready_datasets(access.project, dataset.kind).exclude(pk=dataset.pk),
        "chosen": before.number if before else None,
        "people": people_behind(dataset),
        "report": report,
        "facts": facts_of(report, dataset),
        "bias_audit": bias_audit,
        "bias_says": summary(bias_audit) if bias_audit and bias_audit.made_at else "",
        "may_decide_bias": access.has(*EXAMPLE_DECIDERS),
        "answered": answered,
        "asked": asked,
    }


def ready_dataset(access: Access, number: int) -> DatasetVersion:
    dataset = _dataset(access, number)
    if dataset.status != DatasetVersion.Status.READY:
        raise Http404("This dataset has no rows.")
    return dataset


def ready_examples(access: Access, number: int, what: str) -> DatasetVersion:
    """For pages that a preference version does not have: Refused, `what` says which ("a report")."""
    dataset = ready_dataset(access, number)
    refuse_preferences(dataset, what)
    return dataset


@project_page(*EXAMPLE_READERS)
@require_safe
def dataset_rows(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    dataset = ready_dataset(access, number)
    filters = RowFilter(request.GET, dataset=dataset)
    chosen = filters.rows()
    tabs = [("", "All", dataset.counts["total"])] + [
        (name, GroupSplit.Split(name).label, dataset.counts.get(name, 0)) for name in SPLITS
    ]
    preferences = dataset.kind == DatasetVersion.Kind.PREFERENCE
    rows = preference_rows_of if preferences else rows_of
    context = {
        "dataset": dataset,
        "filters": filters,
        "split": chosen["split"],
        "tabs": tabs,
        "page": cut(request, filters.shown(rows(dataset, **chosen)), 25),
    }
    if preferences:
        context["rows"] = with_texts(dataset, context["page"], named=access.sees_all)
    template = "preferences_rows" if preferences else "version_rows"
    return render(request, f"datasets/{template}.html", context, status=filters.http_status)


@project_page(*EXAMPLE_READERS)
@require_safe
def dataset_withheld(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    dataset = ready_dataset(access, number)
    return render(
        request,
        "datasets/version_withheld.html",
        {"dataset": dataset, "page": cut(request, withheld_of(dataset), 25)},
    )


@project_page(*EXAMPLE_READERS)
@require_safe
def dataset_download(request: HttpRequest, access: Access, number: int) -> StreamingHttpResponse:
    """The artifact: one JSON object per line, in the version's order."""
    return dataset_as_jsonl(ready_dataset(access, number), by=access.user, method=request.method)
