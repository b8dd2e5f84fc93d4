"""Background jobs of a project: the list, one job, its card, and cancelling it, for all apps."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from core.access import Access, project_page, signed_in
from core.forms import RunFilter
from core.http.requests import by_htmx
from core.lists.paging import cut
from core.lists.params import Params
from core.models import Role, Run, User
from core.queries import runs_of, why_it_waits
from core.roles import MEMBERS, READERS
from core.runs.control import request_cancel, start_again
from core.runs.kinds import kind_label, subject_of
from core.views.subnav import project_subnav


@project_page(*READERS)
@require_safe
def runs(request: HttpRequest, access: Access) -> HttpResponse:
    filters = RunFilter(request.GET)
    runs = filters.shown(runs_of(access.project, **filters.criteria()))
    context = {
        "filters": filters,
        "page": cut(request, runs, 25),
        "can_cancel": access.has(Role.ADMIN),
        "subnav": project_subnav(access, "core:runs"),
    }
    return render(request, "core/runs.html", context, status=filters.http_status)


def _run(access: Access, pk: int) -> Run:
    return access.get(Run.objects.select_related("project", "created_by", "cancel_requested_by"), pk=pk)


@project_page(*READERS)
@require_safe
def run(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    run = _run(access, pk)
    context = {
        "run": run,
        "kind": kind_label(run.kind),
        "can_cancel": access.has(Role.ADMIN),
        "subject": subject_of(run),
    }
    return render(request, "core/run.html", context)


def _card(request: HttpRequest, run: Run, *, can_cancel: bool) -> HttpResponse:
    """The card with the options of the page, which are in its polled address."""
    params = Params(request.GET)
    on = {name: params.flag(name) for name in ("bare", "reload", "link")}
    href = reverse("core:run", args=[run.project.slug, run.pk]) if on["link"] and run.project else ""
    context = {
        "run": run,
        "can_cancel": can_cancel,
        "bare": on["bare"],
        "reload": on["reload"],
        "href": href,
        "waits": why_it_waits(run),
    }
    return render(request, "components/run_card.html", context)


@project_page(*MEMBERS)
@require_safe
def run_card(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Also for the person who started the run: a reviewer starts checks."""
    run = _run(access, pk)
    if not access.follows(run):
        raise Http404("No such run.")
    return _card(request, run, can_cancel=access.has(Role.ADMIN))


@project_page(Role.ADMIN)
@require_POST
def run_cancel(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    run = request_cancel(by=access.user, run=_run(access, pk))
    if by_htmx(request):
        return _card(request, run, can_cancel=True)
    return redirect("core:run", access.project.slug, run.pk)


def _started_again(request: HttpRequest, page: str) -> HttpResponse:
    """The whole page with the button is reloaded: it can show the status in other places."""
    if by_htmx(request):
        return HttpResponse(headers={"HX-Refresh": "true"})
    return redirect(page)


@project_page(Role.ADMIN)
@require_POST
def run_resume(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    run = start_again(by=access.user, run=_run(access, pk))
    return _started_again(request, reverse("core:run", args=[access.project.slug, run.pk]))


def _deployment_run(request: HttpRequest, pk: int) -> Run:
    """A run without a project (the download of a base model): operators only."""
    if not isinstance(request.user, User) or not request.user.is_operator:
        raise Http404("No such run.")
    return get_object_or_404(Run.objects.select_related("project"), pk=pk, project=None)


@require_safe
def deployment_run_card(request: HttpRequest, pk: int) -> HttpResponse:
    return _card(request, _deployment_run(request, pk), can_cancel=True)


@require_POST
def deployment_run_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    run = request_cancel(by=signed_in(request), run=_deployment_run(request, pk))
    return _card(request, run, can_cancel=True)


@require_POST
def deployment_run_resume(request: HttpRequest, pk: int) -> HttpResponse:
    start_again(by=signed_in(request), run=_deployment_run(request, pk))
    return _started_again(request, reverse("core:start"))
