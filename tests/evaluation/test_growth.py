"""A campaign that is open grows: more prompts, more ratings of each, more raters, each growth a stage of its plan."""

import pytest
from django.db import IntegrityError, transaction

from core.errors import Conflict, Invalid, Refused
from core.models import AuditEntry, Membership, Role, Run
from core.runs.control import request_cancel
from core.runs.execution import end_unstarted
from core.tasks import execute_run
from evaluation import services
from evaluation.models import Campaign, Comparison, PlanStage, Prompt, Rating
from evaluation.queries.rating import share_of
from evaluation.services.growth import most_more_prompts
from inference.models import Deployment
from tests.evaluation.engine import fake_engine, make_missing
from tests.evaluation.test_rating_services import _at_once, _rater
from tests.support.factories import join, make_campaign, make_held_out, make_user, make_world, rate_all
from tests.support.reading import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


@pytest.fixture
def campaign(world):
    """Four prompts of the ten that are held out."""
    return _campaign(world)


def _campaign(world, **fields):
    return make_campaign(
        world.project, world.admin, prompts=4, dataset=make_held_out(world.project, rows=10), **fields
    )


def _add(world, campaign, prompts=3):
    return services.add_prompts(by=world.admin, campaign=campaign, prompts=prompts)


def _stages(campaign):
    return list(campaign.plan_stages.values_list("number", "ratings_planned", "rated_before"))


# --- prompts -----------------------------------------------------------------------------------------------
def test_added_prompts_join_when_both_answers_are_there(world, campaign, monkeypatch):
    fake_engine(monkeypatch)
    rate_all(campaign, world.rater, ["tie", "candidate"])
    before = set(campaign.prompts.values_list("row", flat=True))
    _add(world, campaign)
    assert campaign.status == Campaign.Status.OPEN and campaign.run.title.startswith("More answers")
    assert share_of(world.rater, campaign).left == 2  # none of the new ones yet
    added = campaign.prompts.filter(same_answer=None)
    assert added.count() == 3 and not before & set(added.values_list("row", flat=True))
    assert set(added.values_list("row__split", flat=True)) == {"test"}
    assert list(added.values_list("position", flat=True)) == [4, 5, 6]
    make_missing(campaign, at_most=1)
    assert share_of(world.rater, campaign).left == 3
    make_missing(campaign)
    assert share_of(world.rater, campaign).left == 5
    rate_all(campaign, world.rater, ["tie"] * 5)
    assert Comparison.objects.filter(status="rated").values("prompt").distinct().count() == 7
    assert AuditEntry.objects.filter(action="campaign.prompts_joined").count() == 1
    entry = AuditEntry.objects.get(action="campaign.prompts_added")
    assert entry.actor_id == world.admin.pk and entry.detail["rated_before"] == 2


def test_a_prompt_with_one_answer_is_offered_to_nobody(world, campaign, monkeypatch):
    from evaluation.runner import answers

    fake_engine(monkeypatch)
    rate_all(campaign, world.rater, ["tie"] * 4)
    _add(world, campaign, 1)
    prompt, entries = campaign.prompts.get(same_answer=None), list(campaign.entries.all())
    answers.make_answer(campaign, prompt, entries[0])
    assert services.next_comparison(by=world.rater, campaign=campaign) is None
    answers.make_answer(campaign, prompt, entries[1])
    assert services.next_comparison(by=world.rater, campaign=campaign).prompt == prompt


def test_each_growth_is_a_stage_and_the_plan_counts_prompts_that_differ(world, campaign, monkeypatch):
    fake_engine(monkeypatch, lambda version, messages: "Always this.")
    assert _stages(campaign) == [(1, 4, 0)]
    rate_all(campaign, world.rater, ["tie"] * 3)
    _add(world, campaign, 3)
    assert _stages(campaign) == [(1, 4, 0), (2, 7, 3)]
    make_missing(campaign)
    assert _stages(campaign) == [(1, 4, 0), (2, 4, 3)]  # all three were answered alike
    assert campaign.prompts.filter(same_answer=True).count() == 3
    services.add_raters(by=world.admin, campaign=campaign, ratings_per_prompt=3)
    assert _stages(campaign)[-1] == (3, 12, 3)


def test_the_first_stage_settles_when_the_campaign_opens(world, monkeypatch):
    from tests.evaluation.test_campaigns import _plan

    def answer(version, messages):
        return f"{version}" if "question 0 " in messages[-1]["content"] else "Always this."

    fake_engine(monkeypatch, answer)
    campaign = _plan(world, prompts=6, ratings_per_prompt=2)
    assert _stages(campaign) == [(1, 12, 0)]
    make_missing(campaign)
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.OPEN and _stages(campaign) == [(1, 2, 0)]


