"""Skipping, and what is told on the way."""

import pytest
from django.utils import timezone

from annotation import services
from annotation.models import Lease
from core.models import Role
from tests.annotation.pages import ANNOTATE, REVIEW, SignIn, in_review, leased, url
from tests.support.factories import World, join, make_example, make_user
from tests.support.reading import text_of

pytestmark = pytest.mark.django_db


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
