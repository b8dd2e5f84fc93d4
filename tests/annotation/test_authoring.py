"""Authoring tasks: from something that is missing to approved examples."""

import threading
from datetime import date, timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from annotation import services
from annotation.models import AuthoringTask, Category, Draft, Example
from annotation.queries.authoring import progress_of, tasks_for
from annotation.services.coverage import change_task, create_task, end_task, reopen_task, settle_tasks
from annotation.services.examples import requeue, retire
from core.errors import Conflict, Invalid
from core.models import AuditEntry
from tests.annotation.pages import SignIn, url
from tests.support.factories import World, make_example, make_world

pytestmark = pytest.mark.django_db


def task(world: World, quota: int = 2, **fields: object) -> AuthoringTask:
    fields.setdefault("edge", "angry_customer")
    return create_task(by=world.admin, project=world.project, quota=quota, **fields)


def written(world: World, one: AuthoringTask, n: int = 1) -> Example:
    content = {
        "messages": [{"role": "user", "content": f"Where is it, case {'abcdef'[n]}?"}],
        "completion": "It is at sea. I am sorry.",
        "slice": one.slice,
        "edge": one.edge,
    }
    return services.write_example(by=world.annotator, project=world.project, content=content, task=one.pk)


def accept(world: World, example: Example) -> None:
    services.accept_many(by=world.reviewer, project=world.project, listed=[(example.pk, example.revision)])


def test_a_task_is_done_by_itself_when_its_examples_are_approved(world: World):
    one = task(world)
    first, second = written(world, one, 1), written(world, one, 2)
    (now,) = progress_of([one])
    assert (now.approved, now.waiting, now.left) == (0, 2, 0)
    services.take(by=world.reviewer, example=first, purpose="review")
    services.accept(by=world.reviewer, example=first)
    one.refresh_from_db()
    assert one.status == "open"
    accept(world, second)
    one.refresh_from_db()
    assert (one.status, one.ended_by) == ("done", None)
    assert AuditEntry.objects.filter(action="authoring_task.done", object_id=str(one.pk)).count() == 1


def test_it_is_open_again_when_a_decision_is_undone_or_the_example_leaves(world: World):
    one = task(world, quota=1)
    example = written(world, one)
    accept(world, example)
    services.undo(by=world.reviewer, review=example.reviews.get())
    one.refresh_from_db()
    assert (one.status, one.ended_at) == ("open", None)
    services.accept(by=world.reviewer, example=example)
    one.refresh_from_db()
    assert one.status == "done"
    retire(by=world.admin, example=example, reason="Wrong.")
    one.refresh_from_db()
    assert one.status == "open"


def test_one_that_a_person_closed_stays_closed(world: World):
    one = task(world, quota=2)
    example = written(world, one)
    accept(world, example)
    end_task(by=world.admin, task=one, status="done")
    requeue(by=world.admin, example=example)
    one.refresh_from_db()
    assert (one.status, one.ended_by) == ("done", world.admin)


@pytest.mark.parametrize(
    "fields",
    [
        {"quota": 0},
        {"quota": 10**9},
        {"edge": ""},
        {"edge": "nothing"},
        {"slice": "nowhere"},
    ],
    ids=["none", "huge", "no-part", "edge", "slice"],
)
def test_tasks_that_cannot_be(world: World, fields: dict):
    with pytest.raises(Invalid):
        task(world, **fields)


def test_only_somebody_who_can_write_owns_a_task(world: World):
    assert task(world, owner=world.annotator).owner == world.annotator
    for person in (world.rater, world.neighbour):
        with pytest.raises(Invalid):
            task(world, owner=person)


def test_nobody_writes_for_a_task_that_is_not_open_or_of_another_project(world: World):
    one = task(world)
    end_task(by=world.admin, task=one, status="cancelled")
    foreign = create_task(by=world.neighbour, project=world.other, quota=1, edge="other")
    for closed in (one, foreign):
        with pytest.raises(Invalid) as refused:
            written(world, closed)
        assert "task" in refused.value.fields
    assert not Example.objects.filter(project=world.project).exists()


