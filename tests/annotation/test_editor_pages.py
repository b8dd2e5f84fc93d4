"""The pages of the queue and of reviews: who may, what they show, what they do, how many queries they make."""

import json
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from annotation import services
from annotation.models import Draft, Example, Lease, Review
from core.models import Role, User
from tests.support.factories import World, join, make_example, make_user
from tests.support.reading import text_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User | None], Client]
ANNOTATE, REVIEW = Lease.Purpose.ANNOTATE, Lease.Purpose.REVIEW
READERS = {Role.ANNOTATOR, Role.REVIEWER, Role.ADMIN, Role.VIEWER}
ANNOTATORS, REVIEWERS = {Role.ANNOTATOR}, {Role.REVIEWER}

# name: (roles that may GET, roles that may POST, takes an id)
PAGES: dict[str, tuple[set[str], set[str], bool]] = {
    "overview": (READERS, set(), False),
    "next": (set(), ANNOTATORS, False),
    "checks": (set(), ANNOTATORS | REVIEWERS, False),
    "item": (ANNOTATORS, set(), True),
    "take": (set(), ANNOTATORS, True),
    "heartbeat": (set(), ANNOTATORS, True),
    "draft": (ANNOTATORS, ANNOTATORS, True),
    "draft-discard": (set(), ANNOTATORS, True),
    "submit": (set(), ANNOTATORS, True),
    "skip": (set(), ANNOTATORS, True),
    "skip-undo": (set(), ANNOTATORS, True),
    "release": (set(), ANNOTATORS, True),
    "take-back": (set(), ANNOTATORS, True),
    "write": (ANNOTATORS, ANNOTATORS, False),
    "write-draft": (ANNOTATORS, ANNOTATORS, False),
    "write-discard": (set(), ANNOTATORS, False),
    "review-list": (READERS, set(), False),
    "review-next": (set(), REVIEWERS, False),
    "accept-selected": (set(), REVIEWERS, False),
    "send-back-selected": (set(), REVIEWERS, False),
    "review": (REVIEWERS, set(), True),
    "review-take": (set(), REVIEWERS, True),
    "review-heartbeat": (set(), REVIEWERS, True),
    "review-draft": (REVIEWERS, REVIEWERS, True),
    "accept": (set(), REVIEWERS, True),
    "send-back": (set(), REVIEWERS, True),
    "correct": (REVIEWERS, REVIEWERS, True),
    "review-skip": (set(), REVIEWERS, True),
    "review-skip-undo": (set(), REVIEWERS, True),
    "review-release": (set(), REVIEWERS, True),
    "review-undo": (set(), REVIEWERS, True),
}


def url(world: World, name: str, pk: int | None = None) -> str:
    return reverse(f"annotation:{name}", args=[world.project.slug, *([pk] if pk is not None else [])])


def posted(example: Example, completion: str = "A new answer, written by hand.", **more: str) -> dict:
    return {
        "role": [m["role"] for m in example.messages],
        "message": [m["content"] for m in example.messages],
        "record": example.context,
        "completion": completion,
        "slice": example.slice,
        "edge": example.edge,
        "tags": "eta, delay",
        "base_revision": str(example.revision),
        "example": str(example.pk),
        **more,
    }


def leased(world: World, **fields: object) -> Example:
    make_example(world.project, **fields)
    return services.take_next(by=world.annotator, project=world.project, purpose=ANNOTATE).example


def in_review(world: World, **fields: object) -> Example:
    make_example(
        world.project, status="in_review", submitted_by=world.annotator, submitted_at=timezone.now(), **fields
    )
    return services.take_next(by=world.reviewer, project=world.project, purpose=REVIEW).example


# --- who may -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", PAGES)
def test_every_page_as_everybody(world: World, as_user: SignIn, name: str) -> None:
    may_get, may_post, with_id = PAGES[name]
    pk = make_example(world.project).pk if with_id else None
    where = url(world, name, pk)
    for role, person in {**world.people(), "nobody": None}.items():
        client = as_user(person)
        for method, may in (("get", may_get), ("post", may_post)):
            status = getattr(client, method)(where).status_code
            if role == "nobody":
                assert status == 302, (role, method)
            elif role in ("neighbour", "stranger", "operator"):
                assert status == 404, (role, method)
            elif role not in may_get | may_post:
                assert status == 403, (role, method)
            elif not may:
                assert status == 405, (role, method)
            else:
                assert status not in (403, 405, 500), (role, method, status)


