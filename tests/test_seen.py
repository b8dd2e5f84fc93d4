"""Two people at one thing: an action is about what its page showed. Somebody else's change is never undone unseen."""

import json
import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from core.errors import Conflict
from core.models import Role, User
from core.seen import must_be_as_seen, stamp
from core.services.projects import change_roles, update_project
from dataset.models import DatasetVersion
from evaluation import services as evaluation
from inference.models import Answer
from inference.queries import live_version
from release import queries, services
from tests.release.conftest import make_versions
from tests.support.factories import World, make_campaign, make_example, make_held_out, rate_all
from tests.support.reading import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]
SignIn = Callable[[User | None], Client]


def hidden(page: str, name: str) -> str:
    """The value of a hidden field, as the browser would send it."""
    import html

    (value,) = set(re.findall(rf'name="{name}" value="([^"]*)"', page))
    return html.unescape(value)


def test_a_stamp_is_of_values_and_an_empty_one_of_nothing_seen() -> None:
    assert stamp("a", {"x": 1, "y": [2]}) == stamp("a", {"y": [2], "x": 1}) != stamp("a", {"x": 1, "y": [3]})
    must_be_as_seen(stamp("a"), "a", label="It")
    must_be_as_seen("", "b", label="It")
    with pytest.raises(Conflict, match="It changed after you loaded the page"):
        must_be_as_seen(stamp("a"), "b", label="It")


def test_settings_that_somebody_changed_meanwhile_are_not_written_over(world: World, as_user: SignIn) -> None:
    client, address = as_user(world.admin), f"/p/{world.project.slug}/settings/"
    seen = hidden(client.get(address).content.decode(), "seen")
    update_project(by=world.admin, project=world.project, guideline="Written by a colleague.")
    form = {
        "name": world.project.name, "description": "Typed here.", "guideline": "", "system_prompt": "",
        "lease_minutes": 30, "temperature": 0.2, "max_tokens": 512, "seen": seen,
    }  # fmt: skip
    answer = client.post(address, form)
    page = answer.content.decode()
    assert answer.status_code == 409 and "Somebody changed the settings" in page and "Typed here." in page
    world.project.refresh_from_db()
    assert world.project.guideline == "Written by a colleague."
    # The page that told of it may be saved: now it is known.
    assert client.post(address, {**form, "seen": hidden(page, "seen")}).status_code == 302


def test_roles_that_somebody_changed_meanwhile_stay(world: World, as_user: SignIn) -> None:
    membership = world.project.memberships.get(user=world.viewer)
    client, address = as_user(world.admin), f"/p/{world.project.slug}/people/{membership.pk}/roles/"
    seen = hidden(client.get(address).content.decode(), "seen")
    change_roles(by=world.admin, membership=membership, roles=[Role.VIEWER, Role.REVIEWER])
    answer = client.post(address, {"roles": ["annotator"], "seen": seen})
    assert answer.status_code == 409 and "changed after you loaded the page" in text_of(answer)
    membership.refresh_from_db()
    assert membership.roles == [Role.REVIEWER, Role.VIEWER]


def test_an_example_that_changed_meanwhile_is_neither_retired_nor_put_back(
    world: World, as_user: SignIn
) -> None:
    example = make_example(world.project, status="approved")
    client, base = as_user(world.reviewer), f"/p/{world.project.slug}/annotate/examples/{example.pk}/"
    seen = hidden(client.get(base).content.decode(), "seen")
    type(example).objects.filter(pk=example.pk).update(revision=2)
    for path, form in (("retire/", {"reason": "Old."}), ("requeue/", {})):
        answer = client.post(f"{base}{path}", {**form, "seen": seen})
        assert answer.status_code == 409 and "changed after you loaded the page" in text_of(answer)
    example.refresh_from_db()
    assert example.status == "approved"
    seen = hidden(client.get(base).content.decode(), "seen")
    assert client.post(f"{base}requeue/", {"seen": seen}).status_code == 302


