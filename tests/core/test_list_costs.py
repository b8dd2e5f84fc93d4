"""Lists stay cheap."""

import re

import pytest

from core.audit.entries import record
from core.models import Role, Run
from core.services.keys import create_api_key
from tests.core.pages import SignIn, page
from tests.support.factories import World, join, make_run, make_user
from tests.support.reading import text_of

pytestmark = pytest.mark.usefixtures("plain_stages")


@pytest.mark.parametrize("name", ["people", "application-keys", "audit", "runs", "home"])
def test_queries_of_a_list_do_not_grow_with_it(name: str, world: World, as_user: SignIn) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def fill(n: int) -> None:
        for _ in range(n):
            person = make_user()
            join(world.project, person, Role.RATER)
            create_api_key(by=world.admin, name="k", project=world.project)
            make_run(world.project, created_by=person, status=Run.Status.RUNNING)
            record(by=person, project=world.project, action="thing.done", obj=person)

    client = as_user(world.admin)
    fill(2)
    client.get(page(name, world))
    with CaptureQueriesContext(connection) as few:
        client.get(page(name, world))
    fill(12)
    with CaptureQueriesContext(connection) as many:
        client.get(page(name, world))
    assert len(many) == len(few), [q["sql"] for q in many.captured_queries]
    assert len(many) <= 12


def test_pagination_keeps_the_filters(world: World, as_user: SignIn) -> None:
    for n in range(60):
        join(world.project, make_user(f"Twin {n}"), Role.RATER)
    shown = as_user(world.viewer).get(page("people", world), {"q": "twin", "page": 2})
    assert "51–60 of 60 people" in text_of(shown)
    assert re.search(r'href="\?q=twin&amp;page=1"', shown.content.decode())