@pytest.mark.parametrize("name", [name for name, (*_, with_id) in PAGES.items() if with_id])
def test_ids_of_other_projects_and_nonsense_find_nothing(world: World, as_user: SignIn, name: str) -> None:
    everything = make_user()
    join(world.project, everything, Role.ANNOTATOR, Role.REVIEWER)
    client = as_user(everything)
    elsewhere = make_example(world.other).pk
    method = client.post if PAGES[name][1] else client.get
    for pk in (elsewhere, 0, 2**62):
        assert method(url(world, name, pk)).status_code == 404


def test_no_page_changes_anything_without_a_csrf_token(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.annotator, backend="django.contrib.auth.backends.ModelBackend")
    make_example(world.project)
    assert client.post(url(world, "next")).status_code == 403
    assert not Lease.objects.exists()


# --- annotating --------------------------------------------------------------------------------------------
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


# --- writing -----------------------------------------------------------------------------------------------
def test_writing_a_new_example_keeps_its_draft_until_it_is_submitted(world: World, as_user: SignIn) -> None:
    client = as_user(world.annotator)
    pair = {
        "role": ["user"],
        "message": ["Do you ship pianos?"],
        "completion": "Yes, in a crate.",
        "group": "conv-9",
    }
    client.post(url(world, "write-draft"), pair)
    page = client.get(url(world, "write")).content.decode()
    assert "Do you ship pianos?" in page and "conv-9" in page and "your draft of" in page
    assert client.post(url(world, "write"), {**pair, "completion": ""}).status_code == 422
    assert client.post(url(world, "write"), pair).url == url(world, "overview")
    example = Example.objects.get()
    assert (example.group, example.status, example.submitted_by) == ("conv-9", "in_review", world.annotator)
    assert "Do you ship pianos?" not in client.get(url(world, "write")).content.decode()


# --- reviewing ---------------------------------------------------------------------------------------------
def test_a_reviewer_sees_what_changed_and_accepts(world: World, as_user: SignIn) -> None:
    example = leased(world, completion="It is in Rotterdam.", context=["GHLU 204418-7"])
    services.submit(
        by=world.annotator, example=example,
        content={**example.content(), "completion": "It is in Antwerp.", "slice": "", "edge": "", "tags": []},
    )  # fmt: skip
    client = as_user(world.reviewer)
    where = client.post(url(world, "review-next")).url
    page = client.get(where).content.decode()
    assert "<del>Rotterdam</del>" in page and "<ins>Antwerp</ins>" in page
    assert page.count(">unchanged<") == 2  # conversation and records
    answer = client.post(url(world, "accept", example.pk), {"base_revision": "2"}, follow=True)
    page = answer.content.decode()
    assert "There is nothing for you to review" in page and "Undo" in page
    review = Review.objects.get()
    assert client.post(url(world, "review-undo", review.pk)).url == url(world, "review", example.pk)
    example.refresh_from_db()
    assert example.status == "in_review"


def test_sending_back_without_a_comment_says_so_and_keeps_the_page(world: World, as_user: SignIn) -> None:
    example = in_review(world)
    client = as_user(world.reviewer)
    answer = client.post(url(world, "send-back", example.pk), {"comment": " "})
    assert answer.status_code == 422 and "Say what would be right." in answer.content.decode()
    assert client.post(url(world, "send-back", example.pk), {"comment": "Name the port."}).status_code == 302
    assert Review.objects.get().comment == "Name the port."


def test_a_comment_being_written_is_kept(world: World, as_user: SignIn) -> None:
    example = in_review(world)
    client = as_user(world.reviewer)
    client.post(url(world, "review-draft", example.pk), {"comment": "Name the po"})
    page = client.get(url(world, "review", example.pk)).content.decode()
    assert "Name the po" in page and "started to correct" not in page


def test_correcting_keeps_the_draft_and_accepts_the_correction(world: World, as_user: SignIn) -> None:
    example = in_review(world)
    client = as_user(world.reviewer)
    client.post(url(world, "review-draft", example.pk), posted(example, "Corrected hal"))
    assert "started to correct" in client.get(url(world, "review", example.pk)).content.decode()
    assert "Corrected hal" in client.get(url(world, "correct", example.pk)).content.decode()
    assert client.post(url(world, "correct", example.pk), posted(example, "")).status_code == 422
    client.post(url(world, "correct", example.pk), posted(example, "Corrected wholly."))
    example.refresh_from_db()
    assert (example.status, example.completion) == ("approved", "Corrected wholly.")


def test_why_a_pair_was_submitted_against_a_check_is_shown_to_the_reviewer(
    world: World, as_user: SignIn
) -> None:
    example = leased(world)
    as_user(world.annotator).post(
        url(world, "submit", example.pk), posted(example, "FD-99999 comes.", reason="Told by phone.")
    )
    client = as_user(world.reviewer)
    assert "Told by phone." in client.get(client.post(url(world, "review-next")).url).content.decode()


