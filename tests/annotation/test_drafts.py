"""Drafts may be in any state; refusals keep them; nothing of one person goes to another."""

import json
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from annotation import services
from annotation.models import Draft, Example, Lease
from core.errors import Conflict
from tests.support.factories import World, make_example

pytestmark = pytest.mark.django_db


def _api(world: World, name: str, pk: int, **data: object):
    client = Client()
    client.force_login(world.annotator)
    where = f"/api/v1/projects/{world.project.slug}/queue/{pk}/{name}/"
    method = client.put if name == "draft" else client.post
    return method(where, json.dumps(data), content_type="application/json")


@pytest.fixture
def item(world: World) -> Example:
    example = make_example(world.project)
    services.take(by=world.annotator, example=example, purpose=Lease.Purpose.ANNOTATE)
    return example


@pytest.mark.parametrize(
    "words",
    [
        {"messages": [{"role": "user", "content": ""}], "completion": "half"},
        {"messages": [{"role": "user", "content": "q"}], "completion": "x", "tags": [""]},
        {"completion": "half a "},
        {"context": [""], "slice": "s" * 500, "tags": ["t" * 100] * 3},
        {"completion": "x" * 30_000},
    ],
)
def test_a_draft_may_be_in_any_state(world: World, item: Example, words: dict) -> None:
    answer = _api(world, "draft", item.pk, **words)
    assert answer.status_code == 200, answer.content
    assert Draft.objects.get().content["completion"] == words.get("completion", "")


def test_a_refused_submit_of_a_program_keeps_the_words_with_their_revision(
    world: World, item: Example
) -> None:
    words = {
        "messages": [{"role": "user", "content": "q"}],
        "completion": "",
        "tags": [""],
        "base_revision": 7,
    }
    assert _api(world, "submit", item.pk, **words).status_code in (409, 422)
    assert Draft.objects.get().base_revision == 7


def test_a_form_that_picks_its_part_of_an_answer_still_shows_a_refusal(world: World, item: Example) -> None:
    services.submit(by=world.annotator, example=item, content={**item.content(), "completion": "Fine."})
    client = Client()
    client.force_login(world.annotator)
    url = reverse("annotation:submit", args=[world.project.slug, item.pk])
    answer = client.post(
        url, {"role": "user", "message": "q", "completion": "Again."}, headers={"HX-Request": "true"}
    )
    assert answer.status_code == 409
    assert answer["HX-Retarget"] == "#toasts"
    assert answer["HX-Reselect"] == "unset"
    assert b"gh-toast" in answer.content


def test_what_is_sent_from_one_persons_page_is_not_taken_from_another(world: World, item: Example) -> None:
    client = Client()
    client.force_login(world.annotator)
    url = reverse("annotation:draft", args=[world.project.slug, item.pk])
    page_of = {"X-Page-User": str(world.reviewer.pk), "Accept": "application/json"}
    answer = client.post(url, {"completion": "Not theirs."}, headers=page_of)
    assert (answer.status_code, answer.json()["code"]) == (409, "other_person")
    assert not Draft.objects.exists()
    page_of["X-Page-User"] = str(world.annotator.pk)
    assert client.post(url, {"completion": "Mine."}, headers=page_of).status_code == 200


def test_the_browser_can_ask_who_is_signed_in(world: World) -> None:
    client = Client()
    assert client.get("/session/").json() == {"user": "", "name": "", "csrf": ""}
    client.force_login(world.rater)
    told = client.get("/session/").json()
    assert (told["user"], told["name"]) == (str(world.rater.pk), world.rater.name)
    assert told["csrf"]


def test_an_open_page_learns_that_its_item_was_submitted(world: World, item: Example) -> None:
    client = Client()
    client.force_login(world.annotator)
    url = reverse("annotation:draft", args=[world.project.slug, item.pk])
    assert client.get(url).json()["held"] is True
    services.submit(by=world.annotator, example=item, content={**item.content(), "completion": "Fine."})
    item.refresh_from_db()
    state = client.get(url).json()
    assert (state["editable"], state["can_open"]) == (False, False)
    assert state["detail"] == f"You submitted #{item.pk}. It is in review now."
    with pytest.raises(Conflict, match="You submitted"):
        services.save_draft(by=world.annotator, example=item, content={"completion": "Late"})


def test_no_script_uses_the_browsers_storage_by_itself() -> None:
    scripts = Path(settings.BASE_DIR) / "static" / "js"
    names = ("localStorage", "sessionStorage", "indexedDB", "document.cookie")
    users = {file.name for file in scripts.glob("*.js") if any(name in file.read_text() for name in names)}
    assert users == {"lib.js"}
