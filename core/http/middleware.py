"""Turns errors for people into pages or fragments, and shows a page when the database is offline."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.contrib import messages
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
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
    """The outermost middleware: the response is ready, so its database connection goes back before it is sent.

    Sending a page can take long, a download can take hours.
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
    """Sends people without a session to the sign-in page, and people with a first password to the page where they change it.

    A page's script sends the person of the page (X-Page-User). When another person has signed in in that browser, the request
    is refused: text of one person must not be stored in another's name.

    The API's views have their own authentication with the same rules (core.sign_in.authentication).
    """

    # The pages that such a person can open: sign-out, and the requests of the password page.
    _BEFORE = frozenset({"core:password", "core:sign-out", "core:theme"})

    def handle_no_permission(
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponseRedirect:
        """To the sign-in. After it comes the page that was asked for; for a form, the page that the form is on."""
        if request.method in ("GET", "HEAD"):
            return super().handle_no_permission(request, view_func)
        behind = _referring_page(request) or reverse("core:start")
        field = self.get_redirect_field_name(view_func)
        return redirect_to_login(behind, self.get_login_url(view_func), field)

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: tuple[object, ...],
        view_kwargs: dict[str, object],
    ) -> HttpResponseBase | None:
        answer: HttpResponseBase | None = super().process_view(request, view_func, view_args, view_kwargs)
        if answer is not None or not getattr(view_func, "login_required", True):
            return answer
        made_for = request.headers.get("X-Page-User", "")
        if made_for and made_for != str(request.user.pk) and request.method not in ("GET", "HEAD", "OPTIONS"):
            other = OtherPerson(
                f"{getattr(request.user, 'name', '') or 'No one'} is signed in in this browser now. Nothing was saved.",
                "Sign in as yourself in a new tab, then save again.",
            )
            return expected_response(request, other)
        place = request.resolver_match
        if not getattr(request.user, "must_change_password", False) or (
            place is not None and place.view_name in self._BEFORE
        ):
            return None
        to = reverse("core:password")
        # For htmx the whole page is redirected, not a part of it.
        return HttpResponseClientRedirect(to) if "HX-Request" in request.headers else redirect(to)


def _page_behind(request: HttpRequest) -> str | None:
    """The address of the page whose button sent this request, if going back there loses no text.

    Forms with fields show their own errors (core.forms.take_errors). If a form does not, there is no page to go back to:
    the browser's Back still has the typed text.
    """
    back = _referring_page(request)
    if request.method != "POST" or back is None or urlsplit(back).path == request.path:
        return None
    typed = (
        value for name, values in request.POST.lists() if name != "csrfmiddlewaretoken" for value in values
    )
    if request.FILES or any(len(value) > _LONGEST_ID or len(value.split()) > 1 for value in typed):
        return None
    return back


def _referring_page(request: HttpRequest) -> str | None:
    """The path and query of the page of this site that sent the request."""
    referer = request.headers.get("referer", "")
    if not referer.startswith(request.build_absolute_uri("/")):
        return None
    page = urlsplit(referer)
    return urlunsplit(("", "", page.path, page.query, ""))


# Buttons send ids, numbers and names of choices.
_LONGEST_ID = 80


class ExpectedErrorMiddleware(_Middleware):
    """Shows core.errors of a page's view: as a message on the page with the button, for htmx as a toast, else as an error page."""

    def process_exception(self, request: HttpRequest, raised: Exception) -> HttpResponse | None:
        error = raised if isinstance(raised, ExpectedError) else conflict_of(raised) or valkey_away(raised)
        error = error or noted_storage_error(request, raised)
        return None if error is None else expected_response(request, error)


def expected_response(request: HttpRequest, error: ExpectedError) -> HttpResponse:
    """The error as JSON, as a message on the page before, as a full page, or for htmx as a toast, whatever the form selects."""
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
    """A full or read-only disk as an error for people; the place is in the log."""
    error = storage_error(raised)
    if error is not None:
        log.error("%s %s could not be stored", request.method, request.path, exc_info=raised)
    return error


class NoStoreMiddleware(_Middleware):
    """Browsers and proxies must not store Django's responses: they contain people's work, records, passwords or keys.

    WhiteNoise serves static files outside of this, and they stay cacheable. A person who opens the address of a button gets a page
    that says so: Django's response has no text, and browsers then show an error of their own.
    """

    def __call__(self, request: HttpRequest) -> Any:
        answer = self.get_response(request)
        if iscoroutinefunction(self.get_response):
            return self._later(request, answer)
        return self._marked(request, answer)

    async def _later(self, request: HttpRequest, answer: Awaitable[HttpResponseBase]) -> HttpResponseBase:
        return self._marked(request, await answer)

    @staticmethod
    def _marked(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        no_page = response.status_code == 405 and request.method == "GET" and not wants_json(request)
        if no_page and isinstance(response, HttpResponse):
            # No context processors: the page needs no query.
            response.content = render_to_string("errors/405.html")
            # The middleware inside this one has set the length of the empty text.
            response["Content-Length"] = str(len(response.content))
        patch_cache_control(response, no_store=True, private=True)
        return response


class PartAwayMiddleware(_Middleware):
    """When PostgreSQL is offline, pages that need it say so and since when.

    Errors in other middleware (the session, the sign-in check) do not come here; `handler500` handles them in the same way.
    """

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, (OperationalError, InterfaceError)):
            return away_response(request, error)
        return None


# PostgreSQL's code for a statement that its time limit ended.
_STOPPED = "57014"


def _too_long_response(request: HttpRequest, error: Exception) -> HttpResponse:
    """The database works; this request needs too much time."""
    log.warning("%s %s: the database took too long: %s", request.method, request.path, error)
    stopped = PartAway(
        "This took too long and was stopped. Nothing was changed.",
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
        "The database is offline.",
        "Saved work is safe. This page works again when the database is online.",
    )
    if wants_json(request):
        body = expected_body(away) | {"since": since.isoformat()}
        return json_error(request, 503, body, **{"Retry-After": "10"})
    # No context processors: they would query the database.
    html = render_to_string("errors/503.html", {"error": away, "since": since})
    return HttpResponse(html, status=503, headers={"Retry-After": "10"})