def test_closing_and_reopening_change_nothing_in_the_plan(world, campaign):
    rate_all(campaign, world.rater, ["tie"] * 2)
    for _ in range(3):
        services.close_campaign(by=world.admin, campaign=campaign)
        services.reopen_campaign(by=world.admin, campaign=campaign)
    assert _stages(campaign) == [(1, 4, 0)] and campaign.ratings_per_prompt == 1
    assert campaign.prompts.count() == 4 and share_of(world.rater, campaign).left == 2


def test_no_more_prompts_than_there_are(world, campaign, monkeypatch):
    fake_engine(monkeypatch)
    assert most_more_prompts(campaign) == 6
    for wrong in (0, 7, 500, -1):
        with pytest.raises(Invalid) as caught:
            _add(world, campaign, wrong)
        assert "Choose 1 to 6" in caught.value.fields["prompts"][0]
    assert campaign.prompts.count() == 4 and _stages(campaign) == [(1, 4, 0)]
    _add(world, campaign, 6)
    make_missing(campaign)
    with pytest.raises(Invalid, match="No prompts can be added"):
        _add(world, campaign, 1)


@pytest.mark.parametrize("status", ["preparing", "closed", "failed"])
def test_only_an_open_campaign_grows(world, campaign, status):
    Campaign.objects.filter(pk=campaign.pk).update(status=status)
    with pytest.raises(Conflict):
        _add(world, campaign)
    with pytest.raises(Conflict):
        services.add_raters(by=world.admin, campaign=campaign, ratings_per_prompt=3)
    assert campaign.prompts.count() == 4 and _stages(campaign) == [(1, 4, 0)]


def test_a_version_that_is_not_served_adds_nothing(world, campaign):
    Deployment.objects.update(wanted=Deployment.Wanted.UNLOADED, status=Deployment.Status.UNLOADED)
    with pytest.raises(Refused, match="No engine serves"):
        _add(world, campaign)
    assert campaign.prompts.count() == 4 and not Run.objects.filter(status="queued").exists()


def test_one_growth_at_a_time(world, campaign):
    _add(world, campaign)
    for grow in (
        lambda: _add(world, campaign),
        lambda: services.add_raters(by=world.admin, campaign=campaign, ratings_per_prompt=2),
        lambda: services.retry_campaign(by=world.admin, campaign=campaign),
        lambda: services.drop_unanswered(by=world.admin, campaign=campaign),
    ):
        with pytest.raises(Conflict):
            grow()
    with pytest.raises(Refused):
        services.delete_campaign(by=world.admin, campaign=campaign)
    assert _stages(campaign) == [(1, 4, 0), (2, 7, 0)]


# --- when the answers cannot be made -----------------------------------------------------------------------
def _fail(campaign):
    end_unstarted(
        campaign.run,
        "failed",
        error_message="No engine serves v1.",
        error_advice="Load it on the Serve page.",
    )


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_a_run_that_ends_badly_leaves_what_there_was_and_can_be_tried_again(
    world, campaign, monkeypatch, end
):
    fake_engine(monkeypatch)
    rate_all(campaign, world.rater, ["tie"])
    _add(world, campaign)
    make_missing(campaign, at_most=1)
    if end == "failed":
        _fail(campaign)
    else:
        request_cancel(by=world.admin, run=campaign.run)
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.OPEN and share_of(world.rater, campaign).left == 4
    assert AuditEntry.objects.filter(action="campaign.growth_failed").count() == 1
    with pytest.raises(Conflict):
        _add(world, campaign)
    services.retry_campaign(by=world.admin, campaign=campaign)
    make_missing(campaign)
    assert share_of(world.rater, campaign).left == 6
    with pytest.raises(Conflict):
        services.retry_campaign(by=world.admin, campaign=campaign)


def test_prompts_without_answers_can_be_dropped(world, campaign, monkeypatch):
    fake_engine(monkeypatch)
    _add(world, campaign, 3)
    make_missing(campaign, at_most=1)
    _fail(campaign)
    campaign.refresh_from_db()
    assert services.drop_unanswered(by=world.admin, campaign=campaign) == 2
    assert campaign.prompts.count() == 5 and _stages(campaign) == [(1, 4, 0), (2, 5, 0)]
    assert most_more_prompts(campaign) == 5
    with pytest.raises(Conflict):
        services.drop_unanswered(by=world.admin, campaign=campaign)


