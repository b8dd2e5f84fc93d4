"""What it costs."""

from collections.abc import Callable, Iterable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from annotation.models import Example, Review
from core.lists.paging import CappedPaginator
from dataset.models import DataImport
from tests.datasets.desk import SignIn, page
from tests.support.factories import World, make_example, make_frozen

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


def _queries(client: Client, urls: Iterable[str]) -> list[int]:
    counts = []
    for url in urls:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert client.get(url).status_code == 200
        counts.append(len(captured))
    return counts


def test_no_list_asks_more_often_because_it_is_longer(
    world: World, as_user: SignIn, upload: Callable[[bytes], DataImport]
):
    slug = world.project.slug

    def fill(count: int) -> None:
        for _ in range(count):
            example = make_example(
                world.project,
                status="approved",
                created_by=world.admin,
                submitted_by=world.annotator,
                tags=["a"],
            )
            Review.objects.create(
                example=example, revision=example.revisions.get(), verdict="accepted", by=world.reviewer
            )
            upload(b'{"prompt": "a"}\n')
            make_frozen(world.project, world.admin)

    fill(3)
    example = Example.objects.earliest("pk").pk
    urls = [
        *(page(name, world.project, {}) for name in ("examples", "imports", "datasets", "dataset-new")),
        page("example", world.project, {"example": example}),
        *(
            page(name, world.project, {"dataset": 3})
            for name in ("dataset", "dataset-rows", "dataset-withheld")
        ),
        *(
            f"/api/v1/projects/{slug}/{path}"
            for path in ("examples/", "imports/", "datasets/", "datasets/3/rows/")
        ),
    ]
    client = as_user(world.admin)
    _queries(client, urls)  # the people behind a dataset are counted once and remembered
    before = _queries(client, urls)
    fill(6)
    assert _queries(client, urls) == before
    assert max(before) <= 17


def test_a_long_list_is_neither_counted_nor_paged_to_its_end(world: World, monkeypatch: pytest.MonkeyPatch):
    for _ in range(7):
        make_example(world.project)
    monkeypatch.setattr(CappedPaginator, "CAP", 5)
    pages = CappedPaginator(Example.objects.filter(project=world.project).order_by("-pk"), 2)
    assert (pages.count, pages.num_pages, pages.is_capped) == (5, 3, True)
    with CaptureQueriesContext(connection) as captured:
        CappedPaginator(Example.objects.order_by("-pk"), 2).count  # noqa: B018
    assert "LIMIT 6" in captured[0]["sql"]
    monkeypatch.setattr(CappedPaginator, "CAP", 7)
    assert not CappedPaginator(Example.objects.order_by("-pk"), 2).is_capped
