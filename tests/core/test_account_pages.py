"""One's own account."""

import pytest
from django.test import Client
from django.urls import reverse

from core.audit.entries import record
from core.models import User
from tests.core.pages import SignIn, page
from tests.support.factories import PASSWORD, World

pytestmark = pytest.mark.usefixtures("plain_stages")


def test_changing_the_password_keeps_this_browser_and_ends_the_others(world: World) -> None:
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        client.post(reverse("core:sign-in"), {"username": world.rater.email, "password": PASSWORD})
    new = "a much longer secret 7"
    given = {"old": PASSWORD, "new": new, "again": new}
    assert here.post(reverse("core:password"), given).status_code == 302
    assert here.get(reverse("core:me")).status_code == 200
    assert elsewhere.get(reverse("core:me")).status_code == 302
    world.rater.refresh_from_db()
    assert world.rater.check_password(new)


@pytest.mark.parametrize(
    "given",
    [
        {"old": "wrong", "new": "a much longer secret 7", "again": "a much longer secret 7"},
        {"old": PASSWORD, "new": "short", "again": "short"},
        {"old": PASSWORD, "new": "a much longer secret 7", "again": "another long secret 7"},
        {"old": PASSWORD, "new": "1234567890123", "again": "1234567890123"},
        {},
    ],
)
def test_a_password_that_will_not_do_changes_nothing(
    given: dict[str, str], world: World, as_user: SignIn
) -> None:
    answer = as_user(world.rater).post(reverse("core:password"), given)
    assert answer.status_code == 422
    world.rater.refresh_from_db()
    assert world.rater.check_password(PASSWORD)


def test_theme_is_stored_and_written_on_the_page(world: World, as_user: SignIn) -> None:
    client = as_user(world.rater)
    assert client.post(reverse("core:theme"), {"theme": "dark"}).status_code == 204
    assert b'data-theme="dark"' in client.get(reverse("core:me")).content
    assert client.cookies["gh_theme"].value == "dark"
    back = client.post(reverse("core:theme"), {"theme": "light", "next": "/me/"})
    assert back["Location"] == "/me/"
    assert client.post(reverse("core:theme"), {"theme": "light", "next": "//evil.example"}).status_code == 204
    assert client.post(reverse("core:theme"), {"theme": "pink"}).status_code == 422
    world.rater.refresh_from_db()
    assert world.rater.theme == "light"


def test_own_work_is_one_s_own(world: World, as_user: SignIn) -> None:
    record(by=world.annotator, project=world.project, action="example.submitted", obj=world.project)
    record(by=world.annotator, project=world.project, action="example.submitted", obj=world.project)
    text = as_user(world.annotator).get(reverse("core:me")).content.decode()
    assert "Examples submitted" in text
    assert "<dd>2</dd>" in text
    assert "Examples submitted" not in as_user(world.rater).get(reverse("core:me")).content.decode()


def test_renaming_oneself(world: World, as_user: SignIn) -> None:
    client = as_user(world.rater)
    client.post(reverse("core:rename"), {"name": "  Rosa  "})
    world.rater.refresh_from_db()
    assert world.rater.name == "Rosa"
    assert client.post(reverse("core:rename"), {"name": ""}).status_code == 422


def test_names_are_escaped_wherever_they_stand(world: World, as_user: SignIn) -> None:
    User.objects.filter(pk=world.rater.pk).update(name="<script>alert(1)</script>")
    world.rater.refresh_from_db()
    record(by=world.rater, project=world.project, action="thing.done", obj=world.project, note="<b>x</b>")
    client = as_user(world.admin)
    for name in ("home", "people", "audit"):
        assert b"<script>alert(1)" not in client.get(page(name, world)).content, name
    assert b"<script>alert(1)" not in as_user(world.rater).get(reverse("core:me")).content