def test_a_stage_that_added_nothing_goes_with_its_prompts(world, campaign):
    _add(world, campaign)
    _fail(campaign)
    campaign.refresh_from_db()
    services.drop_unanswered(by=world.admin, campaign=campaign)
    assert _stages(campaign) == [(1, 4, 0)] and campaign.prompts.count() == 4


def test_a_new_campaign_whose_answers_failed_is_not_dropped_to_nothing(world, campaign):
    Prompt.objects.filter(campaign=campaign).update(same_answer=None)
    with pytest.raises(Conflict, match="No prompts would be left"):
        services.drop_unanswered(by=world.admin, campaign=campaign)
    Campaign.objects.filter(pk=campaign.pk).update(status="failed")
    with pytest.raises(Conflict, match="not open yet"):
        services.drop_unanswered(by=world.admin, campaign=campaign)


def test_a_campaign_closed_meanwhile_gets_its_answers_and_stays_closed(world, campaign, monkeypatch):
    fake_engine(monkeypatch)
    _add(world, campaign)
    services.close_campaign(by=world.admin, campaign=campaign)
    make_missing(campaign)
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.CLOSED
    services.reopen_campaign(by=world.admin, campaign=campaign)
    assert share_of(world.rater, campaign).left == 7


# --- raters ------------------------------------------------------------------------------------------------
def test_more_ratings_per_prompt_are_by_different_people(world, campaign):
    rate_all(campaign, world.rater, ["tie"] * 4)
    colleague = _rater(world.project)
    assert services.next_comparison(by=colleague, campaign=campaign) is None
    stage = services.add_raters(by=world.admin, campaign=campaign, ratings_per_prompt=2)
    assert (stage.number, stage.ratings_planned, stage.rated_before) == (2, 8, 4)
    assert share_of(world.rater, campaign).left == 0 and share_of(colleague, campaign).left == 4
    rate_all(campaign, colleague, ["tie"] * 4)
    entry = AuditEntry.objects.get(action="campaign.ratings_raised")
    assert entry.detail["was"] == 1 and entry.detail["ratings_per_prompt"] == 2


def test_members_get_the_role_and_keep_their_others(world, campaign):
    stage = services.add_raters(
        by=world.admin, campaign=campaign, people=[world.annotator.pk, world.viewer.pk]
    )
    assert stage is None and _stages(campaign) == [(1, 4, 0)]
    roles = dict(Membership.objects.filter(project=world.project).values_list("user", "roles"))
    assert set(roles[world.annotator.pk]) == {Role.ANNOTATOR, Role.RATER}
    assert set(roles[world.viewer.pk]) == {Role.VIEWER, Role.RATER}
    assert AuditEntry.objects.filter(action="member.changed", actor_id=world.admin.pk).count() == 2


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "ratings_per_prompt"),
        ({"ratings_per_prompt": 1}, "ratings_per_prompt"),
        ({"ratings_per_prompt": 0}, "ratings_per_prompt"),
        ({"ratings_per_prompt": 21}, "ratings_per_prompt"),
        ({"people": [999999]}, "people"),
        ({"people": ["rater"]}, "people"),
        ({"people": ["neighbour"], "ratings_per_prompt": 2}, "people"),
    ],
)
def test_what_adds_no_raters_changes_nothing(world, campaign, values, field):
    if "people" in values:
        values = values | {
            "people": [getattr(world, who).pk if isinstance(who, str) else who for who in values["people"]]
        }
    audits = AuditEntry.objects.count()
    with pytest.raises(Invalid) as caught:
        services.add_raters(by=world.admin, campaign=campaign, **values)
    assert field in caught.value.fields
    campaign.refresh_from_db()
    assert campaign.ratings_per_prompt == 1 and _stages(campaign) == [(1, 4, 0)]
    assert AuditEntry.objects.count() == audits


# --- the table of stages -----------------------------------------------------------------------------------
def test_a_stage_number_is_used_once_and_starts_at_one(world, campaign):
    for number in (1, 0):
        with pytest.raises(IntegrityError), transaction.atomic():
            PlanStage.objects.create(
                campaign=campaign, number=number, ratings_planned=1, created_by=world.admin
            )


