"""Engines, the versions they serve, and their speed."""

from typing import TypedDict

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from core.access import Access, project_page
from core.http.requests import by_htmx
from core.lists.paging import cut
from core.models import Role
from core.roles import READERS
from inference import queries, services
from inference.models import Deployment, Engine, WeightCheck
from inference.queries.serving import State
from inference.queries.speed import AnswerSpeed
from inference.views.subnav import serving_subnav
from training.models import ModelVersion


class DeploymentRow(TypedDict):
    deployment: Deployment
    version: ModelVersion
    label: str
    state: State
    speed: AnswerSpeed | None
    live: bool
    rollback_target: bool


class EngineRow(TypedDict):
    engine: Engine
    check: WeightCheck | None
    checked: bool
    beating: bool
    usual: int
    loaded: int


class ServingTables(TypedDict):
    """The tables of engines, of versions with a deployment, and of versions without one."""

    rows: list[DeploymentRow]
    engines: list[EngineRow]
    unserved: list[tuple[ModelVersion, str]]
    can_change: bool


def _context(access: Access) -> ServingTables:
    speeds = queries.speeds(access.project)
    route = queries.route_of(access.project)
    back = queries.way_back(access.project).target
    rows: list[DeploymentRow] = [
        {
            "deployment": deployment,
            "version": deployment.version,
            "label": queries.version_label(deployment.version),
            "state": queries.state_of(deployment),
            "speed": speeds.get(deployment.version_id),
            "live": bool(route and route.version_id == deployment.version_id),
            "rollback_target": bool(back and back.pk == deployment.version_id),
        }
        for deployment in queries.deployments(access.project)
    ]
    project_engines = queries.engines_of(access.project)
    checks = queries.last_checks(project_engines)
    engines: list[EngineRow] = [
        {
            "engine": engine,
            "check": next(iter(checks.get(engine.pk, [])), None),
            "checked": engine.version_id is None,
            "beating": queries.is_beating(engine),
            "usual": queries.usual_start(engine),
            "loaded": sum(row["deployment"].engine_id == engine.pk and row["state"].ready for row in rows),
        }
        for engine in project_engines
    ]
    unserved = [
        (version, queries.version_label(version)) for version in queries.unserved_versions(access.project)
    ]
    return {"rows": rows, "engines": engines, "unserved": unserved, "can_change": access.has(Role.ADMIN)}


@project_page()
@require_safe
def home(request: HttpRequest, access: Access) -> HttpResponse:
    if not access.sees_all:
        return redirect("inference:chat", access.project.slug)
    context = {**_context(access), "subnav": serving_subnav(access, "inference:home")}
    return render(request, "inference/home.html", context)


@project_page(*READERS)
@require_safe
def serving(request: HttpRequest, access: Access) -> HttpResponse:
    """Only the tables; the page reloads them every few seconds."""
    return render(request, "inference/_serving.html", _context(access))


@project_page(*READERS)
@require_safe
def checks(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Every check of an engine's weights, newest first: they show which answers are reliable."""
    engine = next((engine for engine in queries.engines_of(access.project) if engine.pk == pk), None)
    if engine is None:
        raise Http404
    checks = engine.weight_checks.defer("report")
    context = {
        "engine": engine,
        "page": cut(request, checks, 25),
        "subnav": serving_subnav(access, "inference:home"),
    }
    return render(request, "inference/checks.html", context)


def _version(access: Access, pk: int) -> ModelVersion:
    return access.get(ModelVersion.objects.select_related("project", "base_model"), pk=pk)


def _changed(request: HttpRequest, access: Access, message: str) -> HttpResponse:
    messages.success(request, message)
    if by_htmx(request):
        return render(request, "inference/_serving.html", _context(access) | {"toasts": True})
    return redirect("inference:home", access.project.slug)


@project_page(Role.ADMIN)
@require_POST
def load(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    version = _version(access, pk)
    services.request_load(by=access.user, version=version)
    return _changed(request, access, f"{version} is being loaded.")


@project_page(Role.ADMIN)
@require_POST
def unload(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    version = _version(access, pk)
    services.request_unload(by=access.user, version=version)
    return _changed(request, access, f"{version} is being unloaded.")
