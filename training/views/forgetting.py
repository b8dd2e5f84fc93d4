"""What a version forgot: starting the measurement, and the items that changed, to read."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from core.access import Access, project_page
from core.lists.paging import cut
from core.models import Role
from core.roles import READERS
from training import queries, services
from training.filters import ForgettingFilter
from training.forgotten import forgotten_of, items_of


@project_page(*READERS)
@require_safe
def items(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    version = access.get(queries.model_versions(access.project), pk=pk)
    filters = ForgettingFilter(request.GET)
    found = filters.shown(items_of(version, **filters.criteria()))
    context = {
        "version": version,
        "forgotten": forgotten_of(version),
        "filters": filters,
        "page": cut(request, found, 25),
    }
    return render(request, "training/forgetting_items.html", context, status=filters.http_status)


@project_page(Role.ADMIN)
@require_POST
def measure(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    version = access.get(queries.model_versions(access.project), pk=pk)
    services.measure_forgetting(by=access.user, version=version)
    messages.success(request, f"What {version} forgot is measured as soon as the training worker is free.")
    return redirect("training:version", access.project.slug, version.pk)