# --- races -------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_growing_while_people_rate_loses_nothing_and_counts_what_was_in():
    world = make_world()
    campaign = _campaign(world)
    raters = [_rater(world.project) for _ in range(3)]
    held = [services.next_comparison(by=rater, campaign=campaign) for rater in raters]

    def grow():
        return _add(world, Campaign.objects.get(pk=campaign.pk), 2)

    jobs = [
        lambda c=c: services.rate(
            by=c.rater, comparison=Comparison.objects.get(pk=c.pk), choice="tie", scores=None
        )
        for c in held
    ]
    done = _at_once([*jobs, grow, grow])
    stages = [one for one in done if isinstance(one, PlanStage)]
    assert len(stages) == 1 and sum(isinstance(one, Conflict) for one in done) == 1
    assert Rating.objects.count() == 3
    before = Rating.objects.filter(created_at__lt=stages[0].created_at).count()
    assert stages[0].ratings_planned == 6 and abs(stages[0].rated_before - before) <= 1
    assert campaign.prompts.count() == 6 and campaign.plan_stages.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_real_run_adds_prompts_to_an_open_campaign(monkeypatch):
    world = make_world()
    campaign = _campaign(world)
    fake_engine(monkeypatch)
    _add(world, campaign)
    rate_all(campaign, world.rater, ["tie"])
    execute_run(campaign.run_id)
    campaign.refresh_from_db()
    assert campaign.run.status == Run.Status.SUCCEEDED and campaign.run.total == 14
    assert campaign.status == Campaign.Status.OPEN and share_of(world.rater, campaign).left == 6


# --- pages -------------------------------------------------------------------------------------------------
def test_an_admin_adds_prompts_on_the_page(world, campaign, as_user, page_of):
    admin, address = as_user(world.admin), page_of("evaluation:add-prompts", campaign.pk)
    page = admin.get(address)
    assert "6 more can be added" in text_of(page) and 'max="6"' in page.content.decode()
    answer = text_of(admin.get(address, {"prompts": 500}, HTTP_HX_REQUEST="true"))
    assert "There are only 10 prompts" in answer and "What it means" not in answer
    assert admin.get(address, {"prompts": 3}, HTTP_HX_REQUEST="true").context["plan"].ratings == 7
    for wrong in ("500", "0", "x", ""):
        answer = admin.post(address, {"prompts": wrong})
        assert answer.status_code == 422 and b'class="error"' in answer.content
    assert admin.post(address, {"prompts": 3}).status_code == 302
    page = text_of(admin.get(page_of("evaluation:campaign", campaign.pk)))
    assert "The campaign stays open" in page and "The plan grew: 4 ratings at first; 7 ratings since" in page
    assert admin.post(address, {"prompts": 3}).status_code == 409


def test_the_page_says_what_a_failed_run_left_and_what_to_do(world, campaign, as_user, page_of):
    admin = as_user(world.admin)
    _add(world, campaign)
    _fail(campaign)
    page = text_of(admin.get(page_of("evaluation:campaign", campaign.pk)))
    assert "3 prompts have no answers yet" in page and "No engine serves v1. Load it" in page
    assert "Make their answers" in page and "Drop them" in page
    assert "3 prompts of" in text_of(admin.get(page_of("core:home")))
    assert "Drop them" not in text_of(as_user(world.viewer).get(page_of("evaluation:campaign", campaign.pk)))
    assert admin.post(page_of("evaluation:drop-unanswered", campaign.pk)).status_code == 302
    assert "no answers yet" not in text_of(admin.get(page_of("evaluation:campaign", campaign.pk)))


def test_an_admin_adds_raters_on_the_page(world, campaign, as_user, page_of):
    admin, address = as_user(world.admin), page_of("evaluation:add-raters", campaign.pk)
    page = text_of(admin.get(address))
    assert "Annotator Member" in page and "Rater Member" not in page and "Neighbour" not in page
    typed = {"ratings_per_prompt": 2, "people": world.annotator.pk}
    plan = admin.get(address, typed, HTTP_HX_REQUEST="true").context["plan"]
    assert (plan.ratings, plan.raters) == (8, 2)
    for wrong in (
        {"ratings_per_prompt": 0},
        {"ratings_per_prompt": 1},
        {"ratings_per_prompt": "x"},
        {"ratings_per_prompt": 1, "people": "x"},
        {"ratings_per_prompt": 1, "people": world.neighbour.pk},
    ):
        assert admin.post(address, wrong).status_code == 422, wrong
    answer = admin.post(address, {"ratings_per_prompt": 2, "people": [world.annotator.pk]})
    assert answer.status_code == 302
    campaign.refresh_from_db()
    assert campaign.ratings_per_prompt == 2
    assert Role.RATER in Membership.objects.get(project=world.project, user=world.annotator).roles