def test_ended_tasks_do_not_change_and_moves_are_checked(world: World):
    one = task(world)
    seen_by_two = AuthoringTask.objects.get(pk=one.pk)
    end_task(by=world.admin, task=one, status="cancelled")
    with pytest.raises(Conflict):
        end_task(by=world.admin, task=seen_by_two, status="done")
    with pytest.raises(Invalid):
        change_task(by=world.admin, task=one, quota=5)
    assert reopen_task(by=world.admin, task=one).status == "open"
    changed = change_task(by=world.admin, task=one, quota=5, due_on=date(2030, 1, 2), wanted=" More  of it ")
    assert (changed.quota, changed.wanted) == (5, "More of it")


def test_a_smaller_quota_completes_it(world: World):
    one = task(world, quota=5)
    accept(world, written(world, one))
    assert change_task(by=world.admin, task=one, quota=1).status == "done"
    with pytest.raises(Invalid):
        reopen_task(by=world.admin, task=one)


@pytest.mark.django_db(transaction=True)
def test_two_decisions_at_the_same_moment_complete_it(db):
    world = make_world()
    one = task(world, quota=2)
    examples = [written(world, one, n) for n in (1, 2)]
    start = threading.Barrier(2)

    def decide(example: Example) -> None:
        try:
            start.wait()
            accept(world, example)
        finally:
            connection.close()

    threads = [threading.Thread(target=decide, args=[example]) for example in examples]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one.refresh_from_db()
    assert one.status == "done"


def test_one_click_makes_a_task_of_what_is_missing(world: World, as_user: SignIn):
    make_example(world.project, slice="customs", status="approved")
    Category.objects.create(project=world.project, kind="slice", key="customs", name="customs")
    page = (
        as_user(world.reviewer).get(reverse("quality:coverage", args=[world.project.slug])).content.decode()
    )
    assert "Ask for" in page
    fields = {"slice": "customs", "edge": "angry_customer", "quota": "20", "owner": world.annotator.pk}
    assert as_user(world.reviewer).post(url(world, "task-from-hole"), fields).status_code == 302
    one = AuthoringTask.objects.get()
    assert (one.wanted, one.quota, one.owner) == ("Angry customer in customs", 20, world.annotator)
    again = (
        as_user(world.reviewer).get(reverse("quality:coverage", args=[world.project.slug])).content.decode()
    )
    assert one.wanted in again
    assert as_user(world.reviewer).post(url(world, "task-from-hole"), {"quota": "x"}).status_code == 422
    assert as_user(world.annotator).post(url(world, "task-from-hole"), fields).status_code == 403


def test_its_owner_sees_it_on_home_and_on_the_desk_and_writes_for_it(world: World, as_user: SignIn):
    Category.objects.create(project=world.project, kind="slice", key="customs", name="customs")
    late = timezone.localdate() - timedelta(days=1)
    one = task(
        world, quota=2, slice="customs", wanted="Furious about duties", owner=world.annotator, due_on=late
    )
    client = as_user(world.annotator)
    home = client.get(reverse("core:home", args=[world.project.slug])).content.decode()
    assert "2 examples to write: Furious about duties" in home
    assert "Furious about duties" in client.get(url(world, "overview")).content.decode()
    form = client.get(url(world, "write") + f"?task={one.pk}").content.decode()
    assert f'<option value="{one.pk}"  selected>' in form or f'<option value="{one.pk}" selected' in form
    assert 'value="customs"' in form and 'value="angry_customer"  selected' in form
    posted = {
        "role": ["user"], "message": ["Why do I pay?"], "completion": "Duties apply. I am sorry.",
        "slice": "customs", "edge": "angry_customer", "task": str(one.pk),
    }  # fmt: skip
    answer = client.post(url(world, "write"), posted)
    assert (answer.status_code, answer.url) == (302, url(world, "write") + f"?task={one.pk}")
    assert Example.objects.get().task == one
    page = as_user(world.reviewer).get(url(world, "task", one.pk)).content.decode()
    assert "Why do I pay?" in page and "0 of 2 approved, 1 in work" in " ".join(page.split())


