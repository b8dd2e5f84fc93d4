"""A campaign's results, single ratings and export."""

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from core.access import Access, project_page
from core.charts import IntervalRow, interval_chart
from core.lists.paging import cut
from core.models import Role
from core.roles import CAMPAIGN_READERS, READERS
from core.subnav import NavLink, subnav
from evaluation.downloads import ratings_as_csv
from evaluation.forms import ComparisonFilter
from evaluation.models import Campaign, Entry, Score
from evaluation.queries import Results, browse, campaigns_of, comparison_detail, results_of
from evaluation.queries.campaigns import rater_count
from evaluation.queries.comparisons import rated_slices, raters_of
from evaluation.queries.gaps import gaps_of
from evaluation.services.plan import campaign_stamp

if TYPE_CHECKING:
    from evaluation.queries.campaigns import CountedCampaign

CHART_SLICES = 12


@project_page(*CAMPAIGN_READERS)
@require_safe
def campaign(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Results so far for admins and viewers; for raters once the campaign is closed, without colleagues' names."""
    campaign = access.get(campaigns_of(access.project), pk=pk)
    insider = access.sees_all
    if not insider and campaign.status != Campaign.Status.CLOSED:
        raise PermissionDenied(
            "Raters can see the results when the campaign is closed, so that rating stays blind."
        )
    results = results_of([campaign])[campaign.pk]
    context: dict[str, Any] = {
        "campaign": campaign,
        "results": results,
        "insider": insider,
        "may_change": access.has(Role.ADMIN),
        "seen": campaign_stamp(campaign),
        # Closing is the main action when nothing is missing; before, it is one action among others.
        "complete": bool(results.verdict.settled) or 0 < results.wanted <= results.n,
        "charts": _charts(results) if results.n else {},
        "subnav": _subnav(access, campaign, "evaluation:campaign"),
        "gaps": gaps_of(campaign) if insider else None,
        "raters_now": rater_count(access.project) if insider else None,
    }
    return render(request, "evaluation/campaign.html", context)


def _subnav(access: Access, campaign: "CountedCampaign", current: str) -> list[NavLink]:
    if not access.sees_all:
        return []
    pages = [("evaluation:campaign", "Results"), ("evaluation:comparisons", "Ratings one by one")]
    results, comparisons = subnav(pages, access.project.slug, campaign.pk, current=current)
    ratings = campaign.rating_count + campaign.set_aside_count
    return [results, replace(comparisons, count=ratings)]


def _charts(results: Results) -> dict[str, SafeString]:
    rate = results.win_rate
    rows = [IntervalRow("All ratings", rate.value, rate.low, rate.high, rate.n)]
    rows += [
        IntervalRow(slice_results.slice or "no slice", w.value, w.low, w.high, w.n)
        for slice_results in results.slices[:CHART_SLICES]
        if (w := slice_results.win_rate).n
    ]
    label = f"Win rate of {results.candidate} over {results.baseline}"
    charts = {
        "win_rate": interval_chart(rows=rows, label=label, reference=0.5, as_percent=True, domain=(0, 1))
    }
    scores = [
        IntervalRow(f"{criterion.label}, {version}", mean.value, mean.low, mean.high, mean.n)
        for criterion in results.criteria
        for version, mean in (
            (results.candidate, criterion.candidate),
            (results.baseline, criterion.baseline),
        )
        if mean.n
    ]
    if scores:
        charts["scores"] = interval_chart(rows=scores, label="Mean scores, 1 to 5", domain=(1, 5))
    return charts


@project_page(*READERS)
@require_safe
def comparisons(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    campaign = access.get(campaigns_of(access.project), pk=pk)
    filters = ComparisonFilter(request.GET, slices=rated_slices(campaign), raters=raters_of(campaign))
    context = {
        "campaign": campaign,
        "filters": filters,
        "page": cut(request, filters.shown(browse(campaign, filters.criteria())), 25),
        "subnav": _subnav(access, campaign, "evaluation:comparisons"),
    }
    return render(request, "evaluation/comparisons.html", context, status=filters.http_status)


@project_page(*READERS)
@require_safe
def comparison(request: HttpRequest, access: Access, public_id: uuid.UUID) -> HttpResponse:
    """One comparison with model names: both answers, the rating, the result of a correction."""
    comparison = get_object_or_404(comparison_detail(access.project), public_id=public_id)
    rating = getattr(comparison, "rating", None)
    scores = {(s.entry_id, s.criterion): s.value for s in rating.scores.all()} if rating else {}
    corrected = {c.answer_id: c for c in comparison.corrections.all()}
    sides: list[dict[str, Any]] = [
        {
            "label": label,
            "entry": answer.entry,
            "version": answer.entry.version,
            "role": "candidate" if answer.entry.position == Entry.CANDIDATE else "baseline",
            "answer": answer.answer,
            "preferred": rating is not None and rating.preferred_id == answer.entry_id,
            "correction": (correction := corrected.get(answer.pk)),
            "example_url": reverse("annotation:example", args=[access.project.slug, correction.example_id])
            if correction
            else "",
            "version_url": reverse("training:version", args=[access.project.slug, answer.entry.version_id]),
            "scores": [value for (entry, _), value in scores.items() if entry == answer.entry_id],
        }
        for label, answer in (("A", comparison.a), ("B", comparison.b))
    ]
    criteria = [
        (label, [scores.get((side["entry"].pk, value)) for side in sides])
        for value, label in Score.Criterion.choices
    ]
    context = {
        "comparison": comparison,
        "rating": rating,
        "sides": sides,
        "criteria": criteria if scores else [],
    }
    return render(request, "evaluation/comparison.html", context)


@project_page(Role.ADMIN)
@require_safe
def ratings_csv(request: HttpRequest, access: Access, pk: int) -> StreamingHttpResponse:
    """Every rating with its model names."""
    campaign = access.get(Campaign, pk=pk)
    return ratings_as_csv(campaign, by=access.user, method=request.method)
