"""Reviewing."""

import re

import pytest

from annotation import services
from annotation.models import Example, Review
from tests.annotation.pages import (
    SignIn,
    in_review,
    leased,
    posted,
    url,
)
from tests.support.factories import World, make_example

pytestmark = pytest.mark.django_db


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
