"""Model versions: the list, one version with its lineage, checks and files."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from core.access import Access, project_page
from core.charts import line_chart
from core.lists.paging import cut
from core.models import Role
from core.roles import READERS
from dataset.queries.withdrawals import withdrawals_in
from training import losses, queries, services
from training.archive import archive_response
from training.chain import datasets_behind
from training.curves import loss_note, loss_series
from training.filters import VersionFilter
from training.forgotten import forgotten_of
from training.interpolation import why_not
from training.lineage import chain_around, origin_of
from training.links import version_links
from training.models import ModelVersion
from training.objectives import OBJECTIVES
from training.views.subnav import training_subnav


@project_page(*READERS)
@require_safe
def versions(request: HttpRequest, access: Access) -> HttpResponse:
    filters = VersionFilter(request.GET)
    versions = filters.shown(queries.search_versions(access.project, **filters.criteria()))
    context = {
        "filters": filters,
        "page": cut(request, versions, 25),
        "subnav": training_subnav(access, "training:versions"),
        "can_launch": access.has(Role.ADMIN),
    }
    return render(request, "training/versions.html", context, status=filters.http_status)


def _version(access: Access, pk: int) -> ModelVersion:
    return access.get(queries.model_versions(access.project), pk=pk)


@project_page(*READERS)
@require_safe
def version(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    version = _version(access, pk)
    chart: Any = ""
    if version.training_run is not None:
        chart = line_chart(
            series=loss_series(queries.points_of(version.training_run)),
            label=f"Loss of {version.training_run} by step",
            x_title="step",
            y_title="loss",
        )
    differing = version.parity_report.get("differing", [])
    context = {
        "version": version,
        "lineage": origin_of(version),
        "chain": chain_around(version),
        "people": queries.people_trained_on(version.training_run),
        "withdrawn": [
            withdrawal
            for dataset in datasets_behind([version])[version.pk]
            for withdrawal in withdrawals_in(dataset)
        ],
        "chart": chart,
        "chart_note": loss_note(OBJECTIVES.get(version.training_run.objective))
        if version.training_run
        else "",
        "links": version_links(access, version),
        "is_admin": access.has(Role.ADMIN),
        "can_check_files": access.has(Role.ADMIN)
        and not (version.files_check and version.files_check.is_active),
        "differing": differing,
        "differing_count": version.parity_report.get("differing_count", len(differing)),
        "checked": version.parity_report.get("checked", len(differing)),
        "test_loss": losses.mean_loss(version),
        "forgotten": forgotten_of(version),
        "can_go_back": version.training_run is not None
        and not why_not(version.kind, version.training_run.method),
    }
    return render(request, "training/version.html", context)


@project_page(Role.ADMIN)
@require_POST
def check_tokens(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    version = services.request_check(by=access.user, version=_version(access, pk))
    messages.success(request, f"Token check of {version} requested. An engine does it when it is running.")
    return redirect("training:version", access.project.slug, version.pk)


@project_page(Role.ADMIN)
@require_POST
def check_files(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    version = services.check_files(by=access.user, version=_version(access, pk))
    return redirect("training:version", access.project.slug, version.pk)


@project_page(Role.ADMIN)
@require_safe
def download(request: HttpRequest, access: Access, pk: int) -> HttpResponseBase:
    """The version's files as a zip. Audited, since weights contain information from their training data."""
    version = _version(access, pk)
    if request.method != "HEAD":
        services.note_download(by=access.user, version=version)
    return archive_response(version, by=access.user, method=request.method)
