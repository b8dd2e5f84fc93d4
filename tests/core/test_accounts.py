"""Accounts: who may do what to whose, and what ends when a password, a membership or an account does."""

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from core.errors import Conflict, Invalid, Refused
from core.models import ApiKey, AuditEntry, Membership, Role, User
from core.services.keys import create_api_key
from core.services.people import (
    change_password,
    create_person,
    deactivate_person,
    end_sessions,
    may_manage,
    reactivate_person,
    reset_password,
)
from core.services.projects import change_roles, invite, remove_member
from tests.support.factories import PASSWORD, World, join, make_user

SignIn = Callable[[User | None], Client]
OWN = "a password of my own 7"


def sign_in(email: str, password: str) -> Client:
    client = Client()
    client.post(reverse("core:sign-in"), {"username": email, "password": password})
    return client


def is_in(client: Client) -> bool:
    return client.get(reverse("core:password")).status_code == 200


def bearer(secret: str) -> int:
    return Client().get("/api/v1/me/", headers={"Authorization": f"Bearer {secret}"}).status_code


def verbs(world: World, user: User) -> dict[str, set[str]]:
    entries = AuditEntry.objects.filter(object_type="core.user", object_id=str(user.pk))
    found: dict[str, set[str]] = {}
    for project in (world.project, world.other):
        found[project.slug] = set(entries.filter(project_id=project.pk).values_list("action", flat=True))
    return found


# --- an account that never chose its own password ----------------------------------------------------------


def test_an_account_made_beforehand_is_not_kept_by_who_made_it(world: World, as_user: SignIn) -> None:
    made = invite(by=world.admin, project=world.project, email="vic@example.org", name="Vic", roles=["rater"])
    vic, old = made.membership.user, made.first_password
    assert old
    early = sign_in(vic.email, old)
    assert is_in(early)

    answer = as_user(world.neighbour).post(
        reverse("core:person-add", args=[world.other.slug]), {"email": "VIC@example.org", "roles": ["admin"]}
    )
    page = answer.content.decode()
    shown = re.search(r'id="secret"[^>]*>([^<]+)<', page)
    assert shown
    assert "existed already" in page
    assert not is_in(early)
    assert not is_in(sign_in(vic.email, old))
    assert is_in(sign_in(vic.email, shown[1]))
    told = verbs(world, vic)
    assert "password.reissued" in told[world.project.slug]
    assert {"password.reissued", "member.added"} <= told[world.other.slug]


def test_the_api_gives_the_new_first_password_too(world: World, as_user: SignIn) -> None:
    invite(by=world.admin, project=world.project, email="vic@example.org", name="Vic", roles=["rater"])
    answer = as_user(world.neighbour).post(
        f"/api/v1/projects/{world.other.slug}/people/",
        {"email": "vic@example.org", "roles": ["admin"]},
        content_type="application/json",
    )
    assert answer.status_code == 201
    assert User.objects.get(email="vic@example.org").check_password(answer.json()["first_password"])


def test_who_made_it_cannot_reset_it_once_it_belongs_elsewhere(world: World) -> None:
    made = invite(by=world.admin, project=world.project, email="vic@example.org", name="Vic", roles=["rater"])
    vic = made.membership.user
    assert may_manage(world.admin, vic)
    again = invite(by=world.neighbour, project=world.other, email=vic.email, name="", roles=["admin"])
    for act in (reset_password, deactivate_person, end_sessions):
        with pytest.raises(Refused, match="where you are not an admin"):
            act(by=world.admin, user=vic)
    vic.refresh_from_db()
    assert again.first_password
    assert vic.check_password(again.first_password)
    # An operator may.
    assert reset_password(by=world.operator, user=vic)


def test_a_failed_invitation_resets_nothing(world: World) -> None:
    made = invite(by=world.admin, project=world.project, email="vic@example.org", name="Vic", roles=["rater"])
    with pytest.raises(Conflict):
        invite(by=world.admin, project=world.project, email="vic@example.org", name="", roles=["rater"])
    assert made.first_password
    assert User.objects.get(email="vic@example.org").check_password(made.first_password)
    with pytest.raises(Invalid):
        invite(by=world.admin, project=world.project, email="new@example.org", name="", roles=["emperor"])
    assert not User.objects.filter(email="new@example.org").exists()


