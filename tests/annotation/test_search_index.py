"""The search index stays in step: single writes at once, bulk loads afterwards, and what people write meanwhile wins."""

import threading
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from annotation import services
from annotation.models import Example, ExampleSearch, SearchBacklog
from annotation.queries.examples import find_examples
from annotation.queries.examples import not_searched_yet as waiting_in
from annotation.services import search_index
from annotation.services.search_index import (
    INDEX_EXAMPLES,
    index_backlog,
    index_now,
    index_soon,
    sweep_backlogs,
)
from annotation.text.hashes import search_text
from tests.support.factories import World, make_example

pytestmark = pytest.mark.django_db


def unindexed(world: World, count: int, **fields: Any) -> list[Example]:
    made = [make_example(world.project, **fields) for _ in range(count)]
    ExampleSearch.objects.filter(example__in=made).delete()
    return made


def not_searched_yet(project: Any) -> int:
    return waiting_in(project, {"q": "bergen"})


def project_examples(world: World) -> Any:
    return Example.objects.filter(project=world.project)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_index, "AT_ONCE", 2)
    monkeypatch.setattr(search_index, "_BATCH", 2)


def test_a_small_load_is_found_at_once(world: World) -> None:
    made = unindexed(world, 3, question="A parcel from Bergen?")
    assert index_soon(project_examples(world)) == 0
    assert set(find_examples(world.project, {"q": "bergen"})) == set(made)
    assert not SearchBacklog.objects.exists()


@pytest.mark.usefixtures("small")
def test_a_large_load_is_found_after_the_worker(
    world: World, sent: list[tuple[str, int]], django_capture_on_commit_callbacks: Any
) -> None:
    made = unindexed(world, 5, question="A parcel from Bergen?")
    make_example(world.other, question="Bergen too")
    with django_capture_on_commit_callbacks(execute=True):
        assert index_soon(project_examples(world)) == 5
    backlog = SearchBacklog.objects.get()
    assert sent == [(INDEX_EXAMPLES, backlog.pk)]
    assert not_searched_yet(world.project) == 5
    assert not_searched_yet(world.other) == 0
    assert not find_examples(world.project, {"q": "bergen"}).exists()
    # One batch at a turn: it gives the backlog back, and says how many are left.
    index_backlog(backlog.pk, seconds=0)
    assert not_searched_yet(world.project) == 3
    assert find_examples(world.project, {"q": "bergen"}).count() == 2
    assert sent == [(INDEX_EXAMPLES, backlog.pk)] * 2
    index_backlog(backlog.pk)
    assert set(find_examples(world.project, {"q": "bergen"})) == set(made)
    assert not_searched_yet(world.project) == 0
    assert not SearchBacklog.objects.exists()
    index_backlog(backlog.pk)  # a message that came twice


@pytest.mark.usefixtures("small")
def test_what_is_edited_meanwhile_wins(world: World) -> None:
    example, *_ = unindexed(world, 3, question="Old words", status="queued")
    index_soon(project_examples(world))
    services.take_next(by=world.annotator, project=world.project, purpose="annotate")
    content = {**example.content(), "completion": "Quite new words.", "slice": "", "edge": "", "tags": []}
    services.submit(by=world.annotator, example=example, content=content)
    index_backlog(SearchBacklog.objects.get().pk)
    assert find_examples(world.project, {"q": "quite new words"}).get() == example
    assert ExampleSearch.objects.filter(project=world.project).count() == 3


@pytest.mark.usefixtures("small")
def test_a_lost_worker_is_replaced_and_a_working_one_is_left_alone(
    world: World, sent: list[tuple[str, int]]
) -> None:
    unindexed(world, 3)
    index_soon(project_examples(world))
    backlog = SearchBacklog.objects.get()
    SearchBacklog.objects.update(claim=uuid.uuid4(), touched_at=timezone.now())
    sweep_backlogs()
    index_backlog(backlog.pk)
    assert not sent and not_searched_yet(world.project) == 3
    SearchBacklog.objects.update(touched_at=timezone.now() - timedelta(minutes=5))
    sweep_backlogs()
    assert sent == [(INDEX_EXAMPLES, backlog.pk)]
    index_backlog(backlog.pk)
    assert not_searched_yet(world.project) == 0


@pytest.mark.usefixtures("small")
def test_a_load_that_was_removed_leaves_no_backlog(world: World) -> None:
    unindexed(world, 3)
    index_soon(project_examples(world))
    project_examples(world).delete()
    index_backlog(SearchBacklog.objects.get().pk)
    assert not SearchBacklog.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_edit_that_is_committed_between_reading_and_storing_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker has read the old text; another connection stores the new one; the worker stores after it."""
    (example,) = unindexed(world, 1, question="Old words")
    words = search_index._words

    def edited_meanwhile(content: Any) -> Any:
        monkeypatch.setattr(search_index, "_words", words)

        def edit() -> None:
            try:
                with transaction.atomic():
                    search_index.index_example(example, {**example.content(), "completion": "New words"})
            finally:
                connection.close()

        thread = threading.Thread(target=edit)
        thread.start()
        thread.join()
        return words(content)

    monkeypatch.setattr(search_index, "_words", edited_meanwhile)
    index_now(project_examples(world))
    assert "new words" in ExampleSearch.objects.get().text


def test_every_write_of_texts_changes_what_is_found(world: World) -> None:
    written = services.write_example(
        by=world.annotator,
        project=world.project,
        content={
            "messages": [{"role": "user", "content": "Where is the blue crate?"}],
            "context": ["FD-1 | at sea"],
            "completion": "It is at sea. Your next step: none.",
            "slice": "",
            "edge": "",
            "tags": [],
        },
    )
    assert find_examples(world.project, {"q": "blue crate"}).get() == written
    lease = services.take_next(by=world.reviewer, project=world.project, purpose="review")
    assert lease is not None
    corrected = {
        **written.content(),
        "completion": "It sails. Your next step: none.",
        "slice": "",
        "edge": "",
        "tags": [],
    }
    review = services.accept(by=world.reviewer, example=written, content=corrected)
    assert not find_examples(world.project, {"q": "it is at sea"}).exists()
    assert find_examples(world.project, {"q": "it sails"}).get() == written
    services.undo(by=world.reviewer, review=review)
    assert find_examples(world.project, {"q": "it is at sea"}).get() == written
    for example in Example.objects.select_related("search"):
        assert example.search.text == search_text(**example.content())


def test_the_list_says_what_it_cannot_find_yet(world: World, as_user: Any) -> None:
    SearchBacklog.objects.create(project=world.project, after=0, last=9, left=1234)
    client, url = as_user(world.annotator), f"/p/{world.project.slug}/annotate/examples/"
    for path in (url, f"/p/{world.project.slug}/annotate/review/"):
        assert "1,234 new examples cannot be found" in client.get(path, {"q": "bergen"}).content.decode()
        assert "cannot be found" not in client.get(path).content.decode()
    SearchBacklog.objects.all().delete()
    assert "cannot be found" not in client.get(url, {"q": "bergen"}).content.decode()
