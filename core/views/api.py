"""The API page, and the 404 response below /api/."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect, JsonResponse
from django.shortcuts import render
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from core.api.errors import error_body


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """All operations, to read and to try as the signed-in person."""
    return render(request, "core/api_docs.html")


@csrf_exempt
@login_not_required
def nothing(request: HttpRequest) -> HttpResponse:
    """Any other address below /api/. Django's redirect to the address with a slash does not reach these."""
    advice = "The schema at /api/schema/ lists every address."
    if not request.path.endswith("/") and _is_there(f"{request.path}/"):
        if request.method in {"GET", "HEAD"}:
            return HttpResponsePermanentRedirect(request.get_full_path(force_append_slash=True))
        advice = "Addresses of the API end with a slash."
    return JsonResponse(error_body("not_found", "Not found.", advice), status=404)


def _is_there(path: str) -> bool:
    try:
        return resolve(path).func is not nothing
    except Resolver404:
        return False
