"""Rating. Nothing here may name a version, a campaign or an entry: a comparison is shown by its token, an answer by its
side."""

import json
import uuid
from typing import Any, TypedDict

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.checks import fact_marks
from core.access import Access, project_page
from core.errors import Conflict, Invalid
from core.http.requests import by_htmx
from core.lists.params import Params
from core.models import Role
from core.views.drafts import how_it_stands, saved, writer_of
from evaluation import services
from evaluation.forms import RatingForm
from evaluation.models import Campaign, Comparison, Rating, RatingDraft, Score
from evaluation.queries.rating import answers_coming, last_rated, own_comparisons, rated_before, share_of
from evaluation.sides import SIDES

TONES = ("ok", "warn", "bad")
# The meaning of the scores 1 and 5.
ENDS = {
    Score.Criterion.ACCURACY: ("wrong", "matches the records"),
    Score.Criterion.TONE: ("rude or cold", "like a good colleague"),
    Score.Criterion.CONCISENESS: ("too long", "nothing to remove"),
}


@project_page(Role.RATER)
@require_safe
def rate(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """The next comparison of a campaign for this rater."""
    campaign = access.get(Campaign.objects.select_related("project"), pk=pk)
    return _next(request, access, campaign)


@project_page(Role.RATER)
@require_http_methods(["GET", "HEAD", "POST"])
def rate_comparison(request: HttpRequest, access: Access, public_id: uuid.UUID) -> HttpResponse:
    """GET: your own comparison, open or rated. POST: rates it, or changes the rating, and returns the next."""
    comparison = _own(access, public_id)
    if request.method != "POST":
        if comparison.status not in (Comparison.Status.OPEN, Comparison.Status.RATED):
            return redirect("evaluation:rate", access.project.slug, comparison.campaign_id)
        if comparison.campaign.status != Campaign.Status.OPEN:
            raise Conflict("This campaign is closed, so its ratings cannot change.", "See its results.")
        return _show(request, access, comparison)
    form = RatingForm(request.POST)
    send = services.change_rating if "change" in request.POST else services.rate
    try:
        send(by=access.user, comparison=comparison, **form.values())
    except Invalid as error:
        return _show(request, access, comparison, data=request.POST.dict(), errors=error.fields, status=422)
    if "change" in request.POST:
        messages.success(request, "Your rating is changed.")
    return _after(request, access, comparison.campaign)


@project_page(Role.RATER)
@require_POST
def rate_skip(request: HttpRequest, access: Access, public_id: uuid.UUID) -> HttpResponse:
    comparison = _own(access, public_id)
    services.skip(by=access.user, comparison=comparison)
    return _after(request, access, comparison.campaign)


@project_page(Role.RATER)
@require_POST
def rate_hold(request: HttpRequest, access: Access, public_id: uuid.UUID) -> HttpResponse:
    """The heartbeat of an open comparison."""
    held = services.hold(by=access.user, comparison=_own(access, public_id))
    return JsonResponse({"until": held.expires_at.isoformat()})


@project_page(Role.RATER)
@require_http_methods(["GET", "HEAD", "POST"])
def rate_draft(request: HttpRequest, access: Access, public_id: uuid.UUID) -> HttpResponse:
    """POST saves the form as filled in so far. GET returns whether this comparison can still be rated here."""
    comparison = _own(access, public_id)
    changing = "change" in Params(request.GET)
    if request.method != "POST":
        state = services.rating_state(comparison=comparison, changing=changing)
        next_url = reverse("evaluation:rate", args=[access.project.slug, comparison.campaign_id])
        return how_it_stands(state, RatingDraft.objects.filter(comparison=comparison).first(), next_url)
    content = request.POST.dict() | ({"change": "1"} if changing else {})
    kept = services.save_draft(by=access.user, comparison=comparison, content=content, **writer_of(request))
    return saved(kept)


@project_page(Role.RATER)
@require_POST
def rate_draft_discard(request: HttpRequest, access: Access, public_id: uuid.UUID) -> HttpResponse:
    comparison = _own(access, public_id)
    services.discard_draft(by=access.user, comparison=comparison)
    if not by_htmx(request):
        return redirect("evaluation:rate-comparison", access.project.slug, public_id)
    return _show(request, access, comparison)


def _own(access: Access, public_id: uuid.UUID) -> Comparison:
    return get_object_or_404(
        own_comparisons(access.user), campaign__project=access.project, public_id=public_id
    )


def _after(request: HttpRequest, access: Access, campaign: Campaign) -> HttpResponse:
    if by_htmx(request):
        return _next(request, access, campaign)
    return redirect("evaluation:rate", access.project.slug, campaign.pk)


def _next(request: HttpRequest, access: Access, campaign: Campaign) -> HttpResponse:
    comparison = services.next_comparison(by=access.user, campaign=campaign)
    if comparison is None:
        context = {
            "campaign": campaign,
            "share": share_of(access.user, campaign),
            "coming": answers_coming(campaign),
            "last": last_rated(access.user, campaign),
        }
        return _draw(request, "evaluation/_nothing_left.html", context)
    return _show(request, access, own_comparisons(access.user).get(pk=comparison.pk))


def _show(
    request: HttpRequest,
    access: Access,
    comparison: Comparison,
    *,
    data: dict[str, Any] | None = None,
    errors: dict[str, list[str]] | None = None,
    status: int = 200,
) -> HttpResponse:
    rating = Rating.objects.filter(comparison=comparison).prefetch_related("scores").first()
    draft = RatingDraft.objects.filter(comparison=comparison).first()
    if data is None and draft is not None:
        data = draft.content
    elif data is None:
        data = RatingForm.initial_of(_with_sides(rating, comparison)) if rating is not None else {}
    context = {
        "comparison": comparison,
        "prompt": comparison.prompt,
        "marks": json.dumps(_marks(comparison), ensure_ascii=False),
        "sides": _sides(comparison, data),
        "choices": [
            {"value": value, "label": label, "key": number, "chosen": data.get("choice") == value}
            for number, (value, label) in enumerate(Rating.Choice.choices, start=1)
        ],
        "criteria": _criteria(data, errors or {}),
        "values": ["1", "2", "3", "4", "5"],
        "skip_scores": bool(data.get("skip_scores")),
        "comment": data.get("comment", ""),
        "errors": _in_words(errors),
        "changing": rating is not None,
        "draft": draft,
        "share": share_of(access.user, comparison.campaign),
        "coming": answers_coming(comparison.campaign),
        "before": rated_before(comparison),
    }
    return _draw(request, "evaluation/_comparison.html", context, status=status)


class ShownSide(TypedDict):
    """One of the two answers, with what the person has entered for it."""

    side: str
    label: str
    text: str
    correction: str
    filed: bool
    chosen: bool


def _sides(comparison: Comparison, data: dict[str, Any]) -> list[ShownSide]:
    """Both answers with what the person has entered for them."""
    filed = set(comparison.corrections.values_list("answer", flat=True))
    return [
        {
            "side": side,
            "label": side.upper(),
            "text": answer.answer.text,
            "correction": data.get(f"correction_{side}", ""),
            "filed": answer.pk in filed,
            "chosen": data.get("choice") == side,
        }
        for side, answer in (("a", comparison.a), ("b", comparison.b))
    ]


class ScoreField(TypedDict):
    name: str
    side: str
    value: str
    missing: bool


class ShownCriterion(TypedDict):
    """A criterion, the words at both ends of its scale, and its two fields."""

    label: str
    low: str
    high: str
    sides: list[ScoreField]


def _criteria(data: dict[str, Any], errors: dict[str, list[str]]) -> list[ShownCriterion]:
    """The criteria with both sides' scores; a score that is missing is marked."""
    return [
        {
            "label": criterion.label,
            "low": ENDS[criterion][0],
            "high": ENDS[criterion][1],
            "sides": [
                {
                    "name": f"{criterion.value}_{side}",
                    "side": side.upper(),
                    "value": str(data.get(f"{criterion.value}_{side}", "")),
                    "missing": f"{criterion.value}_{side}" in errors,
                }
                for side in SIDES
            ],
        }
        for criterion in Score.Criterion
    ]


def _marks(comparison: Comparison) -> dict[str, list[str]]:
    """The values in both answers, by side and tone ("a-ok", "b-bad"), and the records' values that one of them uses."""
    prompt = comparison.prompt
    marked: dict[str, list[str]] = {}
    in_records: dict[str, None] = {}
    for side, answer in (("a", comparison.a), ("b", comparison.b)):
        content = {
            "messages": prompt.messages,
            "context": prompt.context,
            "completion": answer.answer.text,
        }
        marks = fact_marks(content, comparison.campaign.project)
        marked |= {
            f"{side}-{tone}": marks[f"completion-{tone}"] for tone in TONES if f"completion-{tone}" in marks
        }
        in_records |= dict.fromkeys(marks.get("context-ok", []))
    return marked | ({"context-ok": list(in_records)} if in_records else {})


def _with_sides(rating: Rating, comparison: Comparison) -> Rating:
    """Avoids reading the comparison again."""
    rating.comparison = comparison
    return rating


def _in_words(errors: dict[str, list[str]] | None) -> list[str]:
    """Six missing scores give one message."""
    return list(
        dict.fromkeys(message for field_messages in (errors or {}).values() for message in field_messages)
    )


def _draw(request: HttpRequest, fragment: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """The fragment alone for htmx, or inside its page."""
    if by_htmx(request):
        response = render(request, fragment, context, status=status)
        if "comparison" not in context or context["comparison"].status == Comparison.Status.OPEN:
            # After a changed rating the address must no longer contain that comparison.
            campaign = context["comparison"].campaign if "comparison" in context else context["campaign"]
            response["HX-Replace-Url"] = reverse("evaluation:rate", args=[campaign.project.slug, campaign.pk])
    else:
        response = render(request, "evaluation/rate.html", {**context, "fragment": fragment}, status=status)
    response["Cache-Control"] = "no-store"  # Back must not show a comparison that is rated already
    return response
