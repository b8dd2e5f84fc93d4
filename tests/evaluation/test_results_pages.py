"""Results."""

import csv
import io

import pytest

from core.models import Role
from evaluation import services
from evaluation.models import Rating
from tests.evaluation.pages import make_rater
from tests.support.factories import (
    FULL_SCORES,
    join,
    make_campaign,
    make_user,
    rate_all,
)
from tests.support.reading import text_of

pytestmark = pytest.mark.django_db


def test_results_name_versions_and_show_intervals(world, as_user, page_of):
    campaign = make_campaign(world.project, world.admin, prompts=4, ratings_per_prompt=2)
    rate_all(campaign, world.rater, ["candidate", "candidate", "tie", "both_bad"], FULL_SCORES)
    rate_all(campaign, make_rater(world), ["candidate", "baseline", "candidate", "candidate"])
    page = as_user(world.viewer).get(page_of("evaluation:campaign", campaign.pk)).content.decode()
    assert "79%" in page  # (5 + ½) / 7
    assert "95% interval" in page and "Rater Member" in page
    assert "4 of 8 ratings came with scores" in page
    assert "Ratings as CSV" not in page  # a viewer exports nothing


def test_raters_see_results_after_close_without_colleagues_names(world, campaign, as_user, page_of):
    colleague = make_rater(world)
    rate_all(campaign, colleague, ["candidate"])
    rater = as_user(world.rater)
    address = page_of("evaluation:campaign", campaign.pk)
    assert rater.get(address).status_code == 403
    services.close_campaign(by=world.admin, campaign=campaign)
    page = rater.get(address)
    assert page.status_code == 200
    assert campaign.name in page.content.decode() and colleague.name not in page.content.decode()
    services.reopen_campaign(by=world.admin, campaign=campaign)
    assert rater.get(address).status_code == 403


def test_an_informed_rater_is_marked(world, campaign, as_user, page_of):
    both = make_user("Two Hats")
    join(world.project, both, Role.RATER, Role.ADMIN)
    rate_all(campaign, both, ["candidate"])
    assert "sees results" in text_of(as_user(world.admin).get(page_of("evaluation:campaign", campaign.pk)))


def test_the_list_of_ratings_filters(world, campaign, as_user, page_of):
    rate_all(campaign, world.rater, ["candidate", "baseline", "both_bad"])
    Rating.objects.filter(choice="both_bad").update(comment="Neither names the port.")
    admin, address = as_user(world.admin), page_of("evaluation:comparisons", campaign.pk)

    def shown(**wanted):
        return admin.get(address, wanted).content.decode().count('<th scope="row">')

    assert shown() == 3
    assert shown(outcome="candidate") == shown(outcome="baseline") == shown(outcome="both_bad") == 1
    assert shown(only="comment") == 1 and shown(q="the port") == 1 and shown(only="correction") == 0
    assert shown(rater=world.rater.pk) == 3 and shown(slice="customs") + shown(slice="delay") == 3
    assert shown(outcome="nonsense") == shown(rater="²") == shown(q="\x00") == 0
    api = f"/api/v1/projects/{campaign.project.slug}/campaigns/"
    for query in (
        f"{campaign.pk}/comparisons/?rater=²",
        f"{campaign.pk}/comparisons/?only=all",
        "?q=%00",
        "?status=x",
    ):
        assert admin.get(api + query).status_code == 422


def test_one_rating_leads_to_both_versions_and_the_example(world, campaign, as_user, page_of):
    held = services.next_comparison(by=world.rater, campaign=campaign)
    services.rate(
        by=world.rater, comparison=held, choice="a", scores=None, corrections={"b": "As it should be."}
    )
    page = as_user(world.viewer).get(page_of("evaluation:comparison", held.public_id)).content.decode()
    for entry in campaign.entries.all():
        assert str(entry.version) in page
        assert page_of("training:version", entry.version_id) in page
    assert page_of("annotation:example", held.corrections.get().example_id) in page
    assert "Rater Member" in page


def test_export_names_versions_and_escapes_formulas(world, campaign, as_user, page_of):
    rate_all(campaign, world.rater, ["candidate", "both_bad"], FULL_SCORES)
    Rating.objects.filter(choice="both_bad").update(comment='=HYPERLINK("https://evil.example")')
    answer = as_user(world.admin).get(page_of("evaluation:ratings-csv", campaign.pk))
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode())))
    candidate = campaign.entries.get(position=1).version
    assert [row["said"] for row in rows] == ["candidate", "both_bad"]
    assert rows[0]["preferred_version"] == rows[0]["candidate_version"] == str(candidate)
    assert rows[0]["accuracy_baseline"] == "4" and rows[0]["rater"] == "Rater Member"
    assert rows[1]["note"].startswith("'=")
