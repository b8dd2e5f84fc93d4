"""Errors that people are meant to see become pages or fragments; a missing database becomes a page that says so."""

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.contrib import messages
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django_htmx.http import HttpResponseClientRedirect

from core import health
from core.api.errors import expected_body, is_below, json_error, retry_header, valkey_away
from core.database.connections import release_connection
from core.database.races import conflict_of, sqlstate
from core.errors import ExpectedError, OtherPerson, PartAway
from core.host.disks import storage_error

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


def prefers_json(request: HttpRequest) -> bool:
    return request.headers.get("accept", "").startswith("application/json")


def wants_json(request: HttpRequest) -> bool:
    return is_below(request.path, "/api", "/v1")


class SignedInMiddleware(LoginRequiredMiddleware):
    """Sends strangers to the sign-in page, and people whose password somebody else made up to choose their own.

    What a page's script sends names the person the page was made for (X-Page-User). When somebody else signed in in that
    browser since, it is refused: what one person typed must not be stored in another's name.

    The API's views bring their own authentication, which asks for the same (core.sign_in.authentication).
    """

    # What such a person may open: the way out, and what the page for the new password itself asks for.
    _BEFORE = frozenset({"core:password", "core:sign-out", "core:theme"})

    def process_view(
        self, request: HttpRequest, view_func: Any, view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        answer: HttpResponseBase | None = super().process_view(request, view_func, view_args, view_kwargs)
        if answer is not None or not getattr(view_func, "login_required", True):
            return answer
        made_for = request.headers.get("X-Page-User", "")
        if made_for and made_for != str(request.user.pk) and request.method not in ("GET", "HEAD", "OPTIONS"):
            other = OtherPerson(
                f"{getattr(request.user, 'name', '') or 'Nobody'} is signed in in this browser now. Nothing was saved.",
                "Sign in as yourself in a new tab, then save again.",
            )
            return expected_response(request, other)
        place = request.resolver_match
        if not getattr(request.user, "must_change_password", False) or (
            place is not None and place.view_name in self._BEFORE
        ):
            return None
        to = reverse("core:password")
        # For htmx the whole page goes there, not a card of it.
        return HttpResponseClientRedirect(to) if "HX-Request" in request.headers else redirect(to)


def _page_behind(request: HttpRequest) -> str | None:
    """The address of the page whose button made this request, when going back there loses nothing.

    Forms with fields show their errors themselves (core.forms.take_errors). Should one not, what was typed is worth more
    than the page: then there is no page to go back to, and the browser's own Back still has the text.
    """
    here = request.build_absolute_uri("/")
    referer = request.headers.get("referer", "")
    if request.method != "POST" or not referer.startswith(here):
        return None
    back = urlsplit(referer)
    if back.path == request.path:
        return None
    typed = (
        value for name, values in request.POST.lists() if name != "csrfmiddlewaretoken" for value in values
    )
    if request.FILES or any(len(value) > _LONGEST_ID or len(value.split()) > 1 for value in typed):
        return None
    return urlunsplit(("", "", back.path, back.query, ""))


# What buttons send are ids, numbers and names of choices.
_LONGEST_ID = 80


class ExpectedErrorMiddleware(_Middleware):
    """core.errors in a page's view: a message on the page whose button was pressed, for htmx beside the work; a page of
    its own where there is no such page."""

    def process_exception(self, request: HttpRequest, raised: Exception) -> HttpResponse | None:
        error = raised if isinstance(raised, ExpectedError) else conflict_of(raised) or valkey_away(raised)
        error = error or noted_storage_error(request, raised)
        return None if error is None else expected_response(request, error)


def expected_response(request: HttpRequest, error: ExpectedError) -> HttpResponse:
    """The error as JSON, as a message on the page before, as a full page, or for htmx as a message beside the work, whatever
    its form would select."""
    headers = retry_header(error)
    if wants_json(request) or prefers_json(request):
        return json_error(request, error.status, expected_body(error), **headers)
    by_htmx = "HX-Request" in request.headers
    back = None if by_htmx else _page_behind(request)
    if back is not None:
        messages.error(request, str(error))
        return redirect(back)
    name = "components/error_toast.html" if by_htmx else "errors/expected.html"
    response = render(request, name, {"error": error}, status=error.status)
    if by_htmx:
        response["HX-Retarget"] = "#toasts"
        response["HX-Reselect"] = "unset"
        response["HX-Reswap"] = "beforeend"
    for name, value in headers.items():
        response[name] = value
    return response


def noted_storage_error(request: HttpRequest, raised: BaseException) -> ExpectedError | None:
    """A full or read-only disk as an error for people; the log keeps where it happened."""
    error = storage_error(raised)
    if error is not None:
        log.error("%s %s could not be stored", request.method, request.path, exc_info=raised)
    return error


class NoStoreMiddleware(_Middleware):
    """Nothing that Django answers is kept by a browser or proxy: it is somebody's work, record, password or token.

    Static files are answered by WhiteNoise, outside of this, and stay cacheable.
    """

    def __call__(self, request: HttpRequest) -> Any:
        answer = self.get_response(request)
        return self._later(answer) if iscoroutinefunction(self.get_response) else self._marked(answer)

    async def _later(self, answer: Any) -> HttpResponseBase:
        return self._marked(await answer)

    @staticmethod
    def _marked(response: HttpResponseBase) -> HttpResponseBase:
        patch_cache_control(response, no_store=True, private=True)
        return response


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
    if wants_json(request):
        return json_error(request, stopped.status, expected_body(stopped))
    html = render_to_string("errors/expected.html", {"error": stopped})
    return HttpResponse(html, status=stopped.status)


def away_response(request: HttpRequest, error: Exception) -> HttpResponse:
    if sqlstate(error) == _STOPPED:
        return _too_long_response(request, error)
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
