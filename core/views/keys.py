"""Application keys, for the OpenAI-compatible API."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from core.access import Access, project_page
from core.forms import KeyForm
from core.models import ApiToken, Role
from core.paging import cut
from core.queries import keys_of
from core.services.tokens import create_token, revoke_token


@project_page(Role.ADMIN, Role.VIEWER)
@require_http_methods(["GET", "HEAD", "POST"])
def keys(request: HttpRequest, access: Access) -> HttpResponse:
    """The list; a POST creates a key and shows its secret in the response, only once."""
    form = KeyForm(request.POST or None)
    made = secret = None
    if request.method == "POST":
        access.require(Role.ADMIN)
        if form.is_valid():
            made, secret = create_token(
                by=access.user, name=form.cleaned_data["name"], project=access.project
            )
            form = KeyForm()
    status = 422 if form.is_bound else 200
    context = {"form": form, "made": made, "secret": secret, "page": cut(request, keys_of(access.project))}
    return render(request, "core/keys.html", context, status=status)


@project_page(Role.ADMIN)
@require_POST
def key_revoke(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    token = access.get(ApiToken.objects.select_related("project"), pk=pk)
    revoke_token(by=access.user, token=token)
    messages.success(request, f"The key {token.name} is revoked. Programs that use it get 401 from now on.")
    return redirect("core:keys", access.project.slug)