def test_an_account_with_its_own_password_keeps_it_and_the_admin_learns_who_made_it(
    world: World, as_user: SignIn
) -> None:
    person, _ = create_person(by=world.admin, email="kim@example.org", name="Kim", password=OWN)
    answer = as_user(world.neighbour).post(
        reverse("core:person-add", args=[world.other.slug]),
        {"email": person.email, "roles": ["rater"]},
        follow=True,
    )
    assert f"{world.admin.name} created this account" in answer.content.decode()
    person.refresh_from_db()
    assert person.check_password(OWN)


def test_a_deactivated_account_is_not_added(world: World, as_user: SignIn) -> None:
    User.objects.filter(pk=world.stranger.pk).update(is_active=False)
    answer = as_user(world.admin).post(
        reverse("core:person-add", args=[world.project.slug]),
        {"email": world.stranger.email, "roles": ["rater"]},
    )
    assert answer.status_code == 422
    assert b"deactivated" in answer.content
    assert not world.stranger.memberships.exists()


def test_one_address_is_made_once_even_when_two_ask_at_once(world: World, monkeypatch) -> None:
    """The check before finds nothing, and somebody else is first."""
    monkeypatch.setattr("core.services.people._refuse_taken", lambda email: None)
    with pytest.raises(Invalid, match="account already"):
        create_person(by=None, email=world.rater.email, name="Twin")


# --- what ends with a password -----------------------------------------------------------------------------


def test_keys_end_with_the_password(world: World) -> None:
    _, secret = create_api_key(by=world.rater, name="notebook")
    assert bearer(secret) == 200
    change_password(by=world.rater, old=PASSWORD, new=OWN)
    assert bearer(secret) == 401
    assert AuditEntry.objects.get(action="password.changed").detail == {"api_keys": 1}


def test_keys_and_sessions_end_with_a_reset(world: World, as_user: SignIn) -> None:
    _, secret = create_api_key(by=world.rater, name="notebook")
    there = sign_in(world.rater.email, PASSWORD)
    first = reset_password(by=world.admin, user=world.rater)
    assert bearer(secret) == 401
    assert not is_in(there)
    # Nor is a new token to be had before the person has chosen a password.
    fresh = sign_in(world.rater.email, first)
    assert fresh.post("/api/v1/me/keys/", {"name": "x"}, content_type="application/json").status_code == 403
    assert fresh.post(reverse("core:personal-keys"), {"name": "x"})["Location"] == reverse("core:password")


def test_a_key_is_not_made_by_a_request_that_the_reset_overtook(world: World) -> None:
    before = User.objects.get(pk=world.rater.pk)
    reset_password(by=world.admin, user=world.rater)
    with pytest.raises(Conflict):
        create_api_key(by=before, name="late")
    assert not ApiKey.objects.filter(user=before).exists()


def test_a_key_of_an_account_with_a_given_password_is_refused(world: World) -> None:
    _, secret = create_api_key(by=world.rater, name="notebook")
    User.objects.filter(pk=world.rater.pk).update(must_change_password=True)
    assert bearer(secret) == 401


def test_two_changes_of_one_password_do_not_both_win(world: World) -> None:
    slow = User.objects.get(pk=world.rater.pk)
    assert slow.check_password(PASSWORD)
    change_password(by=world.rater, old=PASSWORD, new=OWN)
    with pytest.raises(Conflict):
        change_password(by=slow, old=PASSWORD, new="another password of mine 8")
    assert User.objects.get(pk=slow.pk).check_password(OWN)


# --- what ends with a membership ---------------------------------------------------------------------------


def test_keys_somebody_made_end_with_their_place_in_the_project(world: World) -> None:
    second = join(world.project, make_user("Second"), Role.ADMIN)
    mine, _ = create_api_key(by=second.user, name="desk", project=world.project)
    elsewhere = join(world.other, second.user, Role.ADMIN)
    kept, _ = create_api_key(by=second.user, name="there", project=world.other)
    others, _ = create_api_key(by=world.admin, name="stays", project=world.project)
    remove_member(by=world.admin, membership=second)
    for api_key in (mine, kept, others):
        api_key.refresh_from_db()
    assert mine.revoked_at
    assert not kept.revoked_at
    assert not others.revoked_at
    join(world.other, make_user("Third"), Role.ADMIN)
    change_roles(by=second.user, membership=elsewhere, roles=["viewer"])
    kept.refresh_from_db()
    assert kept.revoked_at