def test_accepting_selected_pairs(world: World, as_user: SignIn) -> None:
    examples = [make_example(world.project, status="in_review") for _ in range(3)]
    client = as_user(world.reviewer)
    ticked = [f"{e.pk}:1" for e in examples[:2]]
    Example.objects.filter(pk=examples[2].pk).update(revision=2)  # as after a take-back and another submit
    page = client.post(
        url(world, "accept-selected"),
        {"example": [*ticked, f"{examples[2].pk}:1", "nonsense", "1:x"]},
        follow=True,
    ).content.decode()
    assert "2 accepted." in page
    assert f"#{examples[2].pk} changed after you loaded the list." in page
    approved = Example.objects.filter(status="approved").order_by("pk")
    assert list(approved.values_list("pk", flat=True)) == [e.pk for e in examples[:2]]
    assert "Nothing was selected" in client.post(url(world, "accept-selected"), follow=True).content.decode()
    # One undo for all of it, found on the page.
    (undo,) = re.findall(r'action="([^"]+/decisions/[^"]+/undo/)"', page)
    assert "2 back in review." in client.post(undo, follow=True).content.decode()
    assert not approved.exists()


def test_sending_selected_pairs_back_asks_for_a_comment_and_keeps_the_selection(
    world: World, as_user: SignIn
) -> None:
    examples = [make_example(world.project, status="in_review") for _ in range(3)]
    client = as_user(world.reviewer)
    chosen = [f"{e.pk}:1" for e in examples[:2]]
    answer = client.post(url(world, "send-back-selected"), {"example": chosen, "comment": "  "})
    page = answer.content.decode()
    assert answer.status_code == 422 and "Say what would be right." in page
    assert [f'value="{e.pk}:1"' in page for e in examples] == [True] * 3
    assert page.count(" checked") == 2
    page = client.post(
        f"{url(world, 'send-back-selected')}?slice=shipment+status",
        {"example": chosen, "comment": "Why?"},
        follow=True,
    ).content.decode()
    assert "2 sent back." in page
    assert 'value="shipment status" selected' in page
    assert Example.objects.filter(status="returned").count() == 2


def test_the_review_list_shows_the_answer_and_what_changed(world: World, as_user: SignIn) -> None:
    example = leased(world, completion="It comes on Monday, we think.")
    services.submit(
        by=world.annotator, example=example, base_revision=1,
        content={**example.content(), "completion": "It comes on Friday, we think.", "slice": "eta", "tags": ["day"]},
    )  # fmt: skip
    make_example(world.project, completion="Written as a whole.", status="in_review")
    page = as_user(world.reviewer).get(url(world, "review-list")).content.decode()
    assert "<del>Monday</del><ins>Friday</ins>, we think." in page
    assert "Marked: what changed since the first revision." in page
    assert "Also changed: slice, tags." in page
    assert "Written as a whole." in page


def test_the_review_list_filters_and_never_fails_on_nonsense(world: World, as_user: SignIn) -> None:
    make_example(world.project, "The piano one", status="in_review", edge="off_topic", slice="pianos")
    make_example(world.project, "The other one", status="in_review")
    client = as_user(world.viewer)
    for query, sees, hides in (
        ("q=piano", "The piano one", "The other one"),
        ("edge=any", "The piano one", "The other one"),
        ("slice=pianos", "The piano one", "The other one"),
        ("slice=shipment+status", "The other one", "The piano one"),
        ("q=zzzz", "Nothing matches", "The other one"),
    ):
        page = client.get(f"{url(world, 'review-list')}?{query}").content.decode()
        assert sees in page and hides not in page
    for query in ("page=-4", "page=x", "q=%23" + "9" * 40):
        assert client.get(f"{url(world, 'review-list')}?{query}").status_code == 200
    for query in ("edge=%00", "slice=none", "q=%00", "sort=new"):
        page = client.get(f"{url(world, 'review-list')}?{query}")
        assert (page.status_code, "Nothing to list" in page.content.decode()) == (422, True)
        assert client.get(f"/api/v1/projects/{world.project.slug}/reviews/?{query}").status_code == 422


def test_a_viewer_is_offered_nothing_to_press(world: World, as_user: SignIn) -> None:
    make_example(world.project), make_example(world.project, status="in_review")
    client = as_user(world.viewer)
    for name in ("overview", "review-list"):
        main = client.get(url(world, name)).content.decode().partition("<main")[2].partition("</main>")[0]
        assert 'method="post"' not in main


