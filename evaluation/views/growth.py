"""Growth of an open campaign, and setting aside votes on answers in doubt."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from core.access import Access, project_page
from core.errors import ExpectedError
from core.forms import status_of, take_errors
from core.http.requests import by_htmx
from core.models import Role
from core.wording import counted
from evaluation import services
from evaluation.forms import AddPromptsForm, AddRatersForm, SetAsideForm
from evaluation.models import Campaign
from evaluation.queries import campaigns_of
from evaluation.queries.campaigns import rater_count
from evaluation.queries.gaps import gaps_of
from evaluation.services.plan import campaign_stamp


def _campaign(access: Access, pk: int) -> Campaign:
    return access.get(Campaign.objects.select_related("project"), pk=pk)


def _back(access: Access, pk: int) -> HttpResponse:
    return redirect("evaluation:campaign", access.project.slug, pk)


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def add_prompts(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """More test prompts. For htmx, returns the plan for the typed number."""
    campaign = access.get(campaigns_of(access.project), pk=pk)
    form = AddPromptsForm(campaign, _given(request))
    if request.method == "POST" and form.is_valid():
        more, seen = form.cleaned_data["prompts"], request.POST.get("seen", "")
        try:
            services.add_prompts(by=access.user, campaign=campaign, prompts=more, seen=seen)
        except ExpectedError as error:
            take_errors(form, error)
        else:
            messages.success(
                request,
                f"The answers to {counted(more, 'prompt')} are being made. Each joins when it has both answers.",
            )
            return _back(access, pk)
    return _draw(request, "evaluation/add_prompts.html", form, {"campaign": campaign, "left": form.left})


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def add_raters(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """More ratings per prompt and more raters. For htmx, returns the plan for the form's values."""
    campaign = access.get(campaigns_of(access.project), pk=pk)
    form = AddRatersForm(campaign, _given(request))
    if request.method == "POST" and form.is_valid():
        try:
            seen = request.POST.get("seen", "")
            services.add_raters(by=access.user, campaign=campaign, seen=seen, **form.cleaned_data)
        except ExpectedError as error:
            take_errors(form, error)
        else:
            messages.success(request, "Done. Raters find their comparisons on Home.")
            return _back(access, pk)
    context = {"campaign": campaign, "raters": rater_count(access.project)}
    return _draw(request, "evaluation/add_raters.html", form, context)


def _given(request: HttpRequest) -> QueryDict | None:
    """The sent or typed values; None when the form is opened."""
    if request.method == "POST":
        return request.POST
    return request.GET if by_htmx(request) else None


def _draw(
    request: HttpRequest, page: str, form: AddPromptsForm | AddRatersForm, context: dict[str, Any]
) -> HttpResponse:
    if request.method != "POST" and by_htmx(request):
        return render(request, "evaluation/_plan.html", form.preview())
    status = status_of(form) if request.method == "POST" else 200
    context |= {**form.preview(), "form": form, "seen": campaign_stamp(form.campaign)}
    return render(request, page, context, status=status)


@project_page(Role.ADMIN)
@require_POST
def drop_unanswered(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    count = services.drop_unanswered(by=access.user, campaign=_campaign(access, pk))
    messages.success(request, f"Dropped {counted(count, 'prompt')} without answers.")
    return _back(access, pk)


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def set_aside(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    campaign = access.get(campaigns_of(access.project), pk=pk)
    form = SetAsideForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            count = services.set_aside(by=access.user, campaign=campaign, **form.cleaned_data)
        except ExpectedError as error:
            take_errors(form, error)
        else:
            messages.success(request, f"Set {counted(count, 'vote')} aside. They do not count now.")
            return _back(access, pk)
    context = {"campaign": campaign, "form": form, "gaps": gaps_of(campaign)}
    return render(request, "evaluation/set_aside.html", context, status=status_of(form))


@project_page(Role.ADMIN)
@require_POST
def undo_set_aside(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    count = services.undo_set_aside(by=access.user, campaign=_campaign(access, pk))
    messages.success(request, f"{counted(count, 'vote counts', 'votes count')} again.")
    return _back(access, pk)


@project_page(Role.ADMIN)
@require_POST
def remake_answers(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    count = services.remake_answers(by=access.user, campaign=_campaign(access, pk))
    messages.success(request, f"The answers to {counted(count, 'prompt')} are being made again.")
    return _back(access, pk)
