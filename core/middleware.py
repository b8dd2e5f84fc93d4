"""Errors that people are meant to see become pages or fragments; a missing database becomes a page that says so."""

import logging
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from core import health
from core.connections import release_connection
from core.disks import storage_error
from core.errors import ExpectedError, PartAway

log = logging.getLogger(__name__)


class _Middleware:
    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request)


class ReleaseMiddleware(_Middleware):
    """Outermost: the answer is made, so its database connection goes back before it is sent.

    A reader may take long over a single page, and over a download hours.
    """

    def __call__(self, request: HttpRequest) -> Any:
        if iscoroutinefunction(self):
            return self._answer(request)
        response = self.get_response(request)
        release_connection()
        return response

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = await self.get_response(request)
        await sync_to_async(release_connection)()
        return response


def _wants_json(request: HttpRequest) -> bool:
    return request.path.startswith(("/api/", "/v1/"))


class SignedInMiddleware(LoginRequiredMiddleware):
    """Sends strangers to the sign-in page, and people whose password somebody else made up to choose their own.

    The API's views bring their own authentication, which asks for the same (core.authentication).
    """

    # What such a person may open: the way out, and what the page for the new password itself asks for.
    _BEFORE = frozenset({"core:password", "core:sign-out", "core:theme"})

    def process_view(
        self, request: HttpRequest, view_func: Any, view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        answer: HttpResponseBase | None = super().process_view(request, view_func, view_args, view_kwargs)
        if answer is not None or not getattr(view_func, "login_required", True):
            return answer
        place = request.resolver_match
        if not getattr(request.user, "must_change_password", False) or (
            place is not None and place.view_name in self._BEFORE
        ):
            return None
        to = reverse("core:password")
        # For htmx the whole page goes there, not a card of it.
        return HttpResponseClientRedirect(to) if "HX-Request" in request.headers else redirect(to)


class ExpectedErrorMiddleware(_Middleware):
    """core.errors in a page's view: a full page, or for htmx a message that lands beside the work."""

    def process_exception(self, request: HttpRequest, raised: Exception) -> HttpResponse | None:
        error = raised if isinstance(raised, ExpectedError) else noted_storage_error(request, raised)
        if error is None:
            return None
        if _wants_json(request) or request.headers.get("accept", "").startswith("application/json"):
            return JsonResponse(
                {"code": error.code, "detail": error.message, "advice": error.advice},
                status=error.status,
            )
        name = "components/error_toast.html" if getattr(request, "htmx", None) else "errors/expected.html"
        response = render(request, name, {"error": error}, status=error.status)
        if getattr(request, "htmx", None):
            response["HX-Retarget"] = "#toasts"
            response["HX-Reswap"] = "beforeend"
        return response


def noted_storage_error(request: HttpRequest, raised: BaseException) -> ExpectedError | None:
    """A full or read-only disk as an error for people; the log keeps where it happened."""
    error = storage_error(raised)
    if error is not None:
        log.error("%s %s could not be stored", request.method, request.path, exc_info=raised)
    return error


class PartAwayMiddleware(_Middleware):
    """When PostgreSQL is away a page that needs it says so, since when, and that it comes back by itself.

    Errors in other middleware (the session, the sign-in check) never pass here; `handler500` treats them alike.
    """

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, (OperationalError, InterfaceError)):
            return away_response(request, error)
        return None


# PostgreSQL's code for a statement that its time limit ended.
_STOPPED = "57014"


def _too_long_response(request: HttpRequest, error: Exception) -> HttpResponse:
    """The database works; this request asks too much of it."""
    log.warning("%s %s: the database took too long: %s", request.method, request.path, error)
    stopped = PartAway(
        "This took the database too long, so it was stopped. Nothing was changed.",
        "Narrow the filters or choose an earlier page, then try again.",
    )
    if _wants_json(request):
        told = {"code": stopped.code, "detail": stopped.message, "advice": stopped.advice}
        return JsonResponse(told, status=stopped.status)
    html = render_to_string("errors/expected.html", {"error": stopped})
    return HttpResponse(html, status=stopped.status)


def away_response(request: HttpRequest, error: Exception) -> HttpResponse:
    if getattr(error.__cause__, "sqlstate", None) == _STOPPED:
        return _too_long_response(request, error)
    log.warning("PostgreSQL did not answer: %s", error)
    since = health.note_away("postgres")
    away = PartAway(
        "The database does not answer.",
        "Nothing that was saved is lost. This page works again by itself.",
    )
    if _wants_json(request):
        return JsonResponse(
            {"code": away.code, "detail": away.message, "since": since.isoformat()},
            status=503,
        )
    # No context processors: they would ask the database.
    html = render_to_string("errors/503.html", {"error": away, "since": since})
    return HttpResponse(html, status=503, headers={"Retry-After": "10"})