def test_not_more_votes_are_set_aside_than_the_page_named(world: World, as_user: SignIn) -> None:
    campaign = make_campaign(world.project, world.admin, prompts=3)
    rated = rate_all(campaign, world.rater, ["candidate", "baseline"])

    def doubt(*comparisons: int) -> None:
        Answer.objects.filter(campaign_answer__prompt__in=comparisons).update(doubt="Other weights.")

    doubt(rated[0].comparison.prompt_id)
    client, address = as_user(world.admin), f"/p/{world.project.slug}/rate/campaigns/{campaign.pk}/set-aside/"
    votes = hidden(client.get(address).content.decode(), "votes")
    doubt(rated[1].comparison.prompt_id)
    answer = client.post(address, {"reason": "Other weights.", "votes": votes})
    assert (
        votes == "1" and answer.status_code == 409 and "There are 2 such votes now, not 1" in text_of(answer)
    )
    with pytest.raises(Conflict):
        evaluation.set_aside(by=world.admin, campaign=campaign, reason="x", votes=1)
    assert evaluation.set_aside(by=world.admin, campaign=campaign, reason="x", votes=2) == 2


def test_a_gate_that_got_worse_since_it_was_read_is_not_signed_off(
    world: World, as_user: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = make_versions(world)
    client, address = as_user(world.admin), f"/p/{world.project.slug}/release/versions/{versions.v1.pk}/"
    read = json.loads(hidden(client.get(address).content.decode(), "gate"))
    assert read["served"] == "pass" and "hold" in read.values()
    form = {"replaces": "", "sign_off": "on", "note": "I know about it."}
    better = {**read, "files_intact": "hold"}  # what passes by now is no surprise
    worse = dict.fromkeys(read, "pass")
    answer = client.post(address, {**form, "gate": json.dumps(worse)})
    assert answer.status_code == 409 and "The gate changed since you read it" in text_of(answer)
    assert live_version(world.project) is None
    with pytest.raises(Conflict, match="The gate changed"):
        services.make_live(
            by=world.admin, version=versions.v1, replaces=None, sign_off=True, note="x", gate_seen=worse
        )
    assert client.post(address, {**form, "gate": json.dumps(better)}).status_code == 302
    assert live_version(world.project) == versions.v1
    assert queries.standing(world.project).live == versions.v1


def test_two_admins_who_save_at_once_do_not_write_over_each_other(world: World, as_user: SignIn) -> None:
    """By API as by page: of two changes of what both read, one is a conflict."""
    client, api = as_user(world.admin), f"/api/v1/projects/{world.project.slug}/"

    def send(path: str, method: str = "patch", **body: object) -> tuple[int, str]:
        answer = getattr(client, method)(f"{api}{path}", body, content_type="application/json")
        return answer.status_code, answer.json().get("code", "")

    seen = client.get(api).json()["seen"]
    assert send("", guideline="One.", seen=seen) == (200, "")
    assert send("", description="Two.", seen=seen) == (409, "conflict")
    world.project.refresh_from_db()
    assert (world.project.guideline, world.project.description) == ("One.", "")
    assert send("", description="Two.", seen=client.get(api).json()["seen"]) == (200, "")
    assert send("", description="Says nothing of what it saw.") == (200, "")

    membership = world.project.memberships.get(user=world.viewer)
    (shown,) = (one for one in client.get(f"{api}people/").json()["results"] if one["id"] == membership.pk)
    path = f"people/{membership.pk}/"
    assert send(path, roles=["viewer", "reviewer"], seen=shown["seen"]) == (200, "")
    assert send(path, roles=["annotator"], seen=shown["seen"]) == (409, "conflict")
    membership.refresh_from_db()
    assert membership.roles == [Role.REVIEWER, Role.VIEWER]
    assert send(path, roles=["annotator"]) == (200, "")

    example = make_example(world.project, status="approved")
    seen = client.get(f"{api}examples/{example.pk}/").json()["seen"]
    type(example).objects.filter(pk=example.pk).update(revision=2)
    path = f"examples/{example.pk}/"
    assert send(f"{path}retire/", "post", reason="Old.", seen=seen) == (409, "conflict")
    assert send(f"{path}requeue/", "post", seen=seen) == (409, "conflict")
    seen = client.get(f"{api}examples/{example.pk}/").json()["seen"]
    assert send(f"{path}retire/", "post", reason="Old.", seen=seen) == (200, "")


def test_what_was_approved_after_the_preview_is_not_frozen_unseen(world: World, as_user: SignIn) -> None:
    client, api = as_user(world.admin), f"/api/v1/projects/{world.project.slug}/datasets/"
    address = reverse("datasets:dataset-new", args=[world.project.slug])
    approved = [make_example(world.project, status="approved") for _ in range(3)]
    seen = hidden(client.get(address).content.decode(), "seen")
    assert seen and client.get(f"{api}preview/").json()["seen"] == seen
    follows = client.get(f"{address}preview/?validation=5&test=5&seed=1")
    assert hidden(follows.content.decode(), "seen") == seen

    def freeze(**body: object) -> int:
        return client.post(api, body, content_type="application/json").status_code

    # Another example in the place of one: the number of rows alone would not tell.
    type(approved[0]).objects.filter(pk=approved[0].pk).update(status="retired")
    make_example(world.project, status="approved")
    form = {"validation": 10, "test": 10, "note": "Typed here.", "seen": seen}
    answer = client.post(address, form)
    page = answer.content.decode()
    assert answer.status_code == 409 and "The data to freeze changed after you loaded the page" in text_of(
        answer
    )
    assert "Typed here." in page and freeze(seen=seen) == 409
    assert not DatasetVersion.objects.filter(project=world.project).exists()
    # In a busy project examples are approved every few seconds: a person who was told once may freeze.
    assert hidden(page, "seen") == ""
    make_example(world.project, status="approved")
    assert client.post(address, {**form, "seen": ""}).status_code == 302
    # A colleague's freeze is a change as well: the second one of the same rows would be a mistake.
    seen = client.get(f"{api}preview/").json()["seen"]
    assert freeze(seen=seen) == 202 and freeze(seen=seen) == 409 and freeze() == 202


def test_a_plan_that_grew_meanwhile_is_neither_closed_nor_grown_again(world: World, as_user: SignIn) -> None:
    held_out = make_held_out(world.project, rows=6)
    campaign = make_campaign(world.project, world.admin, prompts=3, dataset=held_out)
    client, api = as_user(world.admin), f"/api/v1/projects/{world.project.slug}/campaigns/{campaign.pk}/"
    base = f"/p/{world.project.slug}/rate/campaigns/{campaign.pk}/"
    pages = {
        name: hidden(client.get(f"{base}{name}").content.decode(), "seen")
        for name in ("", "add-prompts/", "add-raters/")
    }
    seen = client.get(api).json()["seen"]
    assert set(pages.values()) == {seen}
    rate_all(campaign, world.rater, ["candidate"])
    assert client.get(api).json()["seen"] == seen, "a rating that comes in is no change of the plan"

    evaluation.add_raters(by=world.admin, campaign=campaign, ratings_per_prompt=2)
    verbs = ("close/", "close/", {}), ("add-prompts/", "prompts/", {"prompts": 1})
    for page, name, more in (*verbs, ("add-raters/", "raters/", {"ratings_per_prompt": 3})):
        answer = client.post(f"{base}{page}", {**more, "seen": seen})
        assert answer.status_code == 409, name
        assert "This campaign changed after you loaded the page" in text_of(answer), name
        answer = client.post(f"{api}{name}", {**more, "seen": seen}, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict"), name
    campaign.refresh_from_db()
    assert (campaign.status, campaign.ratings_per_prompt, campaign.plan_stages.count()) == ("open", 2, 2)

    seen = client.get(api).json()["seen"]
    assert client.post(f"{api}close/", {"seen": seen}, content_type="application/json").status_code == 200
    reopened = client.post(f"{api}reopen/", {"seen": seen}, content_type="application/json")
    assert reopened.status_code == 409, "what was read was open"
    assert client.post(f"{api}reopen/").status_code == 200
    assert client.post(f"{base}close/", {"seen": seen}).status_code == 302
