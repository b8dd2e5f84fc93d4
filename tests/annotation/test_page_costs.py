"""Queries."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.models import Draft, Review
from tests.annotation.pages import SignIn, in_review, leased, url
from tests.support.factories import World, make_example

pytestmark = pytest.mark.django_db


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