# --- queries -----------------------------------------------------------------------------------------------
def _queries(client: Client, where: str) -> int:
    client.get(where)  # what is read once for a session is not counted
    with CaptureQueriesContext(
        connection,
    ) as seen:
        assert client.get(where).status_code == 200
    return len(seen)


def _fill(world: World, count: int) -> None:
    for n in range(count):
        make_example(world.project, edge="off_topic", slice=f"slice {n}", tags=[f"tag {n}"])
        make_example(
            world.project, status="in_review", submitted_by=world.annotator, submitted_at=timezone.now()
        )
        example = make_example(
            world.project, status="returned", submitted_by=world.annotator, submitted_at=timezone.now()
        )
        Review.objects.create(
            example=example,
            revision=example.revisions.get(),
            verdict="returned",
            comment="No.",
            by=world.reviewer,
        )
        Draft.objects.create(project=world.project, example=example, user=world.annotator, content={})


@pytest.mark.parametrize(
    ("who", "name"),
    [("annotator", "overview"), ("reviewer", "overview"), ("viewer", "overview"), ("reviewer", "review-list"), ("annotator", "write")],
)  # fmt: skip
def test_queries_do_not_grow_with_the_queue(world: World, as_user: SignIn, who: str, name: str) -> None:
    client = as_user(getattr(world, who))
    _fill(world, 2)
    few = _queries(client, url(world, name))
    _fill(world, 12)
    assert _queries(client, url(world, name)) == few <= 20


def test_queries_of_the_editor_and_of_a_review_do_not_grow(world: World, as_user: SignIn) -> None:
    item, pair = leased(world), in_review(world)
    annotator, reviewer = as_user(world.annotator), as_user(world.reviewer)
    pages = [(annotator, url(world, "item", item.pk)), (reviewer, url(world, "review", pair.pk))]
    _fill(world, 1)
    few = [_queries(*page) for page in pages]
    _fill(world, 10)
    assert [_queries(*page) for page in pages] == few
    assert max(few) <= 25, few


# --- skipping, and what is told on the way -----------------------------------------------------------------
@pytest.mark.parametrize(("purpose", "name"), [(ANNOTATE, "skip"), (REVIEW, "review-skip")])
def test_a_skip_is_said_listed_and_undone(world: World, as_user: SignIn, purpose: str, name: str) -> None:
    if purpose == ANNOTATE:
        example, client = leased(world), as_user(world.annotator)
        make_example(world.project)
    else:
        example, client = in_review(world), as_user(world.reviewer)
        make_example(
            world.project, status="in_review", submitted_by=world.annotator, submitted_at=timezone.now()
        )
    page = text_of(client.post(url(world, name, example.pk), {"reason": "  No\n record. "}, follow=True))
    assert f"#{example.pk} skipped." in page
    assert Lease.objects.get(outcome="skipped").note == "No record."
    overview = text_of(client.get(url(world, "overview")))
    assert "You skipped" in overview and "“No record.”" in overview
    answer = client.post(url(world, f"{name}-undo", example.pk))
    assert answer.url == url(world, "item" if purpose == ANNOTATE else "review", example.pk)
    assert not Lease.objects.filter(outcome="skipped").exists()
    assert Lease.objects.get(outcome="open").example_id == example.pk
    assert "You skipped" not in text_of(client.get(url(world, "overview")))
    # It is undone: a second press finds nothing to undo and changes nothing.
    again = client.post(url(world, f"{name}-undo", example.pk))
    assert again.status_code == 409
    assert Lease.objects.filter(outcome="open").count() == 1


def test_what_one_has_open_oneself_is_not_open_with_colleagues(world: World, as_user: SignIn) -> None:
    leased(world)
    make_example(world.project)
    client = as_user(world.annotator)
    page = client.get(url(world, "overview"))
    assert page.context["waiting"].held_by_others == 0
    assert page.context["waiting"].to_annotate == 1
    assert "with colleagues" not in text_of(page)
    colleague = make_user("Ines Ferro")
    join(world.project, colleague, Role.ANNOTATOR)
    services.take_next(by=colleague, project=world.project, purpose=ANNOTATE)
    assert "1 more is open with colleagues" in text_of(client.get(url(world, "overview")))


def test_the_model_s_answer_stands_beside_the_expert_s_text(world: World, as_user: SignIn) -> None:
    detail = {"label": "An answer corrected while rating", "answer": "We apologize for any inconvenience."}
    example = leased(world, origin="rating", origin_detail=detail)
    page = text_of(as_user(world.annotator).get(url(world, "item", example.pk)))
    assert "Model answer that was corrected We apologize for any inconvenience." in page
    other = in_review(world)
    assert "Model’s answer" not in text_of(as_user(world.reviewer).get(url(world, "review", other.pk)))
