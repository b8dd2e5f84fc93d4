"""Votes on answers that may come from other weights: set aside with a reason, brought back, asked for again."""

import csv
import io

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from core.errors import Conflict, Invalid
from core.models import AuditEntry, Role
from core.runs.execution import end_unstarted
from evaluation import services
from evaluation.models import Campaign, CampaignAnswer, Comparison, Prompt, Rating
from evaluation.queries import results_of
from evaluation.queries.gaps import gaps_of
from evaluation.queries.rating import share_of
from inference.models import Answer, Deployment
from tests.evaluation.engine import fake_engine, make_missing
from tests.evaluation.test_rating_services import _at_once, _rater
from tests.support.factories import FULL_SCORES, make_campaign, make_world, rate_all
from tests.support.reading import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]
DOUBT = "Engine 1 answered with other weights between 14:02 and 14:10."


def _doubt(campaign, *positions, entry=0):
    """Marks an answer of the prompts at these positions, as the engine's check does."""
    return Answer.objects.filter(
        campaign_answer__prompt__campaign=campaign,
        campaign_answer__prompt__position__in=positions,
        campaign_answer__entry__position=entry,
    ).update(doubt=DOUBT)


def _set_aside(world, campaign, reason="Base answers held another adapter."):
    return services.set_aside(by=world.admin, campaign=campaign, reason=reason)


@pytest.fixture
def doubted(world):
    """Four prompts, all rated; an answer of two of them is in doubt."""
    campaign = make_campaign(world.project, world.admin, prompts=4)
    rate_all(campaign, world.rater, ["candidate", "candidate", "baseline", "tie"], FULL_SCORES)
    assert _doubt(campaign, 0, 1) == 2
    return campaign


def _results(campaign):
    return results_of([campaign])[campaign.pk]


# --- setting aside -----------------------------------------------------------------------------------------
def test_votes_set_aside_count_nowhere_and_come_back(world, doubted):
    before = _results(doubted)
    assert _set_aside(world, doubted) == 2
    results = _results(doubted)
    assert before.n == 4 and results.n == 2 and results.scored == 2
    assert {v.comparison.prompt.position for v in Rating.objects.counted()} == {2, 3}
    aside = Rating.objects.filter(set_aside_at__isnull=False)
    assert {(v.set_aside_by, v.set_aside_reason) for v in aside} == {
        (world.admin, "Base answers held another adapter.")
    }
    assert aside.count() == 2 and doubted.comparisons.filter(status="rated").count() == 4
    entry = AuditEntry.objects.get(action="ratings.set_aside")
    assert entry.detail["votes"] == 2 and "another adapter" in entry.detail["reason"]
    assert services.undo_set_aside(by=world.admin, campaign=doubted) == 2
    assert _results(doubted).n == 4
    assert AuditEntry.objects.filter(action="ratings.set_aside_undone").count() == 1


def test_votes_on_answers_without_doubt_cannot_be_set_aside(world):
    campaign = make_campaign(world.project, world.admin, prompts=2)
    rate_all(campaign, world.rater, ["baseline", "baseline"])
    with pytest.raises(Conflict):
        _set_aside(world, campaign)
    with pytest.raises(Conflict):
        services.undo_set_aside(by=world.admin, campaign=campaign)
    assert Rating.objects.counted().count() == 2 and not AuditEntry.objects.filter(
        action__startswith="ratings."
    )


@pytest.mark.parametrize("reason", ["", "  \n ", "x" * 2001])
def test_a_reason_is_needed(world, doubted, reason):
    with pytest.raises(Invalid) as caught:
        _set_aside(world, doubted, reason)
    assert "reason" in caught.value.fields and Rating.objects.counted().count() == 4


def test_a_vote_that_comes_late_is_in_doubt_too_and_a_doubt_on_either_answer_counts(world, doubted):
    _set_aside(world, doubted)
    _doubt(doubted, 2, entry=1)
    assert gaps_of(doubted).votes_in_doubt == 1
    assert _set_aside(world, doubted, "The candidate too.") == 1
    assert Rating.objects.counted().count() == 1


