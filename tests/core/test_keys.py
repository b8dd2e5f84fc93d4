"""Keys and tokens."""

import re

import pytest
from django.urls import reverse

from core.models import ApiKey
from tests.core.pages import SignIn, page
from tests.support.factories import World

pytestmark = pytest.mark.usefixtures("plain_stages")


def test_a_key_is_shown_once_and_revoked_for_good(world: World, as_user: SignIn) -> None:
    client = as_user(world.admin)
    made = client.post(page("application-keys", world), {"name": "help desk"})
    secret = re.search(r'id="secret"[^>]*>(gk_[^<]+)<', made.content.decode())
    assert secret
    key = ApiKey.objects.get()
    assert secret[1] not in (key.digest, key.prefix)
    assert secret[1] not in client.get(page("application-keys", world)).content.decode()
    client.post(page("application-key-revoke", world, key.pk))
    key.refresh_from_db()
    assert key.revoked_at
    assert client.post(page("application-key-revoke", world, key.pk)).status_code == 409
    assert b"revoked" in client.get(page("application-keys", world)).content


def test_a_key_without_a_name_is_refused(world: World, as_user: SignIn) -> None:
    assert as_user(world.admin).post(page("application-keys", world), {"name": " "}).status_code == 422
    assert not ApiKey.objects.exists()


def test_personal_key_are_one_s_own(world: World, as_user: SignIn) -> None:
    made = as_user(world.rater).post(reverse("core:personal-keys"), {"name": "notebook"})
    assert b"gh_" in made.content
    api_key = ApiKey.objects.get(user=world.rater)
    url = reverse("core:personal-key-revoke", args=[api_key.pk])
    assert as_user(world.admin).post(url).status_code == 404
    assert as_user(world.rater).post(url).status_code == 302
    api_key.refresh_from_db()
    assert api_key.revoked_at
