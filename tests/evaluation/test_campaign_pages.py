"""Campaigns."""

import re

import pytest

from evaluation import services
from evaluation.models import Campaign
from tests.support.factories import (
    make_campaign,
    make_held_out,
    make_pair,
    rate_all,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def ready(world):
    baseline, candidate = make_pair(world.project, world.admin)
    return {
        "name": "v1 against base",
        "baseline": baseline.pk,
        "candidate": candidate.pk,
        "dataset": make_held_out(world.project, rows=6).pk,
        "prompts": 4,
        "ratings_per_prompt": 2,
        "temperature": 0,
        "max_tokens": 64,
    }


def test_an_admin_plans_a_campaign(world, ready, as_user, page_of, sent, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        answer = as_user(world.admin).post(page_of("evaluation:campaign-new"), ready)
    campaign = Campaign.objects.get()
    assert (answer.status_code, answer.url) == (302, page_of("evaluation:campaign", campaign.pk))
    assert campaign.status == "preparing" and campaign.prompts.count() == 4
    assert campaign.params == {"temperature": 0.0, "max_tokens": 64}
    assert sent == [("core.tasks.execute_run", campaign.run_id)]
    page = as_user(world.admin).get(answer.url)
    assert page.status_code == 200 and b"Waiting for a worker" in page.content


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"prompts": 0},
        {"prompts": 7},
        {"prompts": "x"},
        {"ratings_per_prompt": 0},
        {"temperature": 3},
        {"max_tokens": 0},
        {"baseline": 999999},
        {"dataset": ""},
    ],
)
def test_a_wrong_campaign_comes_back_422(world, ready, as_user, page_of, wrong):
    answer = as_user(world.admin).post(page_of("evaluation:campaign-new"), ready | wrong)
    assert answer.status_code == 422 and b'class="error"' in answer.content
    assert not Campaign.objects.exists()


def test_the_form_suggests_and_the_preview_counts(world, ready, as_user, page_of):
    admin = as_user(world.admin)
    page = admin.get(page_of("evaluation:campaign-new")).content.decode()
    assert "6 test prompts" in page and "Effort and precision" in page
    told = admin.get(page_of("evaluation:campaign-preview"), {"prompts": 40, "ratings_per_prompt": 1}).content
    assert b"<b>40</b>" in told and b"With more raters" in told and b"or less needs more raters." in told
    none = admin.get(page_of("evaluation:campaign-preview"), {"prompts": "x"})
    assert none.status_code == 200 and b"Enter the numbers" in none.content


def test_the_base_model_can_be_added_from_the_form(world, as_user, page_of):
    from tests.support.factories import make_base_model
    from training.models import ModelVersion

    base = make_base_model()
    admin = as_user(world.admin)
    assert b"Add the base model" in admin.get(page_of("evaluation:campaign-new")).content
    assert admin.post(page_of("evaluation:base-add", base.pk)).status_code == 302
    assert ModelVersion.objects.filter(project=world.project, kind="base", base_model=base).exists()


def test_closing_is_the_thing_to_do_when_all_ratings_are_in(world, campaign, as_user, page_of):
    def close_button():
        page = as_user(world.admin).get(page_of("evaluation:campaign", campaign.pk)).content.decode()
        (button,) = re.findall(r'<button class="([^"]*)">Close</button>', page)
        return button.split()

    assert close_button() == []
    rate_all(campaign, world.rater, ["candidate", "tie", "baseline"])
    assert close_button() == []
    rate_all(campaign, world.rater, ["candidate"])
    assert close_button() == ["go"]


def test_close_reopen_delete(world, campaign, as_user, page_of):
    admin = as_user(world.admin)
    assert admin.post(page_of("evaluation:campaign-close", campaign.pk)).status_code == 302
    assert admin.post(page_of("evaluation:campaign-close", campaign.pk)).status_code == 409
    assert admin.post(page_of("evaluation:campaign-reopen", campaign.pk)).status_code == 302
    rate_all(campaign, world.rater, ["tie"])
    assert admin.post(page_of("evaluation:campaign-delete", campaign.pk)).status_code == 409
    assert Campaign.objects.filter(pk=campaign.pk).exists()
    unrated = make_campaign(world.project, world.admin, prompts=1)
    services.next_comparison(by=world.rater, campaign=unrated)
    assert admin.post(page_of("evaluation:campaign-delete", unrated.pk)).status_code == 302
    assert not Campaign.objects.filter(pk=unrated.pk).exists()
