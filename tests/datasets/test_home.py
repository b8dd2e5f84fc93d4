"""The first screen."""

import pytest

from core.access import Access
from core.models import Role
from tests.support.factories import World, make_example, make_frozen

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


def test_an_admin_is_told_to_import_then_to_freeze(world: World):
    from dataset.home import next_items

    access = Access(user=world.admin, project=world.project, roles=frozenset([Role.ADMIN]))
    assert [item.action for item in next_items(access)] == ["Import"]
    make_example(world.project)
    assert next_items(access) == []
    for _ in range(3):
        make_example(world.project, status="approved")
    assert [item.action for item in next_items(access)] == ["Freeze"]
    make_frozen(world.project, world.admin)
    assert next_items(access) == []
    for _ in range(20):
        make_example(world.project, status="approved")
    (item,) = next_items(access)
    assert item.title == "20 approved examples are not in dataset 1"
    assert next_items(Access(user=world.viewer, project=world.project, roles=frozenset([Role.VIEWER]))) == []
