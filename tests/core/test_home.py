"""First page, projects, the loop."""

import pytest
from django.urls import reverse

from core.audit import sentences
from core.audit.actions import AuditAction
from core.audit.entries import record
from core.models import Project, Role
from tests.core.pages import SignIn, page
from tests.support.factories import World, join, make_project

pytestmark = pytest.mark.usefixtures("plain_stages")


def test_first_page_lists_the_projects_of_somebody_in_several(world: World, as_user: SignIn) -> None:
    join(world.other, world.rater, Role.RATER)
    archived = make_project(name="Old trade")
    join(archived, world.rater, Role.RATER)
    Project.objects.filter(pk=archived.pk).update(archived_at="2026-01-01T00:00Z")
    text = as_user(world.rater).get(reverse("core:start")).content.decode()
    assert "Freight desk" in text
    assert "Elsewhere" in text
    assert "Old trade" not in text


def test_only_operators_create_projects(world: World, as_user: SignIn) -> None:
    url = reverse("core:project-new")
    assert as_user(world.admin).get(url).status_code == 403
    assert as_user(world.admin).post(url, {"name": "Mine"}).status_code == 403
    answer = as_user(world.operator).post(url, {"name": "Cold chain"})
    assert answer["Location"] == reverse("core:people", args=["cold-chain"])
    made = Project.objects.get(slug="cold-chain")
    assert made.memberships.get().roles == ["admin"]
    again = as_user(world.operator).post(url, {"name": "Cold chain"})
    assert again.status_code == 422
    assert b"There is already a project at" in again.content


def test_home_shows_stages_of_the_role_and_what_is_next_first(world: World, as_user: SignIn) -> None:
    text = as_user(world.annotator).get(page("home", world)).content.decode()
    assert "approved in Freight desk" in text
    assert text.count("Not your role") == 1
    assert text.index("37 edge cases") < text.index("It can wait.")
    rater = as_user(world.rater).get(page("home", world)).content.decode()
    assert "Nothing to do" in rater


def test_home_lives_on_when_a_stage_cannot_tell(world: World, as_user: SignIn, plain_stages) -> None:
    from dataclasses import replace

    from core.errors import PartAway

    def away(access: object) -> object:
        raise PartAway("The engine does not answer.")

    plain_stages["rate"] = replace(plain_stages["rate"], glance=away)
    answer = as_user(world.admin).get(page("home", world))
    assert answer.status_code == 200
    assert b"The engine does not answer." in answer.content


def test_lately_tells_a_rater_only_of_their_own_actions(world: World, as_user: SignIn) -> None:
    record(by=world.admin, project=world.project, action="version.released", obj=world.project, name="v8")
    record(by=world.rater, project=world.project, action="rating.given", obj=world.project)
    rater = as_user(world.rater).get(page("home", world)).content.decode()
    assert "released" not in rater
    assert "gave rating" in rater
    assert "released version" in as_user(world.viewer).get(page("home", world)).content.decode()


def test_lately_leaves_out_actions_too_small_to_tell(world: World, as_user: SignIn, monkeypatch) -> None:
    small = AuditAction("DrawerAction", {"OPENED": ("drawer.opened", "{actor} opened drawer {label}", True)})
    monkeypatch.setattr(
        sentences, "_actions", {**sentences._actions, **{str(action): action for action in small}}
    )
    for action in ("drawer.opened", "drawer.emptied"):
        record(by=world.admin, project=world.project, action=action, obj=world.project)
    text = as_user(world.admin).get(page("home", world)).content.decode()
    assert "emptied drawer" in text
    assert "opened drawer" not in text


def test_project_menu_offers_the_rooms_of_the_role_and_other_projects(world: World, as_user: SignIn) -> None:
    join(world.other, world.rater, Role.RATER)
    rater = as_user(world.rater).get(page("project-menu", world)).content.decode()
    assert "Elsewhere" in rater
    assert page("audit", world) not in rater
    assert page("audit", world) in as_user(world.viewer).get(page("project-menu", world)).content.decode()
