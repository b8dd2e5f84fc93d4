"""Error pages. They make no queries: the database may be what failed."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from core.middleware import away_response, noted_storage_error


def _answer(request: HttpRequest, status: int, code: str, detail: str) -> HttpResponse:
    if request.path.startswith(("/api/", "/v1/")):
        return JsonResponse({"code": code, "detail": detail}, status=status)
    return HttpResponse(render_to_string(f"errors/{status}.html", {"detail": detail}), status=status)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 404, "not_found", "There is nothing here.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 403, "forbidden", str(exception) or "Your role does not allow this.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Also where errors of other middleware end: a database that is away gets its own page."""
    error = sys.exc_info()[1]
    # Also what a request's files were to be written to while it was read, before any view.
    if error is not None and (full := noted_storage_error(request, error)) is not None:
        if request.path.startswith(("/api/", "/v1/")):
            told = {"code": full.code, "detail": full.message, "advice": full.advice}
            return JsonResponse(told, status=full.status)
        return HttpResponse(render_to_string("errors/expected.html", {"error": full}), status=full.status)
    if isinstance(error, (OperationalError, InterfaceError)):
        return away_response(request, error)
    return _answer(
        request,
        500,
        "error",
        "Something went wrong. It is in the log; try again in a moment.",
    )
