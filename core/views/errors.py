"""Error pages. They make no queries: the database can be the failed part."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from core.api.errors import error_body, expected_body, json_error, over_limit, server_error_body
from core.errors import ExpectedError, Refused
from core.http.middleware import away_response, noted_storage_error, prefers_json, wants_json


def _answer(request: HttpRequest, status: int, code: str, detail: str) -> HttpResponse:
    if wants_json(request):
        return json_error(request, status, error_body(code, detail))
    return HttpResponse(render_to_string(f"errors/{status}.html", {"detail": detail}), status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Errors of Django while it reads a request."""
    unread = Refused("The request is not valid.", "Go back, reload the page and try again.")
    return _told(request, over_limit(exception) or unread)


def _told(request: HttpRequest, error: ExpectedError) -> HttpResponse:
    if wants_json(request):
        return json_error(request, error.status, expected_body(error))
    return HttpResponse(render_to_string("errors/expected.html", {"error": error}), status=error.status)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 404, "not_found", "Not found.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 403, "forbidden", str(exception) or "Your role does not allow this.")


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form's token is not this session's: somebody signed in or out after the page was opened."""
    if prefers_json(request):
        body = error_body("csrf", "This page is out of date.", "Reload it and try again.")
        return json_error(request, 403, body)
    response = HttpResponse(render_to_string("403_csrf.html"), status=403)
    response["X-Refused"] = "csrf"  # an open page renews its token and shows a message
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """Errors of other middleware also come here: an offline database gets its own page."""
    error = sys.exc_info()[1]
    # Also errors of writing a request's files, before any view.
    if error is not None and (full := noted_storage_error(request, error)) is not None:
        return _told(request, full)
    if isinstance(error, (OperationalError, InterfaceError)):
        return away_response(request, error)
    body = server_error_body(error)
    if wants_json(request):
        return json_error(request, 500, body)
    return HttpResponse(render_to_string("errors/500.html", {"detail": body["detail"]}), status=500)
