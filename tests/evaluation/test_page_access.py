"""Who may come in."""

import uuid

import pytest

from core.models import Role
from evaluation import services
from evaluation.models import Campaign, Rating
from tests.evaluation.pages import _say
from tests.support.factories import (
    join,
    make_campaign,
    make_user,
    rate_all,
)

pytestmark = pytest.mark.django_db


PAGES = [
    ("evaluation:home", (), {"rater", "admin", "viewer"}),
    ("evaluation:campaign-new", (), {"admin"}),
    ("evaluation:campaign-preview", (), {"admin"}),
    ("evaluation:campaign", ("campaign",), {"admin", "viewer"}),
    ("evaluation:comparisons", ("campaign",), {"admin", "viewer"}),
    ("evaluation:ratings-csv", ("campaign",), {"admin"}),
    ("evaluation:rate", ("campaign",), {"rater"}),
    ("evaluation:comparison", ("rated",), {"admin", "viewer"}),
]
POSTS = [
    ("evaluation:campaign-close", ("campaign",), {"admin"}),
    ("evaluation:campaign-reopen", ("campaign",), {"admin"}),
    ("evaluation:campaign-retry", ("campaign",), {"admin"}),
    ("evaluation:campaign-delete", ("campaign",), {"admin"}),
]


@pytest.mark.parametrize(("name", "args", "allowed"), PAGES)
def test_each_role_gets_its_pages_and_no_others(world, campaign, as_user, page_of, name, args, allowed):
    rated = rate_all(campaign, world.rater, ["tie"])[0].comparison
    address = page_of(name, *[{"campaign": campaign.pk, "rated": rated.public_id}[arg] for arg in args])
    for role, person in world.people().items():
        status = as_user(person).get(address).status_code
        if role in Role.values:
            assert status == (200 if role in allowed else 403), role
        else:
            assert status == 404, role
    assert as_user(None).get(address).status_code == 302


@pytest.mark.parametrize(("name", "args", "allowed"), POSTS)
def test_nobody_else_changes_a_campaign(world, campaign, as_user, page_of, name, args, allowed):
    address = page_of(name, campaign.pk)
    for role, person in world.people().items():
        if role not in allowed:
            assert as_user(person).post(address).status_code == (403 if role in Role.values else 404), role
    assert as_user(world.admin).get(address).status_code == 405
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.OPEN


def test_nobody_sees_or_rates_a_colleagues_comparison(world, campaign, as_user, page_of):
    held = services.next_comparison(by=world.rater, campaign=campaign)
    colleague = make_user()
    join(world.project, colleague, Role.RATER)
    for name in ("evaluation:rate-comparison", "evaluation:rate-skip", "evaluation:rate-hold"):
        for person in (colleague, world.neighbour, world.stranger):
            assert as_user(person).post(page_of(name, held.public_id), _say()).status_code == 404
        assert as_user(world.admin).post(page_of(name, held.public_id), _say()).status_code == 403
    assert as_user(colleague).get(page_of("evaluation:rate-comparison", held.public_id)).status_code == 404
    assert not Rating.objects.exists()


def test_bad_ids_are_not_found(world, as_user, page_of):
    admin, rater = as_user(world.admin), as_user(world.rater)
    assert admin.get(page_of("evaluation:campaign", 999999)).status_code == 404
    assert admin.get(page_of("evaluation:comparison", uuid.uuid4())).status_code == 404
    assert rater.get(page_of("evaluation:rate", 999999)).status_code == 404
    assert rater.get(page_of("evaluation:rate-comparison", uuid.uuid4())).status_code == 404


def test_a_campaign_of_another_project_is_not_found(world, as_user, page_of):
    other = make_campaign(world.other, world.neighbour, prompts=1)
    assert as_user(world.admin).get(page_of("evaluation:campaign", other.pk)).status_code == 404
    assert as_user(world.rater).get(page_of("evaluation:rate", other.pk)).status_code == 404
