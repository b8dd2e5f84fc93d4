"""Many people at one queue, in real threads on real PostgreSQL: nobody gets what a colleague has, nothing is lost."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection
from django.utils import timezone

from annotation import services
from annotation.models import Draft, Example, Lease, Review, Revision
from annotation.services.expiry import expire_leases
from core.errors import Conflict, ExpectedError
from core.models import AuditEntry, Project, Role, User
from tests.support.factories import join, make_example, make_project, make_user

pytestmark = pytest.mark.django_db(transaction=True)
ANNOTATE, REVIEW = Lease.Purpose.ANNOTATE, Lease.Purpose.REVIEW


def content(example: Example, completion: str = "A new answer, written by hand.") -> dict:
    return {
        "messages": example.messages,
        "context": example.context,
        "completion": completion,
        "slice": example.slice,
        "edge": example.edge,
        "tags": [],
    }


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Runs the calls in threads that start together; an expected error is given back as the result."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        try:
            start.wait(timeout=20)
            return call()
        except ExpectedError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(timeout=60) for future in [pool.submit(run, call) for call in calls]]


def team(project: Project, role: str, size: int) -> list[User]:
    people = [make_user() for _ in range(size)]
    for person in people:
        join(project, person, role)
    return people


def test_eight_threads_on_one_queue_get_every_item_once():
    project = make_project()
    examples = [make_example(project) for _ in range(40)]
    people = team(project, Role.ANNOTATOR, 8)
    got: list[tuple[int, int]] = []

    def work(person: User) -> None:
        while lease := services.take_next(by=person, project=project, purpose=ANNOTATE):
            got.append((lease.example_id, person.pk))
            services.submit(by=person, example=lease.example, content=content(lease.example))

    at_once(*[partial(work, person) for person in people])
    assert Counter(pk for pk, _ in got) == Counter(example.pk for example in examples)
    assert Example.objects.filter(status=Example.Status.IN_REVIEW).count() == 40
    assert Lease.objects.filter(outcome="open").count() == 0
    assert dict(Revision.objects.filter(number=2).values_list("example", "by")) == dict(got)
    assert AuditEntry.objects.filter(action="example.submitted").count() == 40


def test_eight_people_and_five_items_leave_three_with_nothing():
    project = make_project()
    for _ in range(5):
        make_example(project)
    leases = at_once(
        *[
            partial(services.take_next, by=person, project=project, purpose=ANNOTATE)
            for person in team(project, Role.ANNOTATOR, 8)
        ]
    )
    held = [lease.example_id for lease in leases if lease is not None]
    assert len(held) == len(set(held)) == 5
    assert leases.count(None) == 3


def test_one_person_asking_from_eight_tabs_gets_one_item():
    project = make_project()
    for _ in range(10):
        make_example(project)
    (person,) = team(project, Role.ANNOTATOR, 1)
    leases = at_once(
        *[partial(services.take_next, by=person, project=project, purpose=ANNOTATE) for _ in range(8)]
    )
    assert len({lease.example_id for lease in leases}) == 1
    assert Lease.objects.count() == 1


def test_two_tabs_submit_the_same_item_and_one_is_told():
    project = make_project()
    make_example(project)
    (person,) = team(project, Role.ANNOTATOR, 1)
    example = services.take_next(by=person, project=project, purpose=ANNOTATE).example
    results = at_once(
        *[
            partial(services.submit, by=person, example=example, content=content(example, words))
            for words in ("First answer of the two tabs.", "Second answer of the two tabs.")
        ]
    )
    assert sorted(isinstance(result, Conflict) for result in results) == [False, True]
    assert Revision.objects.filter(example=example).count() == 2
    example.refresh_from_db()
    assert example.revision == 2
    assert example.completion == Revision.objects.get(example=example, number=2).content["completion"]


def test_two_people_submit_one_item_after_the_first_lost_the_lease():
    project = make_project()
    make_example(project)
    first, second = team(project, Role.ANNOTATOR, 2)
    example = services.take_next(by=first, project=project, purpose=ANNOTATE).example
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert services.take_next(by=second, project=project, purpose=ANNOTATE).example == example
    results = at_once(
        partial(services.submit, by=first, example=example, content=content(example, "By the first person.")),
        partial(
            services.submit, by=second, example=example, content=content(example, "By the second person.")
        ),
    )
    assert isinstance(results[0], Conflict)
    example.refresh_from_db()
    assert (example.completion, example.submitted_by) == ("By the second person.", second)
    # The first person's words are kept all the same.
    services.save_draft(by=first, example=example, content=content(example, "By the first person."))
    assert Draft.objects.get(user=first).content["completion"] == "By the first person."


def test_a_reviewer_opens_what_its_author_takes_back():
    for _ in range(4):
        project = make_project()
        make_example(project)
        (author,) = team(project, Role.ANNOTATOR, 1)
        (reviewer,) = team(project, Role.REVIEWER, 1)
        example = services.take_next(by=author, project=project, purpose=ANNOTATE).example
        services.submit(by=author, example=example, content=content(example))
        back, taken = at_once(
            partial(services.take_back, by=author, example=example),
            partial(services.take_next, by=reviewer, project=project, purpose=REVIEW),
        )
        example.refresh_from_db()
        holder = Lease.objects.get(example=example, outcome="open")
        if isinstance(back, Conflict):
            assert (example.status, holder.user, holder.purpose) == ("in_review", reviewer, REVIEW)
            assert taken.example == example
        else:
            assert (example.status, holder.user, holder.purpose) == ("queued", author, ANNOTATE)
            assert taken is None


def test_two_reviewers_decide_at_once_and_one_is_told():
    project = make_project()
    example = make_example(project, status=Example.Status.IN_REVIEW)
    one, two = team(project, Role.REVIEWER, 2)
    services.take_next(by=one, project=project, purpose=REVIEW)
    results = at_once(
        partial(services.accept, by=one, example=example),
        partial(services.accept_many, by=two, project=project, listed=[(example.pk, 1)]),
    )
    example.refresh_from_db()
    assert example.status == "approved"
    assert Review.objects.filter(example=example).count() == 1
    assert results[1].done == [] and len(results[1].left) == 1


def test_of_two_tabs_that_save_at_once_one_is_told():
    project = make_project()
    (person,) = team(project, Role.ANNOTATOR, 1)
    for _ in range(5):
        make_example(project)
        example = services.take_next(by=person, project=project, purpose=ANNOTATE).example
        save = partial(services.save_draft, by=person, example=example, seen="")
        results = at_once(
            partial(save, content=content(example, "In a"), writer="a"),
            partial(save, content=content(example, "In b"), writer="b"),
        )
        assert sum(isinstance(result, Conflict) for result in results) == 1
        (kept,) = (result for result in results if isinstance(result, Draft))
        assert Draft.objects.get(example=example).content == kept.content


def test_a_draft_and_a_submit_at_once_leave_no_stale_draft():
    project = make_project()
    (person,) = team(project, Role.ANNOTATOR, 1)
    for _ in range(5):
        make_example(project)
        example = services.take_next(by=person, project=project, purpose=ANNOTATE).example
        draft, sent = at_once(
            partial(services.save_draft, by=person, example=example, content=content(example, "Half an ans")),
            partial(services.submit, by=person, example=example, content=content(example)),
        )
        assert isinstance(sent, Example)
        assert not Draft.objects.filter(example=example).exists()
        assert isinstance(draft, (Draft, Conflict))


def test_the_sweep_and_a_submit_at_once_never_lose_the_work():
    project = make_project()
    (person,) = team(project, Role.ANNOTATOR, 1)
    for _ in range(5):
        make_example(project)
        example = services.take_next(by=person, project=project, purpose=ANNOTATE).example
        Lease.objects.filter(outcome="open").update(expires_at=timezone.now() - timedelta(seconds=1))
        sent, *_ = at_once(
            partial(services.submit, by=person, example=example, content=content(example)),
            expire_leases,
            expire_leases,
        )
        assert isinstance(sent, Example), sent
        assert Lease.objects.filter(example=example).latest("id").outcome == "done"
