"""Annotating."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from annotation import services
from annotation.models import Draft, Example, Lease
from core.models import Role
from tests.annotation.pages import (
    ANNOTATE,
    SignIn,
    in_review,
    leased,
    posted,
    url,
)
from tests.support.factories import World, join, make_example, make_user
from tests.support.reading import text_of

pytestmark = pytest.mark.django_db


def test_from_the_overview_to_the_next_item(world: World, as_user: SignIn) -> None:
    first, second = make_example(world.project, edge="off_topic"), make_example(world.project)
    client = as_user(world.annotator)
    page = client.get(url(world, "overview"))
    assert "2 examples in the queue for you" in text_of(page)
    answer = client.post(url(world, "next"))
    assert answer.url == url(world, "item", first.pk)
    page = client.get(answer.url).content.decode()
    assert "Reserved for you until" in page and first.question in page and "1 more in the queue" in page
    answer = client.post(url(world, "submit", first.pk), posted(first), headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == url(world, "item", second.pk)
    first.refresh_from_db()
    assert (first.status, first.tags) == ("in_review", ["eta", "delay"])
    assert f"#{first.pk} submitted." in text_of(client.get(url(world, "item", second.pk)))
    answer = client.post(url(world, "submit", second.pk), posted(second), follow=True)
    assert "The queue is empty for you" in answer.content.decode()


def test_a_chosen_part_of_the_queue_is_worked_through_to_its_end(world: World, as_user: SignIn) -> None:
    make_example(world.project)
    a, b = (make_example(world.project, slice="customs", edge="off_topic") for _ in "ab")
    client = as_user(world.annotator)
    assert client.post(url(world, "next"), {"slice": "customs"}).url == url(world, "item", a.pk)
    assert client.post(url(world, "submit", a.pk), posted(a)).url == url(world, "item", b.pk)
    answer = client.post(url(world, "submit", b.pk), posted(b), follow=True)
    assert "part of the queue is done" in answer.content.decode()


def test_a_draft_is_kept_said_and_restored(world: World, as_user: SignIn) -> None:
    example = leased(world)
    client = as_user(world.annotator)
    answer = client.post(url(world, "draft", example.pk), posted(example, "Half an answ"))
    assert answer.json()["until"] and answer.json()["saved_at"]
    page = client.get(url(world, "item", example.pk)).content.decode()
    assert "Half an answ" in page and "This is your draft of" in page
    client.post(url(world, "draft-discard", example.pk))
    page = client.get(url(world, "item", example.pk)).content.decode()
    assert "Half an answ" not in page and "This is your draft of" not in page


def test_a_draft_after_the_lease_was_lost_is_kept_and_the_page_says_what_to_do(
    world: World, as_user: SignIn
) -> None:
    example = leased(world)
    colleague = make_user("Ines Ferro")
    join(world.project, colleague, Role.ANNOTATOR)
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    services.take_next(by=colleague, project=world.project, purpose=ANNOTATE)
    client = as_user(world.annotator)
    answer = client.post(url(world, "draft", example.pk), posted(example, "Typed too late"))
    assert (answer.status_code, answer.json()["until"]) == (200, None)
    beat = client.post(url(world, "heartbeat", example.pk), headers={"Accept": "application/json"})
    assert beat.status_code == 409
    assert (
        "Ines Ferro has it open" in beat.json()["detail"] and "saved as your draft" in beat.json()["advice"]
    )
    answer = client.post(
        url(world, "submit", example.pk),
        posted(example, "Typed too late, and sent"),
        headers={"HX-Request": "true"},
    )
    assert answer.status_code == 409 and answer["HX-Retarget"] == "#main"
    page = answer.content.decode()
    assert "Ines Ferro has it open" in page and "Typed too late, and sent" in page
    assert Draft.objects.get(user=world.annotator).content["completion"] == "Typed too late, and sent"
    assert "Typed too late, and sent" in client.get(url(world, "item", example.pk)).content.decode()


def test_a_lease_that_ran_out_can_be_opened_again(world: World, as_user: SignIn) -> None:
    example = leased(world)
    services.save_draft(by=world.annotator, example=example, content={"completion": "Begun"})
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    client = as_user(world.annotator)
    assert "Open it again" in client.get(url(world, "item", example.pk)).content.decode()
    assert client.post(url(world, "take", example.pk)).url == url(world, "item", example.pk)
    assert "Begun" in client.get(url(world, "item", example.pk)).content.decode()


def test_an_incomplete_pair_comes_back_with_what_is_wrong_and_every_word(
    world: World, as_user: SignIn
) -> None:
    example = leased(world)
    answer = as_user(world.annotator).post(
        url(world, "submit", example.pk), posted(example, "", record="A record I just added")
    )
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Write the completion." in page and "A record I just added" in page
    assert Draft.objects.get().content["context"] == ["A record I just added"]


def test_an_objection_asks_for_a_reason_in_the_page(world: World, as_user: SignIn) -> None:
    example = leased(world)
    client = as_user(world.annotator)
    answer = client.post(url(world, "submit", example.pk), posted(example, "FD-99999 comes on 3 May."))
    assert answer.status_code == 422
    assert 'name="reason"' in answer.content.decode() and "FD-99999" in answer.content.decode()
    client.post(
        url(world, "submit", example.pk), posted(example, "FD-99999 comes on 3 May.", reason="By phone.")
    )
    example.refresh_from_db()
    assert example.status == "in_review"


def test_a_reason_being_written_is_kept(world: World, as_user: SignIn) -> None:
    example = leased(world)
    client = as_user(world.annotator)
    typed = posted(example, "FD-99999 comes on 3 May.", reason="By phone, say")
    assert client.post(url(world, "draft", example.pk), typed).status_code in {200, 204}
    assert Draft.objects.get().content["reason"] == "By phone, say"
    page = client.get(url(world, "item", example.pk)).content.decode()
    assert 'value="By phone, say"' in page and "Check failed" not in page
    assert client.post(url(world, "draft", example.pk), posted(example, "Ready.")).status_code in {200, 204}
    assert "reason" not in Draft.objects.get().content
    assert (
        'name="reason" maxlength="300" value'
        not in client.get(url(world, "item", example.pk)).content.decode()
    )


def test_skipping_gives_the_next_and_stopping_gives_the_item_back(world: World, as_user: SignIn) -> None:
    example = leased(world)
    other = make_example(world.project)
    client = as_user(world.annotator)
    assert client.post(url(world, "skip", example.pk)).url == url(world, "item", other.pk)
    assert client.post(url(world, "release", other.pk)).url == url(world, "overview")
    assert not Lease.objects.filter(outcome="open").exists()


def test_taking_a_submission_back_from_the_page(world: World, as_user: SignIn) -> None:
    example = leased(world)
    client = as_user(world.annotator)
    client.post(url(world, "submit", example.pk), posted(example))
    assert "Undo submit" in client.get(url(world, "overview")).content.decode()
    assert client.post(url(world, "take-back", example.pk)).url == url(world, "item", example.pk)
    example.refresh_from_db()
    assert example.status == "queued"


def test_what_came_back_shows_the_comment_and_what_changed_since(world: World, as_user: SignIn) -> None:
    example = in_review(world, completion="The first words.")
    services.send_back(by=world.reviewer, example=example, comment="Name **the port**.")
    client = as_user(world.annotator)
    page = client.get(client.post(url(world, "next")).url).content.decode()
    assert "<strong>the port</strong>" in page and "You have not edited this yet" in page
    client.post(url(world, "draft", example.pk), posted(example, "The second words."))
    page = client.get(url(world, "item", example.pk)).content.decode()
    assert "<del>first</del>" in page and "<ins>second</ins>" in page


def test_after_a_refused_submit_what_changed_names_tags_whole(world: World, as_user: SignIn) -> None:
    example = in_review(world)
    services.send_back(by=world.reviewer, example=example, comment="Name the port.")
    client = as_user(world.annotator)
    client.post(url(world, "next"))
    answer = client.post(url(world, "submit", example.pk), posted(example, completion="", tags="origin"))
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "<ins>origin</ins>" in page and "o, r, i" not in page


def test_the_checks_follow_the_typing(world: World, as_user: SignIn) -> None:
    example = leased(world, context=["FD-41007 | ETA 2026-11-25"])
    answer = as_user(world.annotator).post(
        url(world, "checks"), posted(example, "FD-41007 comes on 25 November, FD-9999 later.")
    )
    page = answer.content.decode()
    assert "FD-9999 is not in the records" in page and "What you changed" in page
    words = json.loads(answer.context["live"].words)
    assert words["completion-ok"] == ["FD-41007", "25 November"]
    assert words["context-ok"] == ["FD-41007", "2026-11-25"]
    assert words["completion-bad"] == ["FD-9999"]


@pytest.mark.parametrize("name", ["submit", "write"])
def test_what_was_typed_outlives_a_failure_that_nobody_foresaw(
    world: World, as_user: SignIn, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def broken(*args: object, **kwargs: object) -> str:
        raise RuntimeError("a fault")

    example = leased(world)
    monkeypatch.setattr("annotation.services.examples.reason_for_bad", broken)
    monkeypatch.setattr("annotation.services.annotating.reason_for_bad", broken)
    client = as_user(world.annotator)
    address = url(world, "submit", example.pk) if name == "submit" else url(world, "write")
    with pytest.raises(RuntimeError, match="a fault"):
        client.post(address, posted(example, "Many careful words."))
    draft = Draft.objects.get(user=world.annotator, example=example if name == "submit" else None)
    assert draft.content["completion"] == "Many careful words."


@pytest.mark.parametrize("poison", ["9" * 10_000, "1 " * 9_000, "[" * 15_000])
def test_no_text_stops_the_editor_or_the_review(world: World, as_user: SignIn, poison: str) -> None:
    example = leased(world, context=[poison])
    client = as_user(world.annotator)
    assert client.post(url(world, "checks"), posted(example, poison)).status_code == 200
    assert client.get(url(world, "item", example.pk)).status_code == 200
    answer = client.post(url(world, "submit", example.pk), {**posted(example, poison), "reason": "as it is"})
    assert answer.status_code in (200, 302)
    services.take(by=world.reviewer, example=Example.objects.get(pk=example.pk), purpose="review")
    assert as_user(world.reviewer).get(url(world, "review", example.pk)).status_code == 200


def test_nothing_typed_is_ever_markup(world: World, as_user: SignIn) -> None:
    evil = '</textarea><script>alert(1)</script>"><img src=x onerror=alert(1)>'
    example = leased(
        world, question=evil, completion=evil, context=[evil], slice=evil[:100], tags=[evil[:30]]
    )
    client = as_user(world.annotator)
    for page in (
        client.get(url(world, "item", example.pk)),
        client.get(url(world, "overview")),
        client.post(url(world, "checks"), posted(example, evil)),
        client.post(url(world, "submit", example.pk), posted(example, "", slice=evil[:100])),
    ):
        assert b"<script>alert" not in page.content and b"<img src=x" not in page.content


def test_an_item_that_is_not_ones_own_leads_to_the_examples_page(world: World, as_user: SignIn) -> None:
    example = make_example(world.project)
    assert as_user(world.annotator).get(url(world, "item", example.pk)).url == url(
        world, "example", example.pk
    )