# --- deactivation ------------------------------------------------------------------------------------------


def test_deactivation_ends_everything_and_reactivation_brings_nothing_back(
    world: World, as_user: SignIn
) -> None:
    second = join(world.project, make_user("Second"), Role.ADMIN).user
    _, secret = create_api_key(by=second, name="notebook")
    key, _ = create_api_key(by=second, name="desk", project=world.project)
    there = sign_in(second.email, PASSWORD)
    assert is_in(there)
    url = reverse("core:person-deactivate", args=[world.project.slug, second.memberships.get().pk])
    assert as_user(world.admin).post(url).status_code == 302
    key.refresh_from_db()
    assert key.revoked_at
    assert bearer(secret) == 401
    assert not is_in(there)
    assert not is_in(sign_in(second.email, PASSWORD))
    reactivate_person(by=world.admin, user=second)
    assert bearer(secret) == 401
    assert not is_in(there)
    assert is_in(sign_in(second.email, PASSWORD))
    told = verbs(world, second)[world.project.slug]
    assert {"person.deactivated", "person.reactivated"} <= told


def test_sessions_can_be_ended_alone(world: World) -> None:
    _, secret = create_api_key(by=world.rater, name="notebook")
    there = sign_in(world.rater.email, PASSWORD)
    end_sessions(by=world.admin, user=world.rater)
    assert not is_in(there)
    assert bearer(secret) == 200
    assert is_in(sign_in(world.rater.email, PASSWORD))


def test_the_last_admin_the_last_operator_and_oneself_stay(world: World) -> None:
    with pytest.raises(Conflict, match="only admin of Freight desk"):
        deactivate_person(by=world.operator, user=world.admin)
    with pytest.raises(Conflict, match="your own account"):
        deactivate_person(by=world.admin, user=world.admin)
    other = make_user("Olu", is_operator=True)
    deactivate_person(by=other, user=world.operator)
    # An operator who is already deactivated does not count as one that is left.
    with pytest.raises(Conflict, match="needs an operator"):
        deactivate_person(by=world.operator, user=other)
    with pytest.raises(Refused, match="is an operator"):
        deactivate_person(by=world.admin, user=other)


def test_a_deactivated_admin_does_not_count_as_an_admin_that_is_left(world: World) -> None:
    second = join(world.project, make_user("Second"), Role.ADMIN)
    deactivate_person(by=world.admin, user=second.user)
    own = Membership.objects.get(project=world.project, user=world.admin)
    with pytest.raises(Conflict, match="needs an admin"):
        remove_member(by=world.admin, membership=own)
    with pytest.raises(Conflict, match="needs an admin"):
        change_roles(by=world.admin, membership=own, roles=["viewer"])
    remove_member(by=world.admin, membership=second)


def test_deactivating_twice_is_a_conflict(world: World) -> None:
    deactivate_person(by=world.admin, user=world.rater)
    with pytest.raises(Conflict, match="already deactivated"):
        deactivate_person(by=world.admin, user=world.rater)
    reactivate_person(by=world.admin, user=world.rater)
    with pytest.raises(Conflict, match="already active"):
        reactivate_person(by=world.admin, user=world.rater)


# --- pages and API -----------------------------------------------------------------------------------------


def test_the_account_page_lists_keys_without_secrets_and_revokes_them(world: World, as_user: SignIn) -> None:
    api_key, secret = create_api_key(by=world.rater, name="notebook")
    client, pk = as_user(world.admin), Membership.objects.get(project=world.project, user=world.rater).pk
    page = client.get(reverse("core:person-account", args=[world.project.slug, pk])).content.decode()
    assert "notebook" in page
    assert api_key.prefix in page
    assert secret not in page
    revoke = reverse("core:person-key-revoke", args=[world.project.slug, pk, api_key.pk])
    assert revoke in page
    assert client.post(revoke).status_code == 302
    assert bearer(secret) == 401
    assert client.post(revoke).status_code == 409
    entry = AuditEntry.objects.get(action="api_key.taken_away")
    assert (entry.project_id, entry.detail) == (world.project.pk, {"api_key": "notebook"})


