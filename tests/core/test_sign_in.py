"""Signing in and out."""

import pytest
from django.test import Client
from django.urls import reverse

from core.models import Role, User
from tests.core.pages import SignIn, page
from tests.support.factories import PASSWORD, World, join, make_user

pytestmark = pytest.mark.usefixtures("plain_stages")


def test_sign_in_ignores_case_of_the_address_and_leads_into_the_only_project(world: World) -> None:
    client = Client()
    given = {"username": f"  {world.rater.email.upper()} ", "password": PASSWORD}
    answer = client.post(reverse("core:sign-in"), given, follow=True)
    assert answer.redirect_chain[-1][0] == page("home", world)
    assert b"Rater Member" in answer.content


def test_wrong_password_says_so_and_keeps_nobody_in(world: World) -> None:
    client = Client()
    answer = client.post(reverse("core:sign-in"), {"username": world.rater.email, "password": "no"})
    assert answer.status_code == 422
    assert b"Wrong e-mail or password." in answer.content
    assert "_auth_user_id" not in client.session


def test_too_many_tries_lock_the_address_whatever_its_spelling(world: World, settings) -> None:
    settings.SIGN_IN_TRIES = 3
    client, email = Client(), world.rater.email
    for spelling in (email, email.upper(), email.title()):
        answer = client.post(reverse("core:sign-in"), {"username": spelling, "password": "guess"})
    assert answer.status_code == 429
    answer = client.post(reverse("core:sign-in"), {"username": email, "password": PASSWORD})
    assert answer.status_code == 429
    assert b"Too many attempts" in answer.content
    assert b"15 min" in answer.content
    # Others are not shut out with it.
    other = client.post(reverse("core:sign-in"), {"username": world.admin.email, "password": PASSWORD})
    assert other.status_code == 302


def test_sign_in_never_leads_to_another_host(world: World) -> None:
    given = {"username": world.rater.email, "password": PASSWORD, "next": "https://evil.example/"}
    answer = Client().post(reverse("core:sign-in"), given)
    assert answer["Location"] == reverse("core:start")


def test_a_made_up_password_has_to_be_replaced_first(world: World) -> None:
    fresh = make_user("Fresh", must_change_password=True)
    client = Client()
    answer = client.post(reverse("core:sign-in"), {"username": fresh.email, "password": PASSWORD})
    to = reverse("core:password")
    assert client.get(answer["Location"])["Location"] == to
    join(world.project, fresh, Role.ADMIN)
    for name in ("home", "people", "settings"):
        assert client.get(page(name, world))["Location"] == to
    assert client.get(page("loop", world), headers={"HX-Request": "true"})["HX-Redirect"] == to
    assert client.get("/api/v1/me/").status_code == 403
    assert client.get(to).status_code == 200
    given = {"old": PASSWORD, "new": "a-password-of-ones-own", "again": "a-password-of-ones-own"}
    assert client.post(to, given)["Location"] == reverse("core:start")
    assert client.get(page("home", world)).status_code == 200
    assert client.get("/api/v1/me/").status_code == 200


def test_sign_out_ends_the_session(world: World, as_user: SignIn) -> None:
    client = as_user(world.rater)
    assert client.post(reverse("core:sign-out"))["Location"] == reverse("core:sign-in")
    assert client.get(reverse("core:me")).status_code == 302


def test_a_switched_off_account_cannot_sign_in(world: World) -> None:
    User.objects.filter(pk=world.rater.pk).update(is_active=False)
    answer = Client().post(reverse("core:sign-in"), {"username": world.rater.email, "password": PASSWORD})
    assert answer.status_code == 422