def test_the_page_says_when_all_planned_ratings_are_in(world, campaign, as_user, page_of):
    admin, address = as_user(world.admin), page_of("evaluation:campaign", campaign.pk)
    assert "planned ratings are in" not in text_of(admin.get(address))
    rate_all(campaign, world.rater, ["tie"] * 4)
    assert services.next_comparison(by=_rater(world.project), campaign=campaign) is None
    assert "All 4 planned ratings are in. Raters get no more comparisons" in text_of(admin.get(address))


def test_the_page_says_when_too_few_people_rate(world, as_user, page_of):
    campaign = _campaign(world, ratings_per_prompt=3)
    page = text_of(as_user(world.admin).get(page_of("evaluation:campaign", campaign.pk)))
    assert "by 3 different people, and 1 person has the role rater" in page


def test_an_empty_rest_says_what_else_helps(world, as_user, page_of):
    campaign = make_campaign(world.project, world.admin, prompts=2)
    page = text_of(as_user(world.admin).get(page_of("evaluation:add-prompts", campaign.pk)))
    assert "No prompts are left" in page and "add raters" in page


def test_the_new_campaign_form_never_plans_more_prompts_than_there_are(world, as_user, page_of):
    dataset = make_held_out(world.project, rows=6)
    admin, api = as_user(world.admin), f"/api/v1/projects/{world.project.slug}/campaigns/plan/"
    page = admin.get(page_of("evaluation:campaign-new")).content.decode()
    assert 'max="6"' in page
    asked = {"prompts": 500, "ratings_per_prompt": 1, "dataset": dataset.pk}
    answer = admin.get(page_of("evaluation:campaign-preview"), asked)
    assert "There are only 6 prompts. The figures are for 6." in text_of(answer)
    assert answer.context["plan"].ratings == 6
    answer = admin.post(page_of("evaluation:campaign-new"), asked)
    assert "has no more test prompts" in answer.content.decode()
    answer = admin.get(api, asked)
    assert answer.status_code == 422 and "Choose 1 to 6" in answer.json()["fields"]["prompts"][0]
    assert admin.get(api, asked | {"prompts": 6}).json()["ratings"] == 6
    assert admin.get(api, asked | {"dataset": 999999}).status_code == 422


# --- API ---------------------------------------------------------------------------------------------------
def test_a_campaign_grows_by_program(world, campaign, as_user, monkeypatch):
    fake_engine(monkeypatch)
    admin, api = as_user(world.admin), f"/api/v1/projects/{world.project.slug}/campaigns/{campaign.pk}"

    def post(path, body):
        return admin.post(f"{api}/{path}/", body, content_type="application/json")

    assert admin.get(f"{api}/gaps/").json()["prompts_left"] == 6
    made = post("prompts", {"prompts": 2})
    assert made.status_code == 201 and made.json()["status"] == "open" and made.json()["wanted"] == 6
    stages = [(s["number"], s["ratings_planned"], s["rated_before"]) for s in made.json()["plan_stages"]]
    assert stages == [(1, 4, 0), (2, 6, 0)]
    assert post("prompts", {"prompts": 1}).status_code == 409
    campaign.refresh_from_db()
    _fail(campaign)
    assert admin.get(f"{api}/gaps/").json()["unanswered"] == 2
    assert admin.delete(f"{api}/prompts/").json()["wanted"] == 4
    for wrong in ({"prompts": 0}, {"prompts": 7}, {"prompts": "x"}, {}, [1]):
        assert post("prompts", wrong).status_code in (400, 422), wrong
    grown = post("raters", {"ratings_per_prompt": 2, "people": [world.annotator.pk]})
    assert grown.status_code == 200 and grown.json()["ratings_per_prompt"] == 2
    for wrong in ({}, {"people": "x"}, {"people": [world.neighbour.pk]}, {"ratings_per_prompt": 1}):
        assert post("raters", wrong).status_code == 422, wrong


def test_the_campaign_page_costs_the_same_however_often_it_grew(world, campaign, as_user, page_of):
    from tests.evaluation.test_page_costs import _queries

    client, address = as_user(world.admin), page_of("evaluation:campaign", campaign.pk)
    before = _queries(client, address)
    for per_prompt in (2, 3, 4):
        services.add_raters(by=world.admin, campaign=campaign, ratings_per_prompt=per_prompt)
        user = make_user()
        join(world.project, user, Role.RATER)
    assert _queries(client, address) <= before
