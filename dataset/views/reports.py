"""The report on a version's rows: started here when there is none, and the findings that it lists."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from core.access import Access, project_page
from core.lists.paging import cut
from core.models import Role
from core.roles import EXAMPLE_READERS
from dataset.filters import FindingFilter
from dataset.queries.reports import facts_of, findings_of, report_of
from dataset.services.reports import start_report
from dataset.views.versions import ready_examples


@project_page(*EXAMPLE_READERS)
@require_safe
def findings(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    dataset = ready_examples(access, number, "report")
    filters = FindingFilter(request.GET)
    context = {
        "dataset": dataset,
        "filters": filters,
        "report": facts_of(report_of(dataset), dataset),
        "page": cut(request, filters.shown(findings_of(dataset, **filters.criteria())), 25),
    }
    return render(request, "datasets/version_findings.html", context, status=filters.http_status)


@project_page(Role.ADMIN)
@require_POST
def make_report(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    """Starts the report of a version that was frozen before there were reports."""
    dataset = ready_examples(access, number, "report")
    start_report(by=access.user, dataset=dataset)
    messages.success(request, "Guildhall reads the rows now.")
    return redirect("datasets:dataset", access.project.slug, dataset.number)
