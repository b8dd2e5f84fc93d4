"""An expected error lands on the page the person is on, and what was typed is never lost on the way."""

import ast
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.messages import get_messages
from django.urls import reverse

from core.errors import Conflict
from tests.support.factories import make_run

pytestmark = pytest.mark.django_db


def _there(client, path, came_from, data=None, host="http://testserver"):
    return client.post(path, data or {}, headers={"Referer": f"{host}{came_from}"})


@pytest.fixture
def ended(world):
    """The address of a button that meets a Conflict."""
    run = make_run(world.project, status="succeeded")
    return reverse("core:run-cancel", args=[world.project.slug, run.pk])


def test_a_button_brings_its_error_to_the_page_it_is_on(world, as_user, ended):
    client, runs = as_user(world.admin), reverse("core:runs", args=[world.project.slug])
    answer = _there(client, ended, f"{runs}?status=succeeded&q=x%20y")
    assert (answer.status_code, answer["Location"]) == (302, f"{runs}?status=succeeded&q=x%20y")
    assert [str(one) for one in get_messages(answer.wsgi_request)] == [
        "This background job has already ended. Reload the page to see its result."
    ]
    page = client.get(runs).content.decode()
    assert 'role="alert"' in page and "This background job has already ended." in page


@pytest.mark.parametrize(
    ("came_from", "data", "host"),
    [
        ("/somewhere/", {}, "https://elsewhere.example"),
        ("/somewhere/", {}, "http://testserver.example"),
        ("/p/x/", {"note": "Two words"}, "http://testserver"),
        ("/p/x/", {"note": "w" * 81}, "http://testserver"),
        ("/p/x/", {"note": "a\nb"}, "http://testserver"),
        ("", {}, "not an address"),
    ],
)
def test_another_site_is_never_a_way_back_and_typed_text_is_not_left_behind(
    world, as_user, ended, came_from, data, host
):
    answer = _there(as_user(world.admin), ended, came_from, data, host)
    assert answer.status_code == 409
    assert "This background job has already ended." in answer.content.decode()


def test_a_page_that_cannot_be_shown_does_not_lead_to_itself(world, as_user, ended):
    assert _there(as_user(world.admin), ended, ended).status_code == 409


def test_every_form_shows_every_expected_error_itself():
    """A view that gives a form the errors of a service must catch all of them: a Conflict would leave the form behind."""
    wrong = []
    for path in sorted(Path(settings.BASE_DIR).glob("*/views/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Try):
                continue
            for handler in node.handlers:
                calls = {
                    inner.func.id
                    for inner in ast.walk(handler)
                    if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name)
                }
                kind = ast.unparse(handler.type) if handler.type else ""
                if "take_errors" in calls and kind != "ExpectedError" and not kind.endswith("NotLaunchable"):
                    wrong.append(f"{path.name}:{handler.lineno} catches {kind} only")
    assert not wrong


@pytest.mark.parametrize("name", ["person-add", "person-roles", "settings"])
def test_a_conflict_keeps_the_form_and_what_was_typed(world, as_user, monkeypatch, name):
    from core.views import people
    from core.views import settings as settings_page

    def refuse(**values):
        raise Conflict("It changed meanwhile.", "Look again.")

    for module, names in ((people, ("invite", "change_roles")), (settings_page, ("update_project",))):
        for one in names:
            monkeypatch.setattr(module, one, refuse)
    membership = world.project.memberships.get(user=world.rater)
    args = [world.project.slug] + ([membership.pk] if name == "person-roles" else [])
    client = as_user(world.admin)
    page = client.get(reverse(f"core:{name}", args=args))
    typed = {field.name: field.value() for field in page.context["form"] if field.value() is not None}
    typed |= {"email": "new@example.org", "name": "A new name", "roles": ["rater"]}
    answer = client.post(reverse(f"core:{name}", args=args), typed)
    assert answer.status_code in (409, 422)
    assert "It changed meanwhile. Look again." in answer.content.decode()
    if name != "person-roles":
        assert "A new name" in answer.content.decode()


def test_a_name_that_is_refused_stays_on_the_page(world, as_user):
    answer = as_user(world.rater).post(reverse("core:rename"), {"name": "n" * 130})
    assert answer.status_code == 422
    assert "n" * 130 in answer.content.decode()
