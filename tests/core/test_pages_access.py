"""Core's pages as everybody: each role, another project's member, a stranger, nobody; wrong methods and bad ids."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from core.models import ApiKey, Membership, Role, User
from core.roles import MEMBERS
from core.services.keys import create_api_key
from tests.support.factories import World, make_run

pytestmark = pytest.mark.usefixtures("plain_stages")

EVERYBODY = set(Role.values)
EVERY_ROLE = set(MEMBERS)
READ_ALL = {Role.ADMIN, Role.VIEWER}
ADMIN = {Role.ADMIN}
SignIn = Callable[[User | None], Client]

# name: (roles that may GET, roles that may POST)
PAGES: dict[str, tuple[set[str], set[str]]] = {
    "home": (EVERYBODY, set()),
    "loop": (EVERY_ROLE, set()),
    "project-menu": (EVERYBODY, set()),
    "runs": (READ_ALL, set()),
    "run": (READ_ALL, set()),
    "run-card": (READ_ALL, set()),
    "run-cancel": (set(), ADMIN),
    "run-resume": (set(), ADMIN),
    "people": (READ_ALL, set()),
    "person-add": (ADMIN, ADMIN),
    "person-roles": (ADMIN, ADMIN),
    "person-remove": (set(), ADMIN),
    "person-password": (set(), ADMIN),
    "person-account": (ADMIN, set()),
    "person-deactivate": (set(), ADMIN),
    "person-reactivate": (set(), ADMIN),
    "person-end-sessions": (set(), ADMIN),
    "application-keys": (READ_ALL, ADMIN),
    "application-key-revoke": (set(), ADMIN),
    "settings": (READ_ALL, ADMIN),
    "audit": (READ_ALL, set()),
    "audit-csv": (READ_ALL, set()),
}
WITH_ID = {
    "run": "run", "run-card": "run", "run-cancel": "run", "run-resume": "run", "person-roles": "member", "person-remove": "member",
    "person-password": "member", "application-key-revoke": "key", "person-account": "member", "person-deactivate": "member",
    "person-reactivate": "member", "person-end-sessions": "member",
}  # fmt: skip


@pytest.fixture
def ids(world: World) -> dict[str, int]:
    key, _ = create_api_key(by=world.admin, name="desk", project=world.project)
    return {
        "run": make_run(world.project, created_by=world.admin).pk,
        "member": Membership.objects.get(project=world.project, user=world.rater).pk,
        "key": key.pk,
    }


def _url(name: str, slug: str, ids: dict[str, int]) -> str:
    args: list[object] = [slug]
    if name in WITH_ID:
        args.append(ids[WITH_ID[name]])
    return reverse(f"core:{name}", args=args)


@pytest.mark.parametrize("name", PAGES)
def test_page_opens_for_the_roles_it_is_for_and_no_others(
    name: str, world: World, ids: dict[str, int], as_user: SignIn
) -> None:
    may_get, may_post = PAGES[name]
    url = _url(name, world.project.slug, ids)
    for role in Role.values:
        status = as_user(getattr(world, role)).get(url).status_code
        if (name, role) == ("home", Role.PARTNER):
            assert status == 302  # to their sources
        elif name == "run-card" and role in EVERY_ROLE - may_get:
            assert status == 404  # only who started the run
        elif may_get:
            assert status == (200 if role in may_get else 403), (role, "GET")
        else:
            assert status == (405 if role in may_post else 403), (role, "GET")
    for outsider in (world.neighbour, world.stranger, world.operator):
        assert as_user(outsider).get(url).status_code == 404
        assert as_user(outsider).post(url, {}).status_code == 404
    nobody = as_user(None).get(url)
    assert nobody.status_code == 302
    assert nobody["Location"].startswith(reverse("core:sign-in"))


@pytest.mark.parametrize("name", PAGES)
def test_post_is_refused_to_every_other_role(
    name: str, world: World, ids: dict[str, int], as_user: SignIn
) -> None:
    may_get, may_post = PAGES[name]
    url = _url(name, world.project.slug, ids)
    for role in set(Role.values) - may_post:
        status = as_user(getattr(world, role)).post(url, {"name": "x", "roles": ["admin"]}).status_code
        # A run's card is also for the member who started the run, so its view is asked by every member.
        asked = may_get | (EVERY_ROLE if name == "run-card" else set())
        assert status == (405 if not may_post and role in asked else 403), role
    assert Membership.objects.get(pk=ids["member"]).roles == ["rater"]
    assert ApiKey.objects.filter(revoked_at=None).count() == 1


@pytest.mark.parametrize("name", WITH_ID)
def test_an_id_of_another_project_or_of_nothing_is_not_found(
    name: str, world: World, ids: dict[str, int], as_user: SignIn
) -> None:
    key, _ = create_api_key(by=world.neighbour, name="theirs", project=world.other)
    theirs = {
        "run": make_run(world.other).pk,
        "member": Membership.objects.get(project=world.other, user=world.neighbour).pk,
        "key": key.pk,
    }
    for other in (theirs, dict.fromkeys(ids, 10**12)):
        url = _url(name, world.project.slug, other)
        method = "get" if PAGES[name][0] else "post"
        assert getattr(as_user(world.admin), method)(url).status_code == 404


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
@pytest.mark.parametrize("name", PAGES)
def test_other_methods_are_refused(
    name: str, method: str, world: World, ids: dict[str, int], as_user: SignIn
) -> None:
    assert getattr(as_user(world.admin), method)(_url(name, world.project.slug, ids)).status_code == 405


@pytest.mark.parametrize(
    "name", ["start", "me", "password", "personal-keys", "status", "status-parts", "status-tag"]
)
def test_own_pages_need_a_sign_in_and_nothing_else(name: str, world: World, as_user: SignIn) -> None:
    url = reverse(f"core:{name}")
    assert as_user(None).get(url).status_code == 302
    assert as_user(world.stranger).get(url).status_code == 200
    assert as_user(world.stranger).delete(url).status_code == 405


@pytest.mark.parametrize("name", ["sign-out", "theme", "rename"])
def test_actions_are_not_done_by_get(name: str, world: World, as_user: SignIn) -> None:
    assert as_user(world.stranger).get(reverse(f"core:{name}")).status_code == 405


def test_a_page_without_csrf_token_is_refused(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.admin, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.post(reverse("core:application-keys", args=[world.project.slug]), {"name": "x"})
    assert answer.status_code == 403
    assert b"This form is out of date" in answer.content
