"""Other people's accounts: state, sessions, keys. For admins of a project, and for operators over all accounts."""

from collections.abc import Callable
from typing import NamedTuple

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from core.access import Access, operator_page, project_page
from core.audit.sentences import actor_name
from core.forms import AccountFilter
from core.lists.paging import cut
from core.models import ApiKey, Membership, Role, User
from core.queries import accounts as all_accounts
from core.queries import maker_of, memberships_of, personal_keys_of
from core.services.keys import revoke_api_key_of
from core.services.people import (
    deactivate_person,
    end_sessions,
    may_manage,
    reactivate_person,
    reset_password,
)

AccountChange = Callable[..., None]
# The last part of an address, its action, and the message after it.
CHANGES: dict[str, tuple[AccountChange, str]] = {
    "deactivate": (
        deactivate_person,
        "The account of {name} is deactivated. Sessions and keys have ended.",
    ),
    "reactivate": (reactivate_person, "The account of {name} is active again."),
    "end-sessions": (end_sessions, "{name} is signed out of every browser."),
}


class Subject(NamedTuple):
    """An account, its page, and the start of the addresses of its actions."""

    person: User
    page: str
    root: str
    in_project: bool


def _draw(request: HttpRequest, by: User, subject: Subject) -> HttpResponse:
    """The page of one account. An account that the person cannot manage has no keys and no buttons."""
    person, root = subject.person, subject.root
    manages = by.pk != person.pk and may_manage(by, person)
    page = cut(request, personal_keys_of(person)) if manages else None
    for api_key in page or ():
        api_key.revoke_url = f"{root}keys/{api_key.pk}/revoke/"
    maker = maker_of(person)
    context = {
        "person": person,
        "manages": manages,
        "own": by.pk == person.pk,
        "maker": actor_name(maker) if maker else "",
        "urls": {
            "password": f"{root}password/",
            "sessions": f"{root}end-sessions/",
            "deactivate": f"{root}deactivate/",
            "reactivate": f"{root}reactivate/",
        },
        "memberships": None if subject.in_project else memberships_of(person),
        "page": page,
    }
    return render(request, "core/account.html", context)


def _do(request: HttpRequest, by: User, subject: Subject, change: str) -> HttpResponse:
    act, words = CHANGES[change]
    act(by=by, user=subject.person)
    messages.success(request, words.format(name=subject.person.name))
    return redirect(subject.page)


def _revoke(request: HttpRequest, by: User, subject: Subject, api_key: int) -> HttpResponse:
    key = get_object_or_404(ApiKey, pk=api_key, user=subject.person)
    revoke_api_key_of(by=by, user=subject.person, api_key=key)
    messages.success(request, f"The key {key.name} of {subject.person.name} is revoked.")
    return redirect(subject.page)


# --- in a project --------------------------------------------------------------------------------------------


def _member(access: Access, pk: int) -> Subject:
    membership = access.get(Membership.objects.select_related("user"), pk=pk)
    page = reverse("core:person-account", args=[access.project.slug, pk])
    return Subject(membership.user, page, page.removesuffix("account/"), in_project=True)


@project_page(Role.ADMIN)
@require_safe
def person_account(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    return _draw(request, access.user, _member(access, pk))


@project_page(Role.ADMIN)
@require_POST
def person_change(request: HttpRequest, access: Access, pk: int, change: str) -> HttpResponse:
    return _do(request, access.user, _member(access, pk), change)


@project_page(Role.ADMIN)
@require_POST
def person_key_revoke(request: HttpRequest, access: Access, pk: int, api_key: int) -> HttpResponse:
    return _revoke(request, access.user, _member(access, pk), api_key)


# --- for operators -------------------------------------------------------------------------------------------


def _anybody(pk: int) -> Subject:
    page = reverse("core:account", args=[pk])
    return Subject(get_object_or_404(User, pk=pk), page, page, in_project=False)


@require_safe
@operator_page
def accounts(request: HttpRequest, operator: User) -> HttpResponse:
    filters = AccountFilter(request.GET)
    criteria = filters.criteria()
    users = filters.shown(all_accounts(q=criteria.get("q", ""), state=criteria.get("state", "")))
    context = {"filters": filters, "page": cut(request, users)}
    return render(request, "core/accounts.html", context, status=filters.http_status)


@require_safe
@operator_page
def account(request: HttpRequest, operator: User, pk: int) -> HttpResponse:
    return _draw(request, operator, _anybody(pk))


@require_POST
@operator_page
def account_change(request: HttpRequest, operator: User, pk: int, change: str) -> HttpResponse:
    return _do(request, operator, _anybody(pk), change)


@require_POST
@operator_page
def account_password(request: HttpRequest, operator: User, pk: int) -> HttpResponse:
    """A new first password, shown once in the response."""
    person, page, *_ = _anybody(pk)
    first = reset_password(by=operator, user=person)
    return render(
        request,
        "core/person_added.html",
        {"person": person, "secret": first, "reset": True, "back": page},
    )


@require_POST
@operator_page
def account_key_revoke(request: HttpRequest, operator: User, pk: int, api_key: int) -> HttpResponse:
    return _revoke(request, operator, _anybody(pk), api_key)
