"""Error pages. They make no queries: the database may be what failed."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from core.middleware import away_response, prefers_json


def _answer(request: HttpRequest, status: int, code: str, detail: str) -> HttpResponse:
    if request.path.startswith(("/api/", "/v1/")):
        return JsonResponse({"code": code, "detail": detail}, status=status)
    return HttpResponse(render_to_string(f"errors/{status}.html", {"detail": detail}), status=status)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 404, "not_found", "There is nothing here.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 403, "forbidden", str(exception) or "Your role does not allow this.")


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form's token is not this session's: somebody signed in or out since the page was opened."""
    if prefers_json(request):
        return JsonResponse(
            {"code": "csrf", "detail": "This page is out of date.", "advice": "Reload it and try again."},
            status=403,
        )
    response = HttpResponse(render_to_string("403_csrf.html"), status=403)
    response["X-Refused"] = "csrf"  # a page that is still open renews its token and says so
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """Also where errors of other middleware end: a database that is away gets its own page."""
    error = sys.exc_info()[1]
    if isinstance(error, (OperationalError, InterfaceError)):
        return away_response(request, error)
    return _answer(
        request,
        500,
        "error",
        "Something went wrong. It is in the log; try again in a moment.",
    )