def test_the_database_wants_all_three_or_none(world, doubted):
    rating = Rating.objects.first()
    for broken in (
        {"set_aside_at": timezone.now()},
        {"set_aside_reason": "Because."},
        {"set_aside_at": timezone.now(), "set_aside_by": world.admin},
        {"set_aside_by": world.admin, "set_aside_reason": "Because."},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Rating.objects.filter(pk=rating.pk).update(**broken)


# --- what raters are asked ---------------------------------------------------------------------------------
def test_a_prompt_in_doubt_is_offered_to_nobody(world):
    campaign = make_campaign(world.project, world.admin, prompts=3)
    _doubt(campaign, 0, 1)
    assert share_of(world.rater, campaign).left == 1
    assert services.next_comparison(by=world.rater, campaign=campaign).prompt.position == 2
    gaps = gaps_of(campaign)
    assert (gaps.in_doubt, gaps.remakable, gaps.votes_in_doubt) == (2, 2, 0)


def test_a_pair_in_somebodys_hands_is_taken_back_when_a_doubt_comes_up(world):
    campaign = make_campaign(world.project, world.admin, prompts=2)
    held = services.next_comparison(by=world.rater, campaign=campaign)
    _doubt(campaign, held.prompt.position)
    after = services.next_comparison(by=world.rater, campaign=campaign)
    held.refresh_from_db()
    assert after.prompt_id != held.prompt_id and held.status == Comparison.Status.EXPIRED
    # What was decided meanwhile is kept, and is in doubt.
    services.rate(by=world.rater, comparison=held, choice="a", scores=None)
    assert gaps_of(campaign).votes_in_doubt == 1


def test_votes_set_aside_do_not_bring_the_prompt_back_by_themselves(world, doubted):
    _set_aside(world, doubted)
    assert services.next_comparison(by=_rater(world.project), campaign=doubted) is None


# --- making answers again ----------------------------------------------------------------------------------
def test_answers_made_again_are_rated_again_and_the_old_votes_stay_with_the_old_answers(
    world, doubted, monkeypatch
):
    fake_engine(monkeypatch)
    _set_aside(world, doubted)
    old = {c.pk: (c.a_id, c.b_id) for c in doubted.comparisons.filter(prompt__position__in=[0, 1])}
    assert services.remake_answers(by=world.admin, campaign=doubted) == 2
    assert share_of(world.rater, doubted).left == 0  # not before the answers are there
    make_missing(doubted)
    assert share_of(world.rater, doubted).left == 2
    rate_all(doubted, world.rater, ["baseline", "baseline"])
    results = _results(doubted)
    assert (results.n, results.prompts, results.wanted) == (4, 4, 4) and results.losses >= 2
    for comparison in Comparison.objects.filter(pk__in=old).select_related("a__answer"):
        assert (comparison.a_id, comparison.b_id) == old[comparison.pk]
        assert comparison.a.answer.text.startswith("**Answer**")
    assert gaps_of(doubted).in_doubt == 0
    with pytest.raises(Conflict):  # the prompt is rated on its new answers now
        services.undo_set_aside(by=world.admin, campaign=doubted)
    assert doubted.plan_stages.get().ratings_planned == 4


def test_prompts_nobody_saw_just_get_new_answers(world, monkeypatch):
    fake_engine(monkeypatch)
    campaign = make_campaign(world.project, world.admin, prompts=3)
    campaign.prompts.filter(position=2).update(same_answer=True)
    _doubt(campaign, 1, 2)
    old = set(CampaignAnswer.objects.filter(prompt__position__in=[1, 2]).values_list("answer", flat=True))
    services.remake_answers(by=world.admin, campaign=campaign)
    make_missing(campaign)
    assert campaign.prompts.count() == 3 and share_of(world.rater, campaign).left == 3
    assert not CampaignAnswer.objects.filter(answer__in=old).exists()
    assert Answer.objects.filter(pk__in=old).count() == 4  # the answer log keeps them
    assert campaign.plan_stages.get().ratings_planned == 3


def test_answers_with_votes_that_count_are_not_made_again(world, doubted):
    assert gaps_of(doubted).remakable == 0
    with pytest.raises(Conflict, match="Set such votes aside first"):
        services.remake_answers(by=world.admin, campaign=doubted)
    assert Prompt.objects.count() == 4 and CampaignAnswer.objects.count() == 8


def test_a_pair_whose_answers_are_made_again_takes_no_late_rating(world, monkeypatch):
    campaign = make_campaign(world.project, world.admin, prompts=1)
    held = services.next_comparison(by=world.rater, campaign=campaign)
    _doubt(campaign, 0)
    services.remake_answers(by=world.admin, campaign=campaign)
    with pytest.raises(Conflict, match="made again"):
        services.rate(by=world.rater, comparison=held, choice="a", scores=None)
    with pytest.raises(Conflict):
        services.hold(by=world.rater, comparison=held)
    assert not Rating.objects.exists()


def test_a_failed_run_can_be_dropped_and_the_earlier_answers_are_back_in_doubt(world, doubted):
    _set_aside(world, doubted)
    services.remake_answers(by=world.admin, campaign=doubted)
    assert gaps_of(doubted).unanswered == 2 and gaps_of(doubted).in_doubt == 0
    end_unstarted(doubted.run, "failed", error_message="No engine.")
    doubted.refresh_from_db()
    assert services.drop_unanswered(by=world.admin, campaign=doubted) == 2
    gaps = gaps_of(doubted)
    assert (gaps.unanswered, gaps.in_doubt, gaps.returnable) == (0, 2, 2)
    assert doubted.plan_stages.get().ratings_planned == 4
    services.undo_set_aside(by=world.admin, campaign=doubted)
    assert _results(doubted).n == 4


def test_answers_in_doubt_once_more_can_be_made_again_once_more(world, doubted, monkeypatch):
    fake_engine(monkeypatch)
    for _ in range(2):
        _set_aside(world, doubted)
        services.remake_answers(by=world.admin, campaign=doubted)
        make_missing(doubted)
        rate_all(doubted, world.rater, ["candidate", "candidate"])
        _doubt(doubted, 0, 1)
    assert gaps_of(doubted).votes_in_doubt == 2 and _results(doubted).prompts == 4


@pytest.mark.parametrize("status", ["closed", "preparing", "failed"])
def test_only_an_open_campaign_makes_answers_again(world, doubted, status):
    _set_aside(world, doubted)
    Campaign.objects.filter(pk=doubted.pk).update(status=status)
    with pytest.raises(Conflict):
        services.remake_answers(by=world.admin, campaign=doubted)


def test_nothing_is_made_again_while_a_version_is_not_served(world, doubted):
    from core.errors import Refused

    _set_aside(world, doubted)
    Deployment.objects.update(wanted=Deployment.Wanted.UNLOADED, status=Deployment.Status.UNLOADED)
    with pytest.raises(Refused):
        services.remake_answers(by=world.admin, campaign=doubted)
    assert Prompt.objects.count() == 4


# --- races -------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_rating_and_making_again_at_once_leave_no_vote_on_both():
    world = make_world()
    campaign = make_campaign(world.project, world.admin, prompts=3)
    held = services.next_comparison(by=world.rater, campaign=campaign)
    _doubt(campaign, held.prompt.position)

    def make_again():
        return services.remake_answers(by=world.admin, campaign=Campaign.objects.get(pk=campaign.pk))

    def say():
        return services.rate(
            by=world.rater, comparison=Comparison.objects.get(pk=held.pk), choice="tie", scores=None
        )

    done = _at_once([say, make_again])
    replaced = Prompt.objects.filter(replaces=held.prompt_id).exists()
    assert sum(isinstance(one, Conflict) for one in done) == 1
    assert Rating.objects.exists() != replaced


@pytest.mark.django_db(transaction=True)
def test_two_admins_set_aside_once():
    world = make_world()
    campaign = make_campaign(world.project, world.admin, prompts=2)
    rate_all(campaign, world.rater, ["tie", "tie"])
    _doubt(campaign, 0, 1)
    done = _at_once([lambda: _set_aside(world, Campaign.objects.get(pk=campaign.pk))] * 2)
    assert sum(one == 2 for one in done) == 1 and sum(isinstance(one, Conflict) for one in done) == 1
    assert AuditEntry.objects.filter(action="ratings.set_aside").count() == 1


# --- pages -------------------------------------------------------------------------------------------------
def test_an_admin_sets_votes_aside_on_the_page_and_makes_the_answers_again(
    world, doubted, as_user, page_of, monkeypatch
):
    admin, address = as_user(world.admin), page_of("evaluation:campaign", doubted.pk)
    page = text_of(admin.get(address))
    assert "2 votes are based on answers that may come from other weights" in page
    assert "Raters are not asked about 2 prompts" in page and "Make these answers again" not in page
    aside = page_of("evaluation:set-aside", doubted.pk)
    assert "Single votes cannot be chosen" in text_of(admin.get(aside))
    for wrong in ({}, {"reason": "  "}, {"reason": "x" * 2001}):
        assert admin.post(aside, wrong).status_code == 422, wrong
    assert admin.post(aside, {"reason": "Wrong weights."}).status_code == 302
    page = text_of(admin.get(address))
    assert "2 votes on answers in doubt are set aside" in page and "Make these answers again" in page
    assert admin.post(aside, {"reason": "Again."}).status_code == 409
    assert admin.post(page_of("evaluation:undo-set-aside", doubted.pk)).status_code == 302
    assert Rating.objects.counted().count() == 4
    admin.post(aside, {"reason": "Wrong weights."})
    assert admin.post(page_of("evaluation:remake-answers", doubted.pk)).status_code == 302
    page = text_of(admin.get(address))
    assert "The campaign stays open" in page and "Count them again" not in page
    assert admin.post(page_of("evaluation:remake-answers", doubted.pk)).status_code == 409


def test_the_first_screen_tells_the_admin(world, doubted, as_user, page_of):
    page = text_of(as_user(world.admin).get(page_of("core:home")))
    assert "2 votes of" in page and "are on answers in doubt" in page
    assert "in doubt" not in text_of(as_user(world.rater).get(page_of("core:home")))
    _set_aside(world, doubted)
    assert "in doubt" not in text_of(as_user(world.admin).get(page_of("core:home")))


def test_marks_show_wherever_votes_are_listed(world, doubted, as_user, page_of):
    viewer, address = as_user(world.viewer), page_of("evaluation:comparisons", doubted.pk)

    def shown(**wanted):
        return viewer.get(address, wanted).content.decode().count('<th scope="row">')

    assert shown(only="doubt") == 2 and shown(only="set_aside") == 0 and shown() == 4
    assert viewer.get(address).content.decode().count('<span class="tag warn">answer in doubt') == 2
    _set_aside(world, doubted, "Wrong weights.")
    assert shown(only="set_aside") == 2 and shown() == 4
    assert viewer.get(address).content.decode().count('<span class="tag warn">set aside') == 2
    vote = Rating.objects.filter(set_aside_at__isnull=False).first()
    page = text_of(viewer.get(page_of("evaluation:comparison", vote.comparison.public_id)))
    assert "this vote does not count" in page and "Wrong weights." in page and DOUBT in page
    rows = list(
        csv.DictReader(
            io.StringIO(
                b"".join(as_user(world.admin).get(page_of("evaluation:ratings-csv", doubted.pk))).decode()
            )
        )
    )
    assert [row["set_aside_reason"] for row in rows].count("Wrong weights.") == 2
    assert [row["baseline_doubt"] for row in rows].count(DOUBT) == 2 and not any(
        row["candidate_doubt"] for row in rows
    )
    assert {row["set_aside_by"] for row in rows} == {"", "Admin Member"}


def test_a_viewer_sees_it_and_a_rater_does_not(world, doubted, as_user, page_of):
    page = text_of(as_user(world.viewer).get(page_of("evaluation:campaign", doubted.pk)))
    assert "2 votes are based on answers" in page and "Set them aside" not in page
    services.close_campaign(by=world.admin, campaign=doubted)
    page = as_user(world.rater).get(page_of("evaluation:campaign", doubted.pk))
    assert page.status_code == 200 and "other weights" not in text_of(page)


@pytest.mark.parametrize("name", ["set-aside", "undo-set-aside", "remake-answers", "drop-unanswered"])
def test_only_admins_change_what_counts(world, doubted, as_user, page_of, name):
    address = page_of(f"evaluation:{name}", doubted.pk)
    for role, person in world.people().items():
        if role != Role.ADMIN:
            expected = 403 if role in Role.values else 404
            assert as_user(person).post(address, {"reason": "I do not like them."}).status_code == expected, (
                role
            )
    assert as_user(None).post(address).status_code == 302
    assert Rating.objects.counted().count() == 4


# --- API ---------------------------------------------------------------------------------------------------
def test_votes_are_set_aside_by_program(world, doubted, as_user):
    admin, api = as_user(world.admin), f"/api/v1/projects/{world.project.slug}"
    one = f"{api}/campaigns/{doubted.pk}"
    gaps = admin.get(f"{one}/gaps/").json()
    assert gaps["votes_in_doubt"] == 2 and gaps["in_doubt"] == 2 and gaps["remakable"] == 0

    def post(path, body=None):
        return admin.post(f"{one}/{path}/", body or {}, content_type="application/json")

    for wrong in ({}, {"reason": ""}, {"reason": "x" * 2001}, {"reason": ["x"]}):
        assert post("set-aside", wrong).status_code == 422, wrong
    answer = post("set-aside", {"reason": "Wrong weights."})
    assert answer.status_code == 200 and (answer.json()["ratings"], answer.json()["set_aside"]) == (2, 2)
    assert post("set-aside", {"reason": "Again."}).status_code == 409
    listed = admin.get(f"{one}/comparisons/?only=set_aside").json()["results"]
    assert len(listed) == 2 and listed[0]["set_aside"]["reason"] == "Wrong weights."
    assert listed[0]["set_aside"]["by"]["name"] == "Admin Member"
    assert DOUBT in (listed[0]["a"]["doubt"], listed[0]["b"]["doubt"])
    assert admin.get(f"{one}/results/").json()["n"] == 2
    assert admin.delete(f"{one}/set-aside/").json()["ratings"] == 4
    assert admin.get(f"{one}/comparisons/").json()["results"][0]["set_aside"] is None
    assert post("make-again").status_code == 409
    post("set-aside", {"reason": "Wrong weights."})
    assert post("make-again").json()["run"]["status"] == "queued"
    for person in (world.viewer, world.rater):
        assert as_user(person).post(f"{one}/set-aside/").status_code == 403


# --- cost --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["evaluation:campaign", "evaluation:comparisons"])
def test_doubts_cost_the_same_however_many(world, as_user, page_of, name):
    from tests.evaluation.test_page_costs import _queries

    campaign = make_campaign(world.project, world.admin, prompts=8)
    client, address = as_user(world.admin), page_of(name, campaign.pk)
    rate_all(campaign, world.rater, ["tie"] * 2)
    _doubt(campaign, *range(8))
    before = _queries(client, address)
    Answer.objects.update(doubt="")
    rate_all(campaign, world.rater, ["tie"] * 6)
    _doubt(campaign, *range(8))
    assert _queries(client, address) <= before
