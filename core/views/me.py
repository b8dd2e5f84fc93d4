"""Your own account: name, password, keys, and actions."""

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.access import signed_in
from core.audit.sentences import counted, sentence
from core.errors import ExpectedError
from core.forms import KeyForm, NameForm, PasswordForm, status_of, take_errors
from core.lists.paging import cut
from core.models import ApiKey
from core.queries import memberships_of, own_actions, own_work, personal_keys_of
from core.services.keys import create_api_key, revoke_api_key
from core.services.people import change_password, rename_person


@require_safe
def me(request: HttpRequest) -> HttpResponse:
    return _me(request, NameForm(initial={"name": signed_in(request).name}))


def _me(request: HttpRequest, name_form: NameForm) -> HttpResponse:
    user = signed_in(request)
    page = cut(request, own_actions(user), 25)
    context = {
        "memberships": memberships_of(user),
        "work": own_work(user),
        "page": page,
        "sentences": counted((sentence(entry), entry.at) for entry in page),
        "name_form": name_form,
    }
    return render(request, "core/me.html", context, status=status_of(name_form))


@require_POST
def rename(request: HttpRequest) -> HttpResponse:
    form = NameForm(request.POST)
    if not form.is_valid():
        return _me(request, form)
    rename_person(by=signed_in(request), name=form.cleaned_data["name"])
    messages.success(request, "Your name is changed.")
    return redirect("core:me")


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    form = PasswordForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            change_password(by=user, old=form.cleaned_data["old"], new=form.cleaned_data["new"])
        except ExpectedError as error:
            take_errors(form, error)
        else:
            # This browser stays signed in; every other session and key of the account ends.
            update_session_auth_hash(request, user)
            messages.success(
                request,
                "Your password is changed. Other browsers are signed out, and your personal keys have ended.",
            )
            return redirect("core:start")
    return render(request, "core/password.html", {"form": form}, status=status_of(form))


@require_http_methods(["GET", "HEAD", "POST"])
def api_keys(request: HttpRequest) -> HttpResponse:
    """Personal keys for the API; a POST creates one and shows its secret in the response, only once."""
    user = signed_in(request)
    form = KeyForm(request.POST or None)
    made = secret = None
    if request.method == "POST" and form.is_valid():
        made, secret = create_api_key(by=user, name=form.cleaned_data["name"])
        form = KeyForm()
    status = 422 if form.is_bound else 200
    context = {"form": form, "made": made, "secret": secret, "page": cut(request, personal_keys_of(user))}
    return render(request, "core/personal_keys.html", context, status=status)


@require_POST
def personal_key_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    api_key = get_object_or_404(ApiKey, pk=pk, user=signed_in(request))
    revoke_api_key(by=signed_in(request), api_key=api_key)
    messages.success(request, f"The key {api_key.name} is revoked.")
    return redirect("core:personal-keys")