def test_a_refused_text_keeps_its_task_in_the_draft(world: World, as_user: SignIn):
    one = task(world)
    fields = {"role": ["user"], "message": [""], "completion": "x", "task": str(one.pk)}
    page = as_user(world.annotator).post(url(world, "write"), fields)
    assert page.status_code == 422
    assert Draft.objects.get().content["task"] == one.pk
    end_task(by=world.admin, task=one, status="cancelled")
    whole = {
        "role": ["user"],
        "message": ["Where?"],
        "completion": "At sea, I am sorry.",
        "task": str(one.pk),
    }
    refused = as_user(world.annotator).post(url(world, "write"), whole)
    assert refused.status_code == 422 and "not open any more" in refused.content.decode()


def test_others_tasks_are_not_ones_own(world: World):
    from core.models import Role
    from tests.support.factories import join, make_user

    other = make_user("Other Writer")
    join(world.project, other, Role.ANNOTATOR)
    mine, everybodys = task(world, owner=world.annotator), task(world)
    task(world, owner=other)
    assert set(tasks_for(world.annotator, world.project)) == {mine, everybodys}


def test_tasks_on_their_pages(world: World, as_user: SignIn):
    client = as_user(world.admin)
    assert "No tasks yet" in client.get(url(world, "tasks")).content.decode()
    made = client.post(
        url(world, "task-new"), {"edge": "other", "quota": "3", "wanted": "Odd ones", "due_on": "2030-01-02"}
    )
    one = AuthoringTask.objects.get()
    assert (made.status_code, one.due_on) == (302, date(2030, 1, 2))
    assert client.post(url(world, "task-new"), {"quota": "3"}).status_code == 422
    page = url(world, "task-change", one.pk)
    assert client.post(page, {"wanted": "Odder ones", "quota": "4"}).status_code == 302
    assert client.post(page, {"wanted": "", "quota": "4"}).status_code == 422
    stale = client.post(url(world, "task-cancel", one.pk), {"seen": "old"})
    assert stale.status_code == 409
    assert client.post(url(world, "task-cancel", one.pk)).status_code == 302
    assert client.post(url(world, "task-reopen", one.pk)).status_code == 302
    assert client.post(url(world, "task-close", one.pk)).status_code == 302
    assert "Odder ones" in as_user(world.viewer).get(url(world, "tasks")).content.decode()
    assert as_user(world.viewer).post(page, {}).status_code == 403
    assert as_user(world.stranger).get(page).status_code == 404


def test_tasks_by_program(world: World, as_user: SignIn):
    client, where = as_user(world.reviewer), f"/api/v1/projects/{world.project.slug}/authoring-tasks/"
    body = {"edge": "other", "quota": 2, "owner": world.annotator.pk}
    made = client.post(where, body, content_type="application/json")
    assert (made.status_code, made.json()["owner"]["id"]) == (201, world.annotator.pk)
    number = made.json()["id"]
    pair = {
        "messages": [{"role": "user", "content": "Where is it?"}], "completion": "It is at sea.", "edge": "other",
        "task": number,
    }  # fmt: skip
    writer = as_user(world.annotator)
    examples = f"/api/v1/projects/{world.project.slug}/examples/"
    assert writer.post(examples, pair, content_type="application/json").status_code == 201
    assert client.get(f"{where}{number}/").json()["waiting"] == 1
    changed = client.patch(f"{where}{number}/", {"owner": None, "quota": 3}, content_type="application/json")
    assert (changed.json()["owner"], changed.json()["quota"]) == (None, 3)
    closed = client.post(f"{where}{number}/close/", {}, content_type="application/json")
    assert closed.json()["status"] == "done"
    assert client.post(f"{where}{number}/cancel/", {}, content_type="application/json").status_code == 409
    assert (
        client.post(f"{where}{number}/reopen/", {}, content_type="application/json").json()["status"]
        == "open"
    )
    assert client.get(where + "?status=done").json()["count"] == 0
    assert client.get(where + "?status=odd").status_code == 422
    assert writer.post(where, body, content_type="application/json").status_code == 403


def test_settling_nothing_does_nothing(world: World):
    settle_tasks([None])
    assert not AuditEntry.objects.filter(action__startswith="authoring_task.").exists()
