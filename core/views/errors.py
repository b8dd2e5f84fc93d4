"""Error pages. They make no queries: the database may be what failed."""

import sys

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from core.api_errors import error_body, json_error, server_error_body
from core.middleware import away_response, wants_json


def _answer(request: HttpRequest, status: int, code: str, detail: str) -> HttpResponse:
    if wants_json(request):
        return json_error(request, status, error_body(code, detail))
    return HttpResponse(render_to_string(f"errors/{status}.html", {"detail": detail}), status=status)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 404, "not_found", "There is nothing here.")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What Django refuses before any view sees it: too many fields, a body that is too large or broken."""
    if isinstance(exception, RequestDataTooBig):
        return _answer(request, 413, "too_large", "The request is too large.")
    return _answer(request, 400, "unreadable", "The request could not be read.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 403, "forbidden", str(exception) or "Your role does not allow this.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Also where errors of other middleware end: a database that is away gets its own page."""
    error = sys.exc_info()[1]
    if isinstance(error, (OperationalError, InterfaceError)):
        return away_response(request, error)
    body = server_error_body(error)
    if wants_json(request):
        return json_error(request, 500, body)
    return HttpResponse(render_to_string("errors/500.html", {"detail": body["detail"]}), status=500)
