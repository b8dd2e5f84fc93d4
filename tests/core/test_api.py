"""Core's REST API: the same actions as the pages, by API key, with the same limits."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core.audit.entries import record
from core.models import ApiKey, Membership, Project, Role, Run, User
from core.roles import MEMBERS
from core.services.keys import create_api_key, revoke_api_key
from tests.support.factories import PASSWORD, World, join, make_run, make_user

pytestmark = pytest.mark.usefixtures("plain_stages")


class Api:
    """A program with somebody's token."""

    def __init__(self, user: User | None) -> None:
        self.headers = {}
        if user is not None:
            _, secret = create_api_key(by=user, name="test")
            self.headers = {"Authorization": f"Bearer {secret}"}

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        return getattr(Client(), method)(
            f"/api/v1/{path}", data=body, content_type="application/json", headers=self.headers
        )


@pytest.fixture
def api() -> Callable[[User | None], Api]:
    return Api


def member(world: World, role: str) -> int:
    return Membership.objects.get(project=world.project, user=getattr(world, role)).pk


# path: (roles that may GET, method for writing, roles that may write)
ROUTES: dict[str, tuple[set[str], str, set[str]]] = {
    "": (set(MEMBERS), "patch", {"admin"}),
    "loop/": (set(MEMBERS), "", set()),
    "people/": ({"admin", "viewer"}, "post", {"admin"}),
    "people/{member}/": (set(), "patch", {"admin"}),
    "keys/": ({"admin", "viewer"}, "post", {"admin"}),
    "keys/{key}/": (set(), "delete", {"admin"}),
    "audit/": ({"admin", "viewer"}, "", set()),
    "runs/": ({"admin", "viewer"}, "", set()),
    "runs/{run}/": ({"admin", "viewer"}, "", set()),
    "runs/{run}/cancel/": (set(), "post", {"admin"}),
}


@pytest.mark.parametrize("route", ROUTES)
def test_routes_open_for_their_roles_only(
    route: str, world: World, api: Callable[[User | None], Api]
) -> None:
    key, _ = create_api_key(by=world.admin, name="desk", project=world.project)
    run = make_run(world.project)
    tail = route.format(member=member(world, "rater"), key=key.pk, run=run.pk)
    path = f"projects/{world.project.slug}/{tail}"
    may_read, method, may_write = ROUTES[route]
    for role in Role.values:
        client = api(getattr(world, role))
        if may_read:
            assert client("get", path).status_code == (200 if role in may_read else 403), role
        if method and role not in may_write:
            assert client(method, path, {}).status_code == 403, role
    for outsider in (world.neighbour, world.stranger, world.operator):
        assert api(outsider)(method or "get", path, {}).status_code == 404
        assert api(outsider)("get", path).status_code in ({404, 405} if not may_read else {404})
    assert api(None)("get", path).status_code == 401


def test_a_revoked_or_unknown_key_is_refused(world: World, api: Callable[[User | None], Api]) -> None:
    client = api(world.rater)
    assert client("get", "me/").status_code == 200
    revoke_api_key(by=world.rater, api_key=ApiKey.objects.get(user=world.rater))
    assert client("get", "me/").status_code == 401
    client.headers = {"Authorization": "Bearer gh_nonsense"}
    assert client("get", "me/").status_code == 401


def test_an_application_key_is_no_personal_key(world: World, api: Callable[[User | None], Api]) -> None:
    _, secret = create_api_key(by=world.admin, name="desk", project=world.project)
    client = api(None)
    client.headers = {"Authorization": f"Bearer {secret}"}
    assert client("get", "me/").status_code == 401


def test_me_tells_projects_and_roles(world: World, api: Callable[[User | None], Api]) -> None:
    body = api(world.rater)("get", "me/").json()
    assert body["email"] == world.rater.email
    assert body["memberships"] == [
        {"project": world.project.slug, "name": "Freight desk", "roles": ["rater"]}
    ]


