"""The live version, releases and rollbacks."""

import json
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.access import Access, project_page
from core.errors import Conflict, ExpectedError
from core.forms import status_of, take_errors
from core.lists.paging import cut
from core.models import Role
from core.roles import READERS
from inference.queries import live_version
from release import queries, services
from release.forms import RollBackForm, SignOffForm
from release.lineage import who_decided
from release.models import Release
from training.models import ModelVersion


@project_page(*READERS)
@require_safe
def home(request: HttpRequest, access: Access) -> HttpResponse:
    """The live version, the candidates with their gates, the history, and how applications call."""
    return _home(request, access)


def _home(
    request: HttpRequest, access: Access, roll_back_form: RollBackForm | None = None, status: int = 200
) -> HttpResponse:
    standing = queries.standing(access.project)
    live = standing.live
    context = {
        "standing": standing,
        "candidates": queries.candidates(access.project, live),
        "page": cut(request, queries.releases_of(access.project), 15),
        "api_url": request.build_absolute_uri("/v1"),
        "may_change": access.has(Role.ADMIN),
        "roll_back_form": roll_back_form or RollBackForm(initial={"away_from": live.pk if live else None}),
    }
    return render(request, "release/home.html", context, status=status)


def _version(access: Access, pk: int) -> ModelVersion:
    return access.get(queries.version_of(access.project), pk=pk)


@project_page(*READERS)
@require_http_methods(["GET", "HEAD", "POST"])
def version(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """One version with its gate, its releases, and for admins the sign-off."""
    version = _version(access, pk)
    if request.method != "POST":
        page = queries.gate_page(version)
        form = SignOffForm(initial={"replaces": _live_id(page.standing)}, signer=access.user.name)
        return _gate_page(request, access, page, form)
    access.require(Role.ADMIN)
    form = SignOffForm(request.POST, signer=access.user.name)
    if form.is_valid():
        try:
            services.make_live(
                by=access.user,
                version=version,
                replaces=_seen(access, form.cleaned_data["replaces"]),
                sign_off=form.cleaned_data["sign_off"],
                note=form.cleaned_data["note"],
                gate_seen=_gate_seen(request),
            )
        except ExpectedError as error:
            take_errors(form, error)
        else:
            messages.success(request, f"{version} is live. It answers applications from now on.")
            return redirect("release:home", access.project.slug)
    # After a refused sign-off the page shows the gate that the sign-off read.
    page = queries.gate_page(version, files=queries.read_files(version, fresh=True))
    # The live version may have changed: the page shows the new one, and the next try uses it.
    form.data = request.POST.copy()
    form.data["replaces"] = str(_live_id(page.standing) or "")
    return _gate_page(request, access, page, form)


def _live_id(standing: queries.Standing) -> int | None:
    return standing.route.version_id if standing.route else None


def _gate_seen(request: HttpRequest) -> dict[str, str] | None:
    """The gate results on the posted page; None when they cannot be read."""
    try:
        seen = json.loads(request.POST.get("gate", ""))
    except (ValueError, RecursionError):
        return None
    return {str(name): str(result) for name, result in seen.items()} if isinstance(seen, dict) else None


def _seen(access: Access, pk: int | None) -> ModelVersion | None:
    """The version that the person saw as live. An id from outside the project counts as outdated."""
    if pk is None:
        return None
    version = ModelVersion.objects.filter(project=access.project, pk=pk).first()
    if version is None:
        raise Conflict("The live version has changed.", "Look at the page again before you decide.")
    return version


def _gate_page(
    request: HttpRequest, access: Access, page: queries.GatePage, form: SignOffForm
) -> HttpResponse:
    version, gate = page.candidate.version, page.candidate.gate
    if gate.result != "pass":
        form.ask_for_a_reason()
    context: dict[str, Any] = {
        "version": version,
        "candidate": page.candidate,
        "gate_seen": json.dumps(gate.results),
        "measuring": page.measuring,
        "standing": page.standing,
        "is_live": page.is_live,
        "steps": who_decided(version, results=page.results, people=page.people),
        "people": page.people,
        "form": form,
        "is_ready": version.status == ModelVersion.Status.READY,
        "may_sign": access.has(Role.ADMIN),
    }
    return render(request, "release/version.html", context, status=status_of(form))


@project_page(Role.ADMIN)
@require_POST
def measure(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Starts measuring the test loss of the version and its opponent."""
    version = _version(access, pk)
    services.measure_loss(by=access.user, version=version)
    return redirect("release:version", access.project.slug, version.pk)


@project_page(Role.ADMIN)
@require_POST
def roll_back(request: HttpRequest, access: Access) -> HttpResponse:
    """Rolls back the live version. Without a reason the page is shown again with an error."""
    form = RollBackForm(request.POST)
    form.full_clean()
    try:
        seen = _seen(access, form.cleaned_data.get("away_from"))
        if seen is None or seen != live_version(access.project):
            raise Conflict("The live version has changed.", "Look at the page again before you decide.")
        if not form.errors:
            release = services.roll_back(
                by=access.user, project=access.project, away_from=seen, reason=form.reason()
            )
            messages.success(request, f"{release.version} is live again.")
            return redirect("release:home", access.project.slug)
    except ExpectedError as error:
        live = live_version(access.project)
        form.errors.pop("away_from", None)
        take_errors(form, error)
        form.data = request.POST.copy()
        form.data["away_from"] = str(live.pk) if live else ""
        if live is None:
            raise  # nothing is live, so there is no form for the error
    return _home(request, access, form, status=status_of(form))


@project_page(*READERS)
@require_safe
def release(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """One decision: who, when, with what evidence."""
    release = access.get(queries.releases_of(access.project), pk=pk)
    steps = who_decided(_version(access, release.version_id))
    own = reverse("release:release", args=[access.project.slug, release.pk])
    context = {
        "release": release,
        "steps": [step for step in steps if step.url != own],
        "is_rollback": release.action == Release.Action.ROLLBACK,
    }
    return render(request, "release/release.html", context)
