"""Cost."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.evaluation.pages import make_rater
from tests.support.factories import (
    FULL_SCORES,
    make_campaign,
    rate_all,
)

pytestmark = pytest.mark.django_db


def _queries(client, address):
    client.get(address)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


@pytest.mark.parametrize("name", ["evaluation:home", "core:home"])
@pytest.mark.parametrize("role", ["admin", "rater"])
def test_lists_of_campaigns_cost_the_same_however_many(world, campaign, as_user, page_of, name, role):
    client = as_user(getattr(world, role))
    rate_all(campaign, make_rater(world), ["tie"])
    before = _queries(client, page_of(name))
    for _ in range(3):
        more = make_campaign(world.project, world.admin, prompts=2)
        rate_all(more, make_rater(world), ["tie"])
    assert _queries(client, page_of(name)) <= before


@pytest.mark.parametrize("name", ["evaluation:campaign", "evaluation:comparisons"])
def test_results_cost_the_same_however_many_ratings(world, as_user, page_of, name):
    campaign = make_campaign(world.project, world.admin, prompts=4, ratings_per_prompt=4)
    rate_all(campaign, world.rater, ["candidate"], FULL_SCORES)
    client = as_user(world.admin)
    before = _queries(client, page_of(name, campaign.pk))
    for _ in range(3):
        rate_all(campaign, make_rater(world), ["candidate", "tie", "baseline"], FULL_SCORES)
    assert _queries(client, page_of(name, campaign.pk)) <= before


def test_the_rating_page_costs_the_same_in_a_large_campaign(world, as_user, page_of):
    small = make_campaign(world.project, world.admin, prompts=2)
    large = make_campaign(world.project, world.admin, prompts=12, ratings_per_prompt=3)
    rate_all(large, make_rater(world), ["tie"] * 8, FULL_SCORES)
    client = as_user(world.rater)
    assert _queries(client, page_of("evaluation:rate", large.pk)) <= _queries(
        client, page_of("evaluation:rate", small.pk)
    )