def test_the_key_of_somebody_else_is_not_found_through_a_member(world: World, as_user: SignIn) -> None:
    api_key, secret = create_api_key(by=world.neighbour, name="theirs")
    pk = Membership.objects.get(project=world.project, user=world.rater).pk
    path = reverse("core:person-key-revoke", args=[world.project.slug, pk, api_key.pk])
    assert as_user(world.admin).post(path).status_code == 404
    path = f"/api/v1/projects/{world.project.slug}/people/{pk}/keys/{api_key.pk}/"
    assert as_user(world.admin).delete(path).status_code == 404
    assert bearer(secret) == 200


def test_what_an_admin_may_not_manage_shows_no_keys_and_no_buttons(world: World, as_user: SignIn) -> None:
    create_api_key(by=world.rater, name="notebook")
    join(world.other, world.rater, Role.RATER)
    client, pk = as_user(world.admin), Membership.objects.get(project=world.project, user=world.rater).pk
    page = client.get(reverse("core:person-account", args=[world.project.slug, pk])).content.decode()
    assert "notebook" not in page
    assert "where you are not an admin" in page
    assert "deactivate/" not in page
    base = f"/api/v1/projects/{world.project.slug}/people/{pk}/"
    assert client.get(base + "keys/").status_code == 400
    for change in ("deactivate", "reactivate", "end-sessions", "password"):
        answer = client.post(f"{base}{change}/")
        assert (answer.status_code, answer.json()["code"]) == (400, "refused"), change
        assert client.post(reverse(f"core:person-{change}", args=[world.project.slug, pk])).status_code == 400


def test_operators_manage_every_account(world: World, as_user: SignIn) -> None:
    api_key, secret = create_api_key(by=world.rater, name="notebook")
    client = as_user(world.operator)
    listed = client.get(reverse("core:accounts"), {"q": world.rater.email}).content.decode()
    assert world.rater.name in listed
    assert world.reviewer.email not in listed
    page = client.get(reverse("core:account", args=[world.rater.pk])).content.decode()
    assert "notebook" in page
    assert secret not in page
    assert client.post(reverse("core:account-end-sessions", args=[world.rater.pk])).status_code == 302
    made = client.post(reverse("core:account-password", args=[world.rater.pk])).content.decode()
    first = re.search(r'id="secret"[^>]*>([^<]+)<', made)
    assert first
    assert is_in(sign_in(world.rater.email, first[1]))
    client.post(reverse("core:account-deactivate", args=[world.rater.pk]))
    gone = client.get(reverse("core:accounts"), {"state": "deactivated"}).content.decode()
    assert world.rater.email in gone
    assert world.admin.email not in gone
    assert (
        client.post(reverse("core:account-key-revoke", args=[world.rater.pk, api_key.pk])).status_code == 409
    )


def test_accounts_by_api(world: World, as_user: SignIn) -> None:
    api_key, secret = create_api_key(by=world.rater, name="notebook")
    client, base = as_user(world.operator), f"/api/v1/accounts/{world.rater.pk}/"
    listed = client.get("/api/v1/accounts/", {"q": world.rater.email}).json()
    assert [one["email"] for one in listed["results"]] == [world.rater.email]
    assert client.get(base).json()["is_active"] is True
    tokens = client.get(base + "keys/")
    assert [one["name"] for one in tokens.json()["results"]] == ["notebook"]
    assert secret not in tokens.content.decode()
    assert client.delete(f"{base}keys/{api_key.pk}/").status_code == 204
    assert bearer(secret) == 401
    assert client.post(base + "end-sessions/").status_code == 204
    first = client.post(base + "password/").json()["first_password"]
    assert User.objects.get(pk=world.rater.pk).check_password(first)
    assert client.post(base + "deactivate/").json()["is_active"] is False
    assert client.post(base + "deactivate/").status_code == 409
    assert client.post(base + "reactivate/").json()["is_active"] is True


def test_queries_of_the_accounts_list_do_not_grow_with_it(
    world: World, as_user: SignIn, django_assert_max_num_queries
) -> None:
    client = as_user(world.operator)
    client.get(reverse("core:accounts"))
    for n in range(20):
        join(world.project, make_user(f"Many {n}"), Role.RATER)
    with django_assert_max_num_queries(8):
        client.get(reverse("core:accounts"))
