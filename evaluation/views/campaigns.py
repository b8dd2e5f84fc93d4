"""Campaigns: the raters' comparisons, the list, planning one, and its actions."""

from typing import Any, TypedDict

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.access import Access, project_page
from core.errors import ExpectedError, Invalid
from core.forms import objects_of, status_of, take_errors
from core.lists.paging import cut
from core.lists.params import Params
from core.models import Role
from core.roles import CAMPAIGN_READERS
from evaluation import services
from evaluation.forms import CampaignFilter, CampaignForm
from evaluation.models import Campaign
from evaluation.queries import campaigns_of, open_campaigns
from evaluation.queries.rating import seconds_a_rating, shares_of
from training.models import BaseModel, ModelVersion
from training.queries import ready_bases
from training.services import ensure_base_version


@project_page(*CAMPAIGN_READERS)
@require_safe
def home(request: HttpRequest, access: Access) -> HttpResponse:
    """Raters: their comparisons, and closed campaigns. Admins and viewers: all campaigns."""
    context: dict[str, Any] = {"sees_all": access.sees_all}
    if access.has(Role.RATER):
        shares = shares_of(access.user, list(open_campaigns(access.project)))
        seconds = seconds_a_rating(access.project)
        context["waiting"] = [(share, share.left * seconds) for share in shares]
    filters = CampaignFilter(request.GET)
    if context["sees_all"]:
        campaigns, status = (
            filters.shown(campaigns_of(access.project, **filters.criteria())),
            filters.http_status,
        )
    else:
        campaigns, status = campaigns_of(access.project, status=Campaign.Status.CLOSED), 200
    page = cut(request, campaigns, 25)
    context |= {"filters": filters, "page": page}
    return render(request, "evaluation/home.html", context, status=status)


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def campaign_new(request: HttpRequest, access: Access) -> HttpResponse:
    data = request.POST if request.method == "POST" else None
    form = CampaignForm(access.project, data, candidate=Params(request.GET).text("candidate"))
    if request.method == "POST" and form.is_valid():
        try:
            campaign = services.create_campaign(by=access.user, project=access.project, **form.cleaned_data)
        except ExpectedError as error:
            take_errors(form, error)
        else:
            messages.success(
                request,
                "The answers are being made. The campaign opens automatically with the first comparison.",
            )
            return redirect("evaluation:campaign", access.project.slug, campaign.pk)
    context = {"form": form, **form.preview(), **_what_is_missing(access, form)}
    return render(request, "evaluation/campaign_new.html", context, status=status_of(form))


class Missing(TypedDict):
    """What a project lacks for a campaign; `bases` are base models that it could compare with."""

    too_few: bool
    no_dataset: bool
    bases: list[BaseModel]


def _what_is_missing(access: Access, form: CampaignForm) -> Missing:
    versions = list(objects_of(form, "candidate").queryset or ())
    with_base = ModelVersion.objects.filter(project=access.project, kind=ModelVersion.Kind.BASE)
    known = set(with_base.values_list("base_model", flat=True))
    return {
        "too_few": len(versions) < 2,
        "no_dataset": not objects_of(form, "dataset").queryset,
        "bases": [base for base in ready_bases() if base.pk not in known],
    }


@project_page(Role.ADMIN)
@require_safe
def campaign_preview(request: HttpRequest, access: Access) -> HttpResponse:
    """The number of ratings for the form's values, and their precision."""
    return render(request, "evaluation/_plan.html", CampaignForm(access.project, request.GET).preview())


@project_page(Role.ADMIN)
@require_POST
def base_add(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Adds a base model as a version of this project, so that it can be compared."""
    base = ready_bases().filter(pk=pk).first()
    if base is None:
        raise Invalid("This base model is not ready.", "See it on the Train page.")
    version = ensure_base_version(by=access.user, project=access.project, base_model=base)
    messages.success(
        request, f"{version} is now a model version of this project. You can choose it when it is loaded."
    )
    return redirect("evaluation:campaign-new", access.project.slug)


def _campaign(access: Access, pk: int) -> Campaign:
    return access.get(Campaign.objects.select_related("project", "run"), pk=pk)


def _back(access: Access, campaign: Campaign) -> HttpResponse:
    return redirect("evaluation:campaign", access.project.slug, campaign.pk)


@project_page(Role.ADMIN)
@require_POST
def campaign_close(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    seen = request.POST.get("seen", "")
    campaign = services.close_campaign(by=access.user, campaign=_campaign(access, pk), seen=seen)
    messages.success(request, "Closed. Raters can see the results now.")
    return _back(access, campaign)


@project_page(Role.ADMIN)
@require_POST
def campaign_reopen(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    seen = request.POST.get("seen", "")
    campaign = services.reopen_campaign(by=access.user, campaign=_campaign(access, pk), seen=seen)
    messages.success(request, "Open again. Results are hidden from raters again.")
    return _back(access, campaign)


@project_page(Role.ADMIN)
@require_POST
def campaign_retry(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    campaign = services.retry_campaign(by=access.user, campaign=_campaign(access, pk))
    messages.success(request, "Trying again. Finished answers are kept.")
    return _back(access, campaign)


@project_page(Role.ADMIN)
@require_POST
def campaign_delete(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    services.delete_campaign(by=access.user, campaign=_campaign(access, pk))
    messages.success(request, "Deleted. It had no ratings.")
    return redirect("evaluation:home", access.project.slug)
