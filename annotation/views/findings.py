"""Quality: what the checks found in the project's examples, and the decisions about it."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_list_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from annotation import services
from annotation.filters import QualityFilter
from annotation.forms import whole_number
from annotation.links import annotation_subnav
from annotation.models import Example, ExampleFinding, Lease
from annotation.queries.findings import check_state, counts_of, find_findings, last_bulk, last_decision, shown
from annotation.services import quality
from annotation.services.findings import UNDO, Settled
from core.access import Access, project_page
from core.errors import Invalid
from core.lists.paging import cut
from core.models import Role, Run
from core.roles import EXAMPLE_DECIDERS, EXAMPLE_READERS
from core.wording import counted

MOST_SELECTED = 500
NAMED = 20  # examples in one message
_GONE = "None of these findings can be settled so now. Somebody may have done it before you."
_NOTHING = {
    quality.FIX: "Nothing was fixed: none of these findings has a fix. Open the example, and correct the text yourself."
}
_DONE = {
    quality.FIX: "fixed",
    quality.DISMISS: "dismissed",
    quality.REOPEN: "opened again",
    quality.LEAVE_OUT: "settled by leaving out what they are about",
}
# The parts of the two editors that a remedy leads to.
_PARTS = {"records": "panel-records", "completion": "completion"}


@project_page(*EXAMPLE_READERS)
@require_safe
def findings(request: HttpRequest, access: Access) -> HttpResponse:
    project = access.project
    filters = QualityFilter(request.GET, project=project)
    criteria = filters.criteria()
    rows = filters.shown(find_findings(project, criteria).select_related("example", "decided_by"))
    page = cut(request, rows, 25)
    decides = access.has(*EXAMPLE_DECIDERS)
    state = check_state(project)
    context = {
        "subnav": annotation_subnav(access, "quality:findings"),
        "filters": filters,
        "only": criteria,
        "page": page,
        "rows": shown(page.object_list),
        "counts": counts_of(project),
        "state": state,
        "follows": access.follows(state.run),
        "may_cancel": access.has(Role.ADMIN),
        "decides": decides,
        "picks": decides and criteria.get("status", "open") in ("open", "dismissed"),
        "status": criteria.get("status", "open"),
        "upto": page.object_list and max(finding.pk for finding in page.object_list),
        "bulk": last_bulk(access.user, project, UNDO) if decides else None,
        "undo": last_decision(access.user, project, UNDO) if decides else None,
    }
    return render(request, "annotation/findings.html", context, status=filters.http_status)


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def check(request: HttpRequest, access: Access) -> HttpResponse:
    """Starts a check of all examples."""
    quality.start_check(by=access.user, project=access.project)
    messages.success(request, "All examples are being checked now.")
    return redirect("quality:findings", access.project.slug)


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def settle(request: HttpRequest, access: Access) -> HttpResponse:
    """Fixes, dismisses, opens again or leaves out: one finding, the selected ones, or all that match the filters (`all`)."""
    action, reason = request.POST.get("do", ""), request.POST.get("reason", "")
    criteria = _chosen(request, access)
    if criteria is None:
        messages.warning(request, "Nothing was selected.")
        return _back(request, access)
    try:
        outcome = quality.settle(
            by=access.user, project=access.project, action=action, criteria=criteria, reason=reason
        )
    except Invalid as error:
        messages.error(request, f"{error.message} {error.advice}")
        return _back(request, access)
    _tell(request, outcome, _DONE[action], nothing=_NOTHING.get(action, _GONE))
    return _back(request, access)


def _chosen(request: HttpRequest, access: Access) -> Mapping[str, Any] | None:
    """Which findings the form is about; None when none was selected."""
    if request.POST.get("all"):
        # The filters of the page that was shown, and nothing that was found since then.
        filters = QualityFilter(_without_page(request.GET), project=access.project)
        upto = whole_number(request.POST.get("upto"))
        return {**filters.checked(), "upto": upto} if upto else None
    ids = [whole_number(value) for value in request.POST.getlist("finding")[:MOST_SELECTED]]
    return {"ids": [pk for pk in ids if pk]} if any(ids) else None


def _without_page(query: QueryDict) -> QueryDict:
    values = query.copy()
    values.pop("page", None)
    return values


def _back(request: HttpRequest, access: Access) -> HttpResponse:
    """To the list with the same filters, or to the example's page that the form was on."""
    if example := whole_number(request.POST.get("from")):
        return redirect("annotation:example", access.project.slug, example)
    address = reverse("quality:findings", args=[access.project.slug])
    query = urlencode(request.GET, doseq=True)
    return redirect(f"{address}?{query}" if query else address)


def _tell(request: HttpRequest, outcome: Settled | Run, done: str, *, nothing: str = _GONE) -> None:
    """Says what was done, and which examples were left, with the reasons."""
    if isinstance(outcome, Run):
        messages.info(request, "There are many: a background job does it now. You see its progress here.")
        return
    if outcome.findings:
        messages.success(
            request,
            f"{counted(outcome.findings, 'finding')} {done}, in {counted(outcome.examples, 'example')}.",
        )
    reasons: dict[str, list[int]] = {}
    for pk, why in outcome.left:
        reasons.setdefault(why, []).append(pk)
    for why, left in reasons.items():
        names = ", ".join(f"#{pk}" for pk in left[:NAMED])
        more = f" and {len(left) - NAMED:,} more" if len(left) > NAMED else ""
        messages.warning(request, f"{names}{more}: not changed. {why}")
    if not outcome.findings and not outcome.left:
        messages.warning(request, nothing)


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def undo(request: HttpRequest, access: Access, batch: uuid.UUID) -> HttpResponse:
    get_list_or_404(ExampleFinding.objects.only("pk"), batch=batch, project=access.project)
    outcome = quality.undo(by=access.user, project=access.project, batch=batch)
    _tell(request, outcome, "opened again")
    return _back(request, access)


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def edit(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Opens the finding's example in the editor that its status has, at the records or at the completion. An approved example goes back
    into the queue first."""
    finding = access.get(ExampleFinding.objects.select_related("example"), pk=pk)
    example = finding.example
    example.project = access.project
    review = example.status == Example.Status.IN_REVIEW
    purpose, role, page = (
        (Lease.Purpose.REVIEW, Role.REVIEWER, "annotation:correct")
        if review
        else (Lease.Purpose.ANNOTATE, Role.ANNOTATOR, "annotation:item")
    )
    with transaction.atomic():
        if example.status == Example.Status.APPROVED:
            services.requeue(by=access.user, example=example, reason=finding.says)
        if access.has(role):
            services.take(by=access.user, example=example, purpose=purpose)
    if not access.has(role):
        who = "a reviewer can correct it" if review else "it is in the queue, and an annotator changes it"
        messages.info(request, f"#{example.pk}: {who}. You do not have that role here.")
        return redirect("annotation:example", access.project.slug, example.pk)
    address = reverse(page, args=[access.project.slug, example.pk])
    return redirect(f"{address}#{_PARTS.get(request.POST.get('part', ''), 'completion')}")
