"""The queue and reviews over the REST API: a program can do a whole turn, and nobody more than their role."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.models import Draft, Example, Lease
from core.models import Role, User
from core.roles import MEMBERS
from core.services.keys import create_api_key
from tests.support.factories import World, join, make_example, make_user

pytestmark = pytest.mark.django_db
SignIn = Callable[[User | None], Client]
READERS = {Role.ANNOTATOR, Role.REVIEWER, Role.ADMIN, Role.VIEWER}
ANNOTATORS, REVIEWERS = {Role.ANNOTATOR}, {Role.REVIEWER}

# path: (method, roles); {pk} stands for an example of the project
ROUTES: dict[str, tuple[str, set[str]]] = {
    "queue/": ("get", READERS),
    "queue/my-work/": ("get", set(MEMBERS)),
    "queue/skipped/": ("get", ANNOTATORS | REVIEWERS),
    "queue/next/": ("post", ANNOTATORS),
    "queue/checks/": ("post", ANNOTATORS | REVIEWERS),
    "queue/{pk}/take/": ("post", ANNOTATORS),
    "queue/{pk}/heartbeat/": ("post", ANNOTATORS),
    "queue/{pk}/draft/": ("put", ANNOTATORS),
    "queue/{pk}/submit/": ("post", ANNOTATORS),
    "queue/{pk}/skip/": ("post", ANNOTATORS),
    "queue/{pk}/skip/undo/": ("post", ANNOTATORS),
    "queue/{pk}/release/": ("post", ANNOTATORS),
    "queue/{pk}/take-back/": ("post", ANNOTATORS),
    "reviews/": ("get", READERS),
    "reviews/next/": ("post", REVIEWERS),
    "reviews/accept-many/": ("post", REVIEWERS),
    "reviews/return-many/": ("post", REVIEWERS),
    "decisions/00000000-0000-4000-8000-000000000000/undo/": ("post", REVIEWERS),
    "reviews/{pk}/take/": ("post", REVIEWERS),
    "reviews/{pk}/heartbeat/": ("post", REVIEWERS),
    "reviews/{pk}/draft/": ("put", REVIEWERS),
    "reviews/{pk}/accept/": ("post", REVIEWERS),
    "reviews/{pk}/return/": ("post", REVIEWERS),
    "reviews/{pk}/skip/": ("post", REVIEWERS),
    "reviews/{pk}/skip/undo/": ("post", REVIEWERS),
    "reviews/{pk}/release/": ("post", REVIEWERS),
    "decisions/{pk}/undo/": ("post", REVIEWERS),
}


class Api:
    """A program with a personal key."""

    def __init__(self, world: World, person: User) -> None:
        _, secret = create_api_key(by=person, name="program")
        self.root = f"/api/v1/projects/{world.project.slug}/"
        self.client = Client(headers={"Authorization": f"Bearer {secret}"})

    def __call__(self, method: str, path: str, data: object = None):
        send = getattr(self.client, method)
        if method == "get":
            return send(self.root + path)
        return send(self.root + path, {} if data is None else data, content_type="application/json")


def pair(example: dict, completion: str = "A new answer, written by hand.", **more: object) -> dict:
    return {
        "messages": example["messages"],
        "context": example["context"],
        "completion": completion,
        "slice": example["slice"],
        "edge": example["edge"],
        "tags": ["eta"],
        "base_revision": example["revision"],
        **more,
    }


@pytest.mark.parametrize("path", ROUTES)
def test_every_route_as_everybody(world: World, as_user: SignIn, path: str) -> None:
    method, may = ROUTES[path]
    where = f"/api/v1/projects/{world.project.slug}/" + path.format(pk=make_example(world.project).pk)
    for role, person in {**world.people(), "nobody": None}.items():
        status = getattr(as_user(person), method)(where, content_type="application/json").status_code
        if role == "nobody":
            assert status in (401, 403), role
        elif role in ("neighbour", "stranger", "operator"):
            assert status == 404, role
        elif role not in may:
            assert status == 403, role
        else:
            assert status not in (401, 403, 405, 500), (role, status)


@pytest.mark.parametrize("path", [path for path in ROUTES if "{pk}" in path])
def test_an_id_of_another_project_is_not_found(world: World, path: str) -> None:
    both = make_user()
    join(world.project, both, Role.ANNOTATOR, Role.REVIEWER)
    elsewhere = make_example(world.other).pk
    body = {"messages": [], "comment": "x", "examples": []}
    assert Api(world, both)(ROUTES[path][0], path.format(pk=elsewhere), body).status_code in (404, 422)
    assert Example.objects.get(pk=elsewhere).leases.count() == 0


def test_a_whole_turn_of_a_program(world: World) -> None:
    make_example(world.project, "Where is FD-41007?", context=["FD-41007 | ETA 25 Nov"], edge="off_topic")
    annotator, reviewer = Api(world, world.annotator), Api(world, world.reviewer)
    assert annotator("get", "queue/").json()["edge"] == 1
    lease = annotator("post", "queue/next/").json()
    pk = lease["example"]["id"]
    assert lease["purpose"] == "annotate" and lease["expires_at"]
    assert annotator("post", f"queue/{pk}/heartbeat/").status_code == 200
    draft = annotator("put", f"queue/{pk}/draft/", {"completion": "Half"})
    assert draft.json()["content"]["completion"] == "Half"
    refused = annotator("post", f"queue/{pk}/submit/", pair(lease["example"], "It comes on 28 Nov."))
    assert (refused.status_code, refused.json()["code"]) == (422, "needs_reason")
    assert "28 Nov" in refused.json()["fields"]["reason"][0]
    sent = annotator("post", f"queue/{pk}/submit/", pair(lease["example"], "FD-41007 comes on 25 November."))
    assert (sent.status_code, sent.json()["status"]) == (200, "in_review")
    assert annotator("post", "queue/next/").status_code == 204
    back = annotator("post", f"queue/{pk}/take-back/").json()
    sent = annotator("post", f"queue/{pk}/submit/", pair(back["example"], "FD-41007 comes on 25 November."))
    assert sent.status_code == 200

    (listed,) = reviewer("get", "reviews/").json()["results"]
    assert (listed["id"], listed["own"], listed["held_by"]) == (pk, False, None)
    lease = reviewer("post", "reviews/next/").json()
    refused = reviewer("post", f"reviews/{pk}/return/", {"comment": ""})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    decision = reviewer("post", f"reviews/{pk}/return/", {"comment": "Name the port.", "revision": 3}).json()
    assert decision["verdict"] == "returned"
    assert reviewer("post", f"decisions/{decision['id']}/undo/").json()["example"]["status"] == "in_review"
    content = pair(lease["example"], "FD-41007 reaches Genoa on 25 November.", reason="")
    decision = reviewer("post", f"reviews/{pk}/accept/", {"content": content, "comment": "Named it."})
    assert (decision.status_code, decision.json()["verdict"]) == (200, "accepted")
    example = Example.objects.get()
    assert (example.status, example.completion) == ("approved", "FD-41007 reaches Genoa on 25 November.")
    assert annotator("get", "queue/my-work/").json()["accepted"] == 1
    assert reviewer("get", "queue/my-work/").json()["reviewed"] == 1


def test_a_lost_lease_is_a_409_with_advice_and_the_words_are_kept(world: World) -> None:
    make_example(world.project)
    colleague = make_user("Ines Ferro")
    join(world.project, colleague, Role.ANNOTATOR)
    mine, theirs = Api(world, world.annotator), Api(world, colleague)
    example = mine("post", "queue/next/").json()["example"]
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert theirs("post", "queue/next/").json()["example"]["id"] == example["id"]
    answer = mine("post", f"queue/{example['id']}/submit/", pair(example, "Typed too late, and sent."))
    assert answer.status_code == 409
    assert answer.json()["code"] == "lease_lost" and "Ines Ferro" in answer.json()["detail"]
    assert answer.json()["advice"]
    assert Draft.objects.get(user=world.annotator).content["completion"] == "Typed too late, and sent."


def test_accepting_many_tells_what_was_left_and_why(world: World) -> None:
    good = make_example(world.project, status="in_review")
    queued = make_example(world.project)
    api = Api(world, world.reviewer)
    listed = [{"example": pk, "revision": 1} for pk in (good.pk, queued.pk)]
    answer = api("post", "reviews/accept-many/", {"examples": listed}).json()
    assert answer["accepted"] == [good.pk]
    assert answer["left"][0]["example"] == queued.pk
    undone = api("post", f"decisions/{answer['batch']}/undo/").json()
    assert undone == {"undone": [good.pk], "left": []}


def test_text_that_nobody_read_is_not_accepted_from_a_list(world: World) -> None:
    """A reviewer lists, the author takes the pair back and submits other words, the reviewer accepts what was listed."""
    mine, theirs = Api(world, world.annotator), Api(world, world.reviewer)
    make_example(world.project)
    example = mine("post", "queue/next/").json()["example"]
    mine("post", f"queue/{example['id']}/submit/", pair(example, "Read by the reviewer."))
    (listed,) = theirs("get", "reviews/").json()["results"]
    mine("post", f"queue/{example['id']}/take-back/")
    mine("post", f"queue/{example['id']}/submit/", pair({**example, "revision": 2}, "Read by nobody."))
    chosen = [{"example": listed["id"], "revision": listed["revision"]}]
    for path, more in (("accept", {}), ("return", {"comment": "No."})):
        answer = theirs("post", f"reviews/{path}-many/", {"examples": chosen, **more})
        assert answer.status_code == 200
        assert answer.json()["left"] == [
            {"example": example["id"], "why": "It changed after you loaded the list."}
        ]
    assert Example.objects.get().status == "in_review"
    assert theirs("post", "reviews/accept-many/", {"examples": [example["id"]]}).status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {"messages": "text"},
        {"messages": [{"role": "wizard", "content": "x"}], "completion": "y"},
        {"messages": [{"role": "user"}], "completion": "y"},
        {"messages": [], "completion": "y"},
        {"messages": [{"role": "user", "content": "x"}], "completion": "y" * 20_001},
        {"messages": [{"role": "user", "content": "x"}], "completion": "y", "tags": "a,b"},
        {"messages": [{"role": "user", "content": "x"}], "completion": "y", "edge": "wizardry"},
        {"messages": [{"role": "user", "content": "x"}], "completion": "y", "base_revision": -1},
    ],
)
def test_garbage_is_a_422_and_changes_nothing(world: World, body: object) -> None:
    make_example(world.project)
    api = Api(world, world.annotator)
    pk = api("post", "queue/next/").json()["example"]["id"]
    assert api("post", f"queue/{pk}/submit/", body).status_code == 422
    assert Example.objects.get().status == "queued"


def test_a_body_that_is_no_object_is_a_400_and_changes_nothing(world: World) -> None:
    make_example(world.project)
    api = Api(world, world.annotator)
    pk = api("post", "queue/next/").json()["example"]["id"]
    answer = api("post", f"queue/{pk}/submit/", [])
    assert (answer.status_code, answer.json()["code"]) == (400, "unreadable")
    assert Example.objects.get().status == "queued"


def test_the_list_of_reviews_makes_a_constant_number_of_queries(world: World) -> None:
    api = Api(world, world.reviewer)

    def count() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert api("get", "reviews/").status_code == 200
        return len(seen)

    for _ in range(2):
        make_example(world.project, status="in_review", submitted_by=world.annotator, created_by=world.admin)
    api("get", "reviews/")
    few = count()
    for _ in range(10):
        make_example(world.project, status="in_review", submitted_by=world.annotator, created_by=world.admin)
    assert count() == few <= 8


@pytest.mark.parametrize("purpose", ["annotate", "review"])
def test_a_skip_has_a_reason_and_can_be_taken_back(world: World, purpose: str) -> None:
    status, path = {"annotate": ("queued", "queue"), "review": ("in_review", "reviews")}[purpose]
    person = world.annotator if purpose == "annotate" else world.reviewer
    first, second = (make_example(world.project, status=status) for _ in range(2))
    api = Api(world, person)
    assert api("post", f"{path}/{first.pk}/take/").status_code == 200
    too_long = api("post", f"{path}/{first.pk}/skip/", {"reason": "x" * 301})
    assert too_long.status_code == 422 and "reason" in too_long.json()["fields"]
    assert api("post", f"{path}/{first.pk}/skip/", {"reason": "Needs the customs team."}).status_code == 204
    (skipped,) = api("get", "queue/skipped/").json()
    assert skipped.pop("finished_at")
    assert skipped == {"example": first.pk, "purpose": purpose, "reason": "Needs the customs team."}
    assert api("post", f"{path}/next/").json()["example"]["id"] == second.pk
    back = api("post", f"{path}/{first.pk}/skip/undo/")
    assert back.status_code == 200 and back.json()["example"]["id"] == first.pk
    assert back.json()["purpose"] == purpose and api("get", "queue/skipped/").json() == []
    again = api("post", f"{path}/{first.pk}/skip/undo/")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    # A skip without a reason, and without a body, is one as before.
    assert api("post", f"{path}/{first.pk}/skip/").status_code == 204
    assert api("get", "queue/skipped/").json()[0]["reason"] == ""
    other = Api(world, world.reviewer if purpose == "annotate" else world.annotator)
    assert other("get", "queue/skipped/").json() == []


def test_a_pair_that_is_no_pair_yet_is_refused_and_kept(world: World) -> None:
    """The form of the body refuses it before any rule of the work does."""
    mine, in_review = make_example(world.project), make_example(world.project, status="in_review")
    annotator, reviewer = Api(world, world.annotator), Api(world, world.reviewer)
    annotator("post", f"queue/{mine.pk}/take/")
    shown = reviewer("post", f"reviews/{in_review.pk}/take/").json()["example"]
    body = pair(shown, "Half an answer", reason="x" * 301)
    refused = annotator("post", f"queue/{mine.pk}/submit/", body)
    assert refused.status_code == 422 and "reason" in refused.json()["fields"]
    refused = reviewer("post", f"reviews/{in_review.pk}/accept/", {"comment": "Why so?", "content": body})
    assert refused.status_code == 422 and "content.reason" in refused.json()["fields"]
    for example, words in ((mine, {}), (in_review, {"comment": "Why so?"})):
        kept = Draft.objects.get(example=example).content
        assert kept["completion"] == "Half an answer" and words.items() <= kept.items()
