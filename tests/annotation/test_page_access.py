"""Who may."""

import pytest
from django.test import Client

from annotation.models import Lease
from core.models import Role
from tests.annotation.pages import PAGES, SignIn, url
from tests.support.factories import World, join, make_example, make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", PAGES)
def test_every_page_as_everybody(world: World, as_user: SignIn, name: str) -> None:
    may_get, may_post, with_id = PAGES[name]
    pk = make_example(world.project).pk if with_id else None
    where = url(world, name, pk)
    for role, person in {**world.people(), "nobody": None}.items():
        client = as_user(person)
        for method, may in (("get", may_get), ("post", may_post)):
            status = getattr(client, method)(where).status_code
            if role == "nobody":
                assert status == 302, (role, method)
            elif role in ("neighbour", "stranger", "operator"):
                assert status == 404, (role, method)
            elif role not in may_get | may_post:
                assert status == 403, (role, method)
            elif not may:
                assert status == 405, (role, method)
            else:
                assert status not in (403, 405, 500), (role, method, status)


@pytest.mark.parametrize("name", [name for name, (*_, with_id) in PAGES.items() if with_id])
def test_ids_of_other_projects_and_nonsense_find_nothing(world: World, as_user: SignIn, name: str) -> None:
    everything = make_user()
    join(world.project, everything, Role.ANNOTATOR, Role.REVIEWER)
    client = as_user(everything)
    elsewhere = make_example(world.other).pk
    method = client.post if PAGES[name][1] else client.get
    for pk in (elsewhere, 0, 2**62):
        assert method(url(world, name, pk)).status_code == 404


def test_no_page_changes_anything_without_a_csrf_token(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.annotator, backend="django.contrib.auth.backends.ModelBackend")
    make_example(world.project)
    assert client.post(url(world, "next")).status_code == 403
    assert not Lease.objects.exists()
