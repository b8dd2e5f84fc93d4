"""Blind."""

import re

import pytest
from django.db import connection

from core.models import Role
from evaluation.models import Comparison
from tests.evaluation.pages import HTMX, _say, make_rater
from tests.support.factories import (
    FULL_SCORES,
    join,
    make_campaign,
    make_user,
    make_world,
    rate_all,
)

pytestmark = pytest.mark.django_db


def _identities(campaign):
    """Everything by which a side, a version or the campaign could be told, as it would be written."""
    found = {campaign.name, campaign.dataset.content_hash}
    for entry in campaign.entries.select_related("version__base_model"):
        version = entry.version
        found |= {
            str(version),
            version.served_name,
            version.base_model.name,
            version.base_model.slug,
            f"entry-{entry.pk}",
            str(entry.pk),
            str(version.pk),
        }
        for answer in entry.answers.select_related("answer"):
            found |= {
                str(answer.pk),
                str(answer.answer_id),
                str(answer.answer.public_id),
                str(answer.answer.duration_ms),
            }
    return found


@pytest.fixture
def telling():
    """A campaign whose ids are so large that no other number on a page can look like them."""
    tables = ["evaluation_entry", "evaluation_campaignanswer", "inference_answer", "training_modelversion"]
    with connection.cursor() as cursor:
        for position, table in enumerate(tables):
            cursor.execute(f"ALTER SEQUENCE {table}_id_seq RESTART WITH {770_000_000 + position * 1_000_000}")
    world = make_world()
    campaign = make_campaign(world.project, world.admin, prompts=3, ratings_per_prompt=2)
    yield world, campaign
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER SEQUENCE {table}_id_seq RESTART WITH 1")


def _assert_blind(response, identities):
    told = response.content.decode() + str(dict(response.headers)) + str(response.cookies)
    for identity in identities:
        # As a word of its own: a CSRF token may hold any two letters.
        found = re.search(rf"(?<!\w){re.escape(identity)}(?!\w)", told)
        assert not found, f"{identity} is told by {response.request['PATH_INFO']}"


def test_no_page_a_rater_can_reach_tells_who_is_who(telling, as_user):
    from django.urls import reverse

    world, campaign = telling
    slug = world.project.slug
    rater = as_user(world.rater)
    identities = _identities(campaign)
    assert len(identities) > 20
    with pytest.raises(AssertionError, match="is told by"):  # the search itself finds what is there
        _assert_blind(as_user(world.admin).get(reverse("evaluation:home", args=[slug])), identities)

    def page(name, *args):
        return reverse(name, args=[slug, *args])

    rate_all(campaign, make_rater(world), ["candidate", "baseline", "both_bad"], FULL_SCORES)
    seen = [
        rater.get(page("core:home")),
        rater.get(page("core:loop")),
        rater.get(reverse("core:me")),
        rater.get(page("evaluation:home")),
        rater.get(page("evaluation:rate", campaign.pk)),
    ]
    held = Comparison.objects.get(rater=world.rater)
    own = page("evaluation:rate-comparison", held.public_id)
    seen += [
        rater.get(own),
        rater.post(own, {"choice": ""}, **HTMX),
        rater.post(page("evaluation:rate-hold", held.public_id)),
        rater.post(own, _say(correction_a="As it should be."), **HTMX),
        rater.get(own),
        rater.post(own, _say(change="1", choice="b"), **HTMX),
        rater.post(own, _say(), **HTMX),
        rater.get(page("evaluation:campaign", campaign.pk)),
        rater.get(page("evaluation:comparisons", campaign.pk)),
        rater.get(page("evaluation:comparison", held.public_id)),
        rater.get(page("evaluation:ratings-csv", campaign.pk)),
    ]
    api = f"/api/v1/projects/{slug}"
    seen += [
        rater.get(f"{api}/rating/"),
        rater.post(f"{api}/campaigns/{campaign.pk}/next/"),
        rater.get(f"{api}/rating/{held.public_id}/"),
        rater.get(f"{api}/campaigns/"),
        rater.get(f"{api}/campaigns/{campaign.pk}/"),
        rater.get(f"{api}/campaigns/{campaign.pk}/results/"),
        rater.get(f"{api}/campaigns/{campaign.pk}/comparisons/"),
        rater.get(f"{api}/comparisons/{held.public_id}/"),
        rater.get(f"{api}/loop/"),
    ]
    # Somebody who also annotates sees where the correction came from, and no more.
    join(world.project, (both := make_user()), Role.RATER, Role.ANNOTATOR, Role.REVIEWER)
    annotator = as_user(both)
    example = held.corrections.get().example_id
    seen += [
        rater.get(reverse("core:start")),
        rater.get(page("core:project-menu")),
        rater.get(page("inference:home")),
        rater.get(page("inference:chat")),
        annotator.get(page("core:home")),
        annotator.get(page("annotation:overview")),
        annotator.get(page("annotation:examples")),
        annotator.get(page("annotation:example", example)),
        annotator.get(f"{api}/examples/{example}/"),
        annotator.get(page("evaluation:comparison", held.public_id)),
    ]
    assert "corrected while rating" in seen[-3].content.decode().lower()
    assert sum(response.status_code == 200 for response in seen) >= 20
    for response in seen:
        _assert_blind(response, identities)


def test_the_two_sides_look_alike(world, campaign, as_user, page_of):
    """Nothing but the side's name and the text differs between the two answers' markup."""
    page = as_user(world.rater).get(page_of("evaluation:rate", campaign.pk)).content.decode()
    left, right = (part.split("</article>")[0] for part in page.split("<article")[1:3])

    def shape(part):
        part = re.sub(r'\s+data-key="c"\s+data-key-label="[^"]*"', "", part)
        part = re.sub(r"\s+", " ", part)
        part = re.sub(r'"b"|-b\b|_b\b', lambda found: found[0].replace("b", "a"), part)
        part = re.sub(r"(</span>|Answer )[AB]\b", r"\1SIDE", part)
        return re.sub(r"Answer</strong> [ab]|Answer\*\* [ab]", "ANSWER", part)

    assert shape(left) == shape(right)