def test_password_by_api(world: World, api: Callable[[User | None], Api]) -> None:
    client = api(world.rater)
    wrong = client("post", "me/password/", {"old": "no", "new": "a much longer secret 7"})
    assert (wrong.status_code, list(wrong.json()["fields"])) == (422, ["old"])
    assert (
        client("post", "me/password/", {"old": PASSWORD, "new": "a much longer secret 7"}).status_code == 204
    )
    world.rater.refresh_from_db()
    assert world.rater.check_password("a much longer secret 7")


def test_people_by_api(world: World, api: Callable[[User | None], Api]) -> None:
    client, base = api(world.admin), f"projects/{world.project.slug}/people/"
    made = client("post", base, {"email": "nia@example.org", "name": "Nia", "roles": ["rater"]})
    assert made.status_code == 201
    person = User.objects.get(email="nia@example.org")
    assert person.check_password(made.json()["first_password"])
    again = client("post", base, {"email": "nia@example.org", "roles": ["rater"]})
    assert again.status_code == 409
    assert again.json()["code"] == "conflict"
    changed = client("patch", f"{base}{made.json()['id']}/", {"roles": ["viewer"]})
    assert changed.json()["roles"] == ["viewer"]
    for bad in ({"roles": []}, {"roles": ["emperor"]}, {}):
        assert client("patch", f"{base}{made.json()['id']}/", bad).status_code == 422
    assert client("delete", f"{base}{made.json()['id']}/").status_code == 204
    last = client("delete", f"{base}{member(world, 'admin')}/")
    assert last.status_code == 409
    assert "needs an admin" in last.json()["detail"]


def test_keys_by_api_never_show_a_secret_again(world: World, api: Callable[[User | None], Api]) -> None:
    client, base = api(world.admin), f"projects/{world.project.slug}/keys/"
    made = client("post", base, {"name": "desk"}).json()
    assert made["secret"].startswith("gk_")
    assert made["secret"] not in client("get", base).content.decode()
    assert "digest" not in client("get", base).json()["results"][0]
    assert client("delete", f"{base}{made['id']}/").status_code == 204
    assert client("delete", f"{base}{made['id']}/").status_code == 409
    theirs, _ = create_api_key(by=world.neighbour, name="x", project=world.other)
    assert client("delete", f"{base}{theirs.pk}/").status_code == 404


def test_keys_by_api_are_one_s_own(world: World, api: Callable[[User | None], Api]) -> None:
    made = api(world.rater)("post", "me/keys/", {"name": "notebook"}).json()
    assert made["secret"].startswith("gh_")
    assert api(world.admin)("delete", f"me/keys/{made['id']}/").status_code == 404
    assert api(world.rater)("delete", f"me/keys/{made['id']}/").status_code == 204


def test_projects_by_api(world: World, api: Callable[[User | None], Api]) -> None:
    assert [p["slug"] for p in api(world.rater)("get", "projects/").json()["results"]] == [world.project.slug]
    assert api(world.admin)("post", "projects/", {"name": "Mine"}).status_code == 403
    made = api(world.operator)("post", "projects/", {"name": "Cold chain"})
    assert (made.status_code, made.json()["slug"]) == (201, "cold-chain")
    assert api(world.operator)("post", "projects/", {"name": "Cold chain"}).status_code == 422
    client, path = api(world.admin), f"projects/{world.project.slug}/"
    assert client("patch", path, {"lease_minutes": 45}).json()["lease_minutes"] == 45
    assert client("patch", path, {"lease_minutes": 0}).status_code == 422
    assert client("patch", path, {"temperature": 0, "max_tokens": 64}).json()["temperature"] == 0
    for wrong in ({"temperature": 2.5}, {"temperature": "nan"}, {"max_tokens": 0}, {"max_tokens": 10**12}):
        answer = client("patch", path, wrong)
        assert (answer.status_code, list(answer.json()["fields"])) == (422, list(wrong))
    assert list(client("patch", path, {"slug": "elsewhere"}).json()["fields"]) == ["slug"]
    assert client("get", path).json()["slug"] == world.project.slug
    assert Project.objects.get(pk=world.project.pk).lease_minutes == 45


