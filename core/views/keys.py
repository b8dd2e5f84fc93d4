"""Application keys, for the OpenAI-compatible API."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from core.access import Access, project_page
from core.forms import KeyForm
from core.lists.paging import cut
from core.models import ApiKey, Role
from core.queries import application_keys_of
from core.roles import READERS
from core.services.keys import create_api_key, revoke_api_key
from core.views.subnav import project_subnav


@project_page(*READERS)
@require_http_methods(["GET", "HEAD", "POST"])
def keys(request: HttpRequest, access: Access) -> HttpResponse:
    """The list; a POST creates a key and shows its secret in the response, only once."""
    form = KeyForm(request.POST or None)
    made = secret = None
    if request.method == "POST":
        access.require(Role.ADMIN)
        if form.is_valid():
            made, secret = create_api_key(
                by=access.user, name=form.cleaned_data["name"], project=access.project
            )
            form = KeyForm()
    status = 422 if form.is_bound else 200
    context = {
        "form": form,
        "made": made,
        "secret": secret,
        "page": cut(request, application_keys_of(access.project)),
        "subnav": project_subnav(access, "core:application-keys"),
    }
    return render(request, "core/application_keys.html", context, status=status)


@project_page(Role.ADMIN)
@require_POST
def key_revoke(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    api_key = access.get(ApiKey.objects.select_related("project"), pk=pk)
    revoke_api_key(by=access.user, api_key=api_key)
    messages.success(request, f"The key {api_key.name} is revoked. Programs that use it get 401 from now on.")
    return redirect("core:application-keys", access.project.slug)
