"""People."""

import re

import pytest

from core.models import AuditEntry, Membership, Role, User
from tests.core.pages import SignIn, member, page
from tests.support.factories import PASSWORD, World, join

pytestmark = pytest.mark.usefixtures("plain_stages")


def test_adding_somebody_new_shows_the_first_password_once_and_it_works(
    world: World, as_user: SignIn
) -> None:
    client = as_user(world.admin)
    given = {"email": " New@Example.org ", "name": "Nia New", "roles": ["annotator", "rater"]}
    answer = client.post(page("person-add", world), given)
    secret = re.search(r'id="secret"[^>]*>([^<]+)<', answer.content.decode())
    assert secret
    person = User.objects.get(email="new@example.org")
    assert person.check_password(secret[1])
    assert person.must_change_password
    assert Membership.objects.get(user=person).roles == ["annotator", "rater"]
    assert secret[1] not in client.get(page("people", world)).content.decode()
    assert not AuditEntry.objects.filter(detail__icontains=secret[1]).exists()


def test_adding_an_existing_account_makes_no_new_password(world: World, as_user: SignIn) -> None:
    given = {"email": world.neighbour.email.upper(), "roles": ["viewer"]}
    answer = as_user(world.admin).post(page("person-add", world), given, follow=True)
    assert b"Neighbour is now in Freight desk" in answer.content
    world.neighbour.refresh_from_db()
    assert world.neighbour.check_password(PASSWORD)


@pytest.mark.parametrize(
    "given",
    [
        {"email": "nope", "roles": ["rater"]},
        {"email": "a@b.example", "roles": []},
        {"email": "a@b.example", "roles": ["emperor"]},
        {},
    ],
)
def test_adding_nonsense_changes_nothing(given: dict[str, object], world: World, as_user: SignIn) -> None:
    before = User.objects.count()
    answer = as_user(world.admin).post(page("person-add", world), given)
    assert answer.status_code == 422
    assert User.objects.count() == before


def test_adding_a_member_again_is_told_at_the_field(world: World, as_user: SignIn) -> None:
    answer = as_user(world.admin).post(
        page("person-add", world), {"email": world.rater.email, "roles": ["admin"]}
    )
    assert answer.status_code == 409
    assert "already in this project" in answer.context["form"].errors["email"][0]
    assert member(world, "rater").roles == ["rater"]


def test_roles_change_and_the_last_admin_stays(world: World, as_user: SignIn) -> None:
    client = as_user(world.admin)
    changed = client.post(
        page("person-roles", world, member(world, "rater").pk), {"roles": ["rater", "admin"]}
    )
    assert changed.status_code == 302
    assert member(world, "rater").roles == ["rater", "admin"]
    own = page("person-roles", world, member(world, "admin").pk)
    assert client.post(own, {"roles": ["viewer"]})["Location"] == page("home", world)
    refused = as_user(world.rater).post(
        page("person-roles", world, member(world, "rater").pk), {"roles": ["rater"]}
    )
    assert refused.status_code == 409
    assert b"A project needs an admin" in refused.content


def test_the_last_admin_cannot_be_removed_others_can(world: World, as_user: SignIn) -> None:
    client = as_user(world.admin)
    refused = client.post(page("person-remove", world, member(world, "admin").pk))
    assert refused.status_code == 409
    assert b"A project needs an admin" in refused.content
    # From the page with the button, the message comes on that page.
    people = page("people", world)
    there = client.post(
        page("person-remove", world, member(world, "admin").pk),
        headers={"Referer": f"http://testserver{people}?q=a"},
        follow=True,
    )
    assert there.redirect_chain == [(f"{people}?q=a", 302)]
    assert "A project needs an admin. First make another person admin." in there.content.decode()
    assert 'role="alert"' in there.content.decode()
    client.post(page("person-remove", world, member(world, "rater").pk))
    assert not world.rater.memberships.exists()
    assert as_user(world.rater).get(page("home", world)).status_code == 404


def test_a_new_password_is_not_given_to_somebody_of_another_project(world: World, as_user: SignIn) -> None:
    client = as_user(world.admin)
    url = page("person-password", world, member(world, "rater").pk)
    first = re.search(r'id="secret"[^>]*>([^<]+)<', client.post(url).content.decode())
    assert first
    world.rater.refresh_from_db()
    assert world.rater.check_password(first[1])
    # A member elsewhere too: this admin must not get into that project through their account.
    join(world.other, world.rater, Role.ADMIN)
    refused = client.post(url)
    assert refused.status_code == 400
    assert b"projects where you are not an admin" in refused.content
    world.rater.refresh_from_db()
    assert world.rater.check_password(first[1])


def test_people_are_found_by_name_and_role(world: World, as_user: SignIn) -> None:
    client = as_user(world.viewer)
    found = client.get(page("people", world), {"q": "rater mem"}).content.decode()
    assert world.rater.email in found
    assert world.annotator.email not in found
    found = client.get(page("people", world), {"role": "reviewer"}).content.decode()
    assert world.reviewer.email in found
    assert world.rater.email not in found
    assert b"No one matches" in client.get(page("people", world), {"q": "zzz"}).content