def test_runs_and_audit_by_api(world: World, api: Callable[[User | None], Api]) -> None:
    run = make_run(world.project, title="LoRA", status=Run.Status.RUNNING, done=62, total=100)
    make_run(world.project, title="Old", status=Run.Status.SUCCEEDED)
    record(by=world.rater, project=world.project, action="rating.given", obj=run)
    client, base = api(world.admin), f"projects/{world.project.slug}/"
    active = client("get", f"{base}runs/?status=active").json()
    assert [(one["title"], one["percent"]) for one in active["results"]] == [("LoRA", 62)]
    assert client("post", f"{base}runs/{run.pk}/cancel/").json()["status"] == "cancelling"
    assert client("post", f"{base}runs/{run.pk}/cancel/").status_code == 409
    told = client("get", f"{base}audit/?who={world.rater.pk}").json()["results"]
    assert [entry["sentence"] for entry in told] == ["Rater Member gave rating LoRA"]
    assert client("get", f"{base}runs/{10**12}/").status_code == 404


def test_the_loop_by_api_shows_the_stages_of_the_role(
    world: World, api: Callable[[User | None], Api]
) -> None:
    path = f"projects/{world.project.slug}/loop/"
    assert [s["key"] for s in api(world.admin)("get", path).json()["stages"]] == ["annotate", "rate"]
    rater = api(world.rater)("get", path).json()
    assert [s["key"] for s in rater["stages"]] == ["rate"]
    assert rater["next"] == []


def test_status_names_every_part(world: World, api: Callable[[User | None], Api]) -> None:
    body = api(world.stranger)("get", "status/").json()
    assert {"postgres", "broker"} <= {part["name"] for part in body}
    assert api(None)("get", "status/").status_code == 401


def test_garbage_is_told_not_stumbled_over(world: World, api: Callable[[User | None], Api]) -> None:
    client = api(world.admin)
    path = f"/api/v1/projects/{world.project.slug}/people/"
    for body in ("{", "[]", '"x"', '{"email": {"a": 1}, "roles": "x"}', '{"email": null}'):
        answer = Client().post(path, data=body, content_type="application/json", headers=client.headers)
        assert answer.status_code in {400, 422}, body
    assert client("get", f"projects/{world.project.slug}/people/?page=zzz").status_code == 422


@pytest.mark.parametrize("route", ["people/", "keys/", "audit/", "runs/"])
def test_queries_of_a_list_do_not_grow_with_it(
    route: str, world: World, api: Callable[[User | None], Api]
) -> None:
    client, path = api(world.admin), f"projects/{world.project.slug}/{route}"

    def fill(n: int) -> None:
        for _ in range(n):
            person = make_user()
            join(world.project, person, Role.RATER)
            create_api_key(by=person, name="k", project=world.project)
            make_run(world.project, created_by=person)
            record(by=person, project=world.project, action="thing.done", obj=person)

    fill(2)
    client("get", path)
    with CaptureQueriesContext(connection) as few:
        client("get", path)
    fill(12)
    with CaptureQueriesContext(connection) as many:
        client("get", path)
    assert len(many) == len(few)


def test_one_changes_ones_own_name_and_theme(world: World, api: Callable[[User | None], Api]) -> None:
    mine = api(world.annotator)
    body = mine("patch", "me/", {"name": "Mo H.", "theme": "dark"}).json()
    assert (body["name"], body["theme"]) == ("Mo H.", "dark")
    world.annotator.refresh_from_db()
    assert (world.annotator.name, world.annotator.theme) == ("Mo H.", "dark")
    assert mine("patch", "me/", {"theme": "pink"}).status_code == 422
    assert list(mine("patch", "me/", {"email": "else@example.org"}).json()["fields"]) == ["email"]
    assert mine("get", "me/").json()["email"] == world.annotator.email


def test_an_admin_hands_out_a_new_first_password(world: World, api: Callable[[User | None], Api]) -> None:
    path = f"projects/{world.project.slug}/people/{member(world, 'rater')}/password/"
    for name in ("rater", "viewer", "stranger", "neighbour"):
        assert api(getattr(world, name))("post", path).status_code in {403, 404}
    world.rater.refresh_from_db()
    assert world.rater.check_password(PASSWORD)
    first = api(world.admin)("post", path).json()["first_password"]
    world.rater.refresh_from_db()
    assert world.rater.check_password(first)
    assert world.rater.must_change_password
