"""Error pages. They make no queries: the database may be what failed."""

import sys

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from core.errors import ExpectedError, Refused, TooLarge, TooManyFields
from core.middleware import away_response, noted_storage_error


def _answer(request: HttpRequest, status: int, code: str, detail: str) -> HttpResponse:
    if request.path.startswith(("/api/", "/v1/")):
        return JsonResponse({"code": code, "detail": detail}, status=status)
    return HttpResponse(render_to_string(f"errors/{status}.html", {"detail": detail}), status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What Django refuses while it reads a request."""
    if isinstance(exception, (TooManyFieldsSent, TooManyFilesSent)):
        most = f"At most {settings.DATA_UPLOAD_MAX_NUMBER_FIELDS:,} fields and {settings.DATA_UPLOAD_MAX_NUMBER_FILES} files"
        error: ExpectedError = TooManyFields(
            "The request has too many fields.", f"{most} are taken at once. Send less."
        )
    elif isinstance(exception, RequestDataTooBig):
        error = TooLarge("The request is too large.", "Send less at once.")
    else:
        error = Refused("The request could not be read.", "Go back, reload the page and try again.")
    return _told(request, error)


def _told(request: HttpRequest, error: ExpectedError) -> HttpResponse:
    if request.path.startswith(("/api/", "/v1/")):
        told = {"code": error.code, "detail": error.message, "advice": error.advice}
        return JsonResponse(told, status=error.status)
    return HttpResponse(render_to_string("errors/expected.html", {"error": error}), status=error.status)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 404, "not_found", "There is nothing here.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 403, "forbidden", str(exception) or "Your role does not allow this.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Also where errors of other middleware end: a database that is away gets its own page."""
    error = sys.exc_info()[1]
    # Also what a request's files were to be written to while it was read, before any view.
    if error is not None and (full := noted_storage_error(request, error)) is not None:
        return _told(request, full)
    if isinstance(error, (OperationalError, InterfaceError)):
        return away_response(request, error)
    return _answer(
        request,
        500,
        "error",
        "Something went wrong. It is in the log; try again in a moment.",
    )
