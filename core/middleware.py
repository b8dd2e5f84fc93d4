"""Errors that people are meant to see become pages or fragments; a missing database becomes a page that says so."""

import logging
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from core import health
from core.api_errors import expected_body, is_below, json_error
from core.errors import Conflict, ExpectedError, PartAway

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


def wants_json(request: HttpRequest) -> bool:
    return is_below(request.path, "/api", "/v1")


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

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, IntegrityError):
            # Two requests wanted the same at once, and only the database could see it.
            log.warning("A constraint refused a write", exc_info=error)
            error = Conflict(
                "Somebody else wrote the same at the same time.", "Look at the page again, then decide."
            )
        if not isinstance(error, ExpectedError):
            return None
        if wants_json(request) or request.headers.get("accept", "").startswith("application/json"):
            return json_error(request, error.status, expected_body(error))
        name = "components/error_toast.html" if getattr(request, "htmx", None) else "errors/expected.html"
        response = render(request, name, {"error": error}, status=error.status)
        if getattr(request, "htmx", None):
            response["HX-Retarget"] = "#toasts"
            response["HX-Reswap"] = "beforeend"
        return response


class PartAwayMiddleware(_Middleware):
    """When PostgreSQL is away a page that needs it says so, since when, and that it comes back by itself.

    Errors in other middleware (the session, the sign-in check) never pass here; `handler500` treats them alike.
    """

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, (OperationalError, InterfaceError)):
            return away_response(request, error)
        return None


def away_response(request: HttpRequest, error: Exception) -> HttpResponse:
    log.warning("PostgreSQL did not answer: %s", error)
    since = health.note_away("postgres")
    away = PartAway(
        "The database does not answer.",
        "Nothing that was saved is lost. This page works again by itself.",
    )
    if wants_json(request):
        body = expected_body(away) | {"since": since.isoformat()}
        return json_error(request, 503, body, **{"Retry-After": "10"})
    # No context processors: they would ask the database.
    html = render_to_string("errors/503.html", {"error": away, "since": since})
    return HttpResponse(html, status=503, headers={"Retry-After": "10"})
