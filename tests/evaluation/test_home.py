"""First screen."""

import pytest

from tests.support.factories import (
    rate_all,
)

pytestmark = pytest.mark.django_db


def test_a_rater_is_told_how_many_wait_and_for_how_long(world, campaign, as_user, page_of):
    page = as_user(world.rater).get(page_of("core:home")).content.decode()
    assert "4 comparisons to rate" in page and "About 3 minutes" in page


def test_an_admin_is_told_when_all_ratings_are_in(world, campaign, as_user, page_of):
    rate_all(campaign, world.rater, ["tie"] * 4)
    page = as_user(world.admin).get(page_of("core:home")).content.decode()
    assert "is fully rated" in page
