"""Light, dark or as the system: on the account, and in a cookie for pages without a sign-in."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from core.access import signed_in
from core.forms import ThemeForm
from core.lists.params import Params
from core.services.people import choose_theme

COOKIE = "gh_theme"


def remember_theme(response: HttpResponseBase, theme: str) -> None:
    """Error pages and the sign-in page do not use the database, so they read the cookie."""
    response.set_cookie(COOKIE, theme, max_age=365 * 24 * 3600, samesite="Lax", httponly=True)


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Stores the choice; responds 204 to the page's script, else redirects to the page."""
    form = ThemeForm(request.POST)
    theme = form.cleaned_data["theme"] if form.is_valid() else ""
    choose_theme(by=signed_in(request), theme=theme)
    back = Params(request.POST).text("next", most=2000)
    response: HttpResponse
    if back and url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        # Not `redirect`: it reads a word without a slash as the name of a view.
        response = HttpResponseRedirect(back)
    else:
        response = HttpResponse(status=204)
    remember_theme(response, theme)
    return response
