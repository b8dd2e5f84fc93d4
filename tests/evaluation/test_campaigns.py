"""Making a campaign's answers, its life, and its API."""

import threading

import pytest

from core.errors import Conflict, Invalid, PartAway, Refused
from core.models import AuditEntry, Role, Run
from core.runs.context import RunContext, RunFailed
from core.tasks import execute_run
from dataset.models import DatasetRow
from evaluation import services
from evaluation.models import Campaign, CampaignAnswer, Comparison, Entry, Prompt, Rating, RatingDraft
from evaluation.queries import results_by_version, results_for, results_of
from evaluation.runner import answers
from evaluation.services.growth import most_more_prompts
from evaluation.statistics.votes import ASSUMED_CORRELATION
from inference.models import Answer, Deployment
from tests.evaluation.engine import fake_engine
from tests.inference.conftest import answering, control, served  # noqa: F401 - fixtures
from tests.support.factories import (
    FULL_SCORES,
    join,
    make_campaign,
    make_held_out,
    make_pair,
    make_user,
    make_world,
    rate_all,
)

pytestmark = pytest.mark.django_db


def _plan(world, **values):
    baseline, candidate = values.pop("versions", None) or make_pair(world.project, world.admin)
    dataset = values.pop("dataset", None) or make_held_out(world.project, rows=6)
    defaults = {"name": "v1 against base", "prompts": 3, "ratings_per_prompt": 2}
    return services.create_campaign(
        by=world.admin,
        project=world.project,
        baseline=baseline,
        candidate=candidate,
        dataset=dataset,
        **(defaults | values),
    )


# --- making answers ----------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_all_answers_are_made_and_the_campaign_opens_by_itself(monkeypatch, sent):
    world = make_world()
    asked = fake_engine(monkeypatch)
    campaign = _plan(world)
    execute_run(campaign.run_id)
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.OPEN and campaign.opened_at is not None
    assert len(asked) == 6 and CampaignAnswer.objects.count() == 6
    assert campaign.run.status == Run.Status.SUCCEEDED and campaign.run.done == campaign.run.total == 6
    assert AuditEntry.objects.filter(action="campaign.opened").count() == 1
    for answer in CampaignAnswer.objects.select_related("answer", "entry"):
        assert answer.answer.version_id == answer.entry.version_id
        assert answer.answer.params == campaign.params


@pytest.mark.django_db(transaction=True)
def test_a_stopped_run_keeps_its_answers_and_goes_on_from_there(monkeypatch, sent):
    world = make_world()
    monkeypatch.setattr(answers, "AT_ONCE", 1)
    # Two answers of one prompt: it can be rated, so the campaign is open. One of two: nothing can be rated.
    for made, status in ((1, Campaign.Status.FAILED), (2, Campaign.Status.OPEN)):
        fake_engine(monkeypatch, fail_after=made)
        campaign = _plan(world, name=f"After {made}")
        execute_run(campaign.run_id)
        campaign.refresh_from_db()
        assert campaign.status == status
    CampaignAnswer.objects.exclude(prompt__campaign=campaign).delete()
    assert campaign.run.error_code == "engine_away" and "kept" in campaign.run.error_advice
    kept = set(CampaignAnswer.objects.values_list("answer_id", flat=True))
    assert len(kept) == 2
    asked = fake_engine(monkeypatch)
    services.retry_campaign(by=world.admin, campaign=campaign)
    execute_run(campaign.run_id)
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.OPEN and len(asked) == 4
    assert kept < set(CampaignAnswer.objects.values_list("answer_id", flat=True))


@pytest.mark.django_db(transaction=True)
def test_a_campaign_is_rated_while_its_answers_are_made_and_judged_when_they_are(monkeypatch, sent):
    world = make_world()
    monkeypatch.setattr(answers, "AT_ONCE", 1)
    seen = []

    def answer(version, messages):
        found = Campaign.objects.get(name="Raised")
        offered = Prompt.objects.offered().filter(campaign=found)
        seen.append((found.status, offered.count()))
        held = services.next_comparison(by=world.rater, campaign=found) if found.status == "open" else None
        if held is not None:
            # Both answers exist before anybody gets the comparison.
            assert CampaignAnswer.objects.filter(prompt=held.prompt).count() == 2
            services.rate(by=world.rater, comparison=held, choice="a", scores=None)
            results = results_of([found])[found.pk]
            assert results.n == Rating.objects.count() and results.verdict.settled is None
            assert "answers are being made" in results.verdict.says and not results.verdict.looks
        return f"{version} on {messages[-1]['content']}"

    fake_engine(monkeypatch, answer)
    campaign = _plan(
        world, name="Raised", dataset=make_held_out(world.project, rows=8), prompts=8, ratings_per_prompt=1
    )
    execute_run(campaign.run_id)
    campaign.refresh_from_db()
    assert seen[:3] == [("preparing", 0), ("preparing", 0), ("open", 1)]
    assert campaign.status == Campaign.Status.OPEN and Rating.objects.count() > 3
    assert AuditEntry.objects.filter(action="campaign.opened").count() == 1
    assert AuditEntry.objects.filter(action="campaign.answered").count() == 1
    judged = results_of([campaign])[campaign.pk].verdict
    assert judged.looks and judged.planned == 8


@pytest.mark.django_db(transaction=True)
def test_the_first_plan_cannot_shrink_once_people_rated(monkeypatch, sent):
    world = make_world()
    monkeypatch.setattr(answers, "AT_ONCE", 1)
    fake_engine(monkeypatch, fail_after=2)
    campaign = _plan(world)
    execute_run(campaign.run_id)
    campaign.refresh_from_db()
    held = services.next_comparison(by=world.rater, campaign=campaign)
    services.rate(by=world.rater, comparison=held, choice="a", scores=None)
    with pytest.raises(Conflict, match="cannot become smaller"):
        services.drop_unanswered(by=world.admin, campaign=campaign)
    assert campaign.prompts.count() == 3


@pytest.mark.django_db(transaction=True)
def test_an_engine_that_comes_back_is_asked_again(monkeypatch, sent):
    world = make_world()
    calls = []
    fake_engine(monkeypatch)
    works = answers.generate

    def stumbling(**kwargs):
        calls.append(1)
        if len(calls) == 1:
            raise PartAway("Restarting.")
        return works(**kwargs)

    monkeypatch.setattr(answers, "generate", stumbling)
    campaign = _plan(world)
    execute_run(campaign.run_id)
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.OPEN and len(calls) == 7


@pytest.mark.django_db(transaction=True)
def test_a_version_that_is_not_served_fails_with_advice(monkeypatch, sent):
    world = make_world()
    asked = fake_engine(monkeypatch)
    campaign = _plan(world)
    Deployment.objects.update(wanted=Deployment.Wanted.UNLOADED, status=Deployment.Status.UNLOADED)
    execute_run(campaign.run_id)
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.FAILED and not asked
    assert campaign.run.error_code == "not_served" and "Serve page" in campaign.run.error_advice


@pytest.mark.django_db(transaction=True)
def test_same_answers_are_marked_and_all_the_same_is_a_failure(monkeypatch, sent):
    world = make_world()

    def answer(version, messages):
        return f"{version}" if "question 0 " in messages[-1]["content"] else "  Always this.  "

    fake_engine(monkeypatch, answer)
    campaign = _plan(world, prompts=6)
    execute_run(campaign.run_id)
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.OPEN
    assert campaign.prompts.filter(same_answer=True).count() == 5
    fake_engine(monkeypatch, lambda version, messages: "Always this.")
    second = _plan(world, name="Again", versions=[e.version for e in campaign.entries.all()])
    execute_run(second.run_id)
    second.refresh_from_db()
    assert second.status == Campaign.Status.FAILED and second.run.error_code == "all_same"


@pytest.mark.django_db(transaction=True)
def test_answers_come_over_http_from_a_fake_engine(served, sent):  # noqa: F811
    """The test engine answers every model alike, so all answers are made and there is nothing to compare."""
    world = served.world
    world.project.temperature = 0.6
    world.project.save(update_fields=["temperature"])
    campaign = _plan(world, versions=(served.base, served.adapter), prompts=6, max_tokens=16)
    execute_run(campaign.run_id)
    campaign.refresh_from_db()
    assert campaign.run.error_code == "all_same", campaign.run.error_message
    made = CampaignAnswer.objects.select_related("answer", "entry__version", "prompt")
    assert made.count() == 12
    for campaign_answer in made:
        answer = campaign_answer.answer
        assert answer.status == "done" and answer.version == campaign_answer.entry.version
        assert answer.text == f"You asked: {campaign_answer.prompt.messages[-1]['content']}"
        assert answer.params == {"max_tokens": 16, "temperature": 0.6}
        assert "FD-" in answer.messages[0]["content"]  # the records reached the engine


@pytest.mark.django_db(transaction=True)
def test_cancelling_in_the_middle_stops_asking(monkeypatch, sent):
    from core.runs.control import request_cancel

    world = make_world()
    monkeypatch.setattr(RunContext, "WRITE_EVERY_SECONDS", 0)
    campaign = _plan(world, dataset=make_held_out(world.project, rows=20), prompts=20)

    once = threading.Lock()

    def answer(version, messages):
        if len(asked) >= 3 and once.acquire(blocking=False):
            request_cancel(by=world.admin, run=Run.objects.get(pk=campaign.run_id))
        return "An answer."

    asked = fake_engine(monkeypatch, answer)
    execute_run(campaign.run_id)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("answers")]
    campaign.refresh_from_db()
    assert campaign.run.status == Run.Status.CANCELLED and campaign.status == Campaign.Status.FAILED
    assert CampaignAnswer.objects.count() == len(asked) < 40


def test_an_answer_that_failed_is_not_kept(world, campaign, monkeypatch):
    prompt, entry = campaign.prompts.first(), campaign.entries.first()
    CampaignAnswer.objects.filter(prompt=prompt, entry=entry).delete()
    failed = Answer(status=Answer.Status.FAILED, error="out of memory", version=entry.version)
    monkeypatch.setattr(answers, "generate", lambda **kwargs: failed)
    with pytest.raises(RunFailed) as caught:
        answers.make_answer(campaign, prompt, entry)
    assert "out of memory" in caught.value.message
    assert not CampaignAnswer.objects.filter(prompt=prompt, entry=entry).exists()


def test_two_workers_on_one_answer_keep_one(world, campaign, monkeypatch):
    fake_engine(monkeypatch)
    assert answers.make_answer(campaign, campaign.prompts.first(), campaign.entries.first()) is None


def test_a_cancelled_run_leaves_a_campaign_that_can_be_tried_again(world, sent):
    from core.runs.control import request_cancel

    campaign = _plan(world)
    request_cancel(by=world.admin, run=campaign.run)
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.FAILED
    services.retry_campaign(by=world.admin, campaign=campaign)
    assert campaign.status == Campaign.Status.PREPARING
    with pytest.raises(Conflict):
        services.retry_campaign(by=world.admin, campaign=Campaign.objects.get(pk=campaign.pk))


def test_the_runner_is_what_the_kind_names():
    from core.runs.kinds import kind_of

    kind = kind_of("campaign")
    assert kind.runner == f"{answers.run.__module__}:{answers.run.__name__}"
    assert kind.queue == "default" and RunContext is not None


# --- planning ----------------------------------------------------------------------------------------------
def test_prompts_come_from_the_test_split_only(world, sent):
    campaign = _plan(world, prompts=6)
    assert set(campaign.prompts.values_list("row__split", flat=True)) == {"test"}
    first = campaign.prompts.select_related("row__revision").first()
    assert first.messages == first.row.revision.content["messages"] and first.context and first.slice
    assert [e.position for e in campaign.entries.all()] == [Entry.BASELINE, Entry.CANDIDATE]


def _refused(world, field, **values):
    with pytest.raises(Invalid) as caught:
        _plan(world, **values)
    assert field in caught.value.fields
    assert not Campaign.objects.exists() and not Prompt.objects.exists()


def test_what_makes_no_campaign(world, sent):
    pair, dataset = make_pair(world.project, world.admin), make_held_out(world.project)
    foreign = make_pair(world.other, world.neighbour)
    _refused(world, "candidate", versions=(pair[0], pair[0]), dataset=dataset)
    _refused(world, "baseline", versions=(foreign[0], pair[1]), dataset=dataset)
    _refused(world, "dataset", versions=pair, dataset=make_held_out(world.other))
    _refused(world, "prompts", versions=pair, dataset=dataset, prompts=99)
    _refused(world, "name", versions=pair, dataset=dataset, name="  ")
    _refused(world, "temperature", versions=pair, dataset=dataset, temperature=-1)
    Deployment.objects.filter(version=pair[1]).delete()
    _refused(world, "candidate", versions=pair, dataset=dataset)


def test_a_name_is_used_once(world, sent):
    campaign = _plan(world)
    with pytest.raises(Invalid) as caught:
        _plan(world, versions=[e.version for e in campaign.entries.all()], dataset=campaign.dataset)
    assert "name" in caught.value.fields and Campaign.objects.count() == 1


# --- closing, opening, deleting ----------------------------------------------------------------------------
def test_closing_frees_open_comparisons_and_opening_brings_them_back(world, campaign):
    held = services.next_comparison(by=world.rater, campaign=campaign)
    services.close_campaign(by=world.admin, campaign=campaign)
    held.refresh_from_db()
    assert held.status == Comparison.Status.EXPIRED
    with pytest.raises(Conflict):
        services.close_campaign(by=world.admin, campaign=campaign)
    services.reopen_campaign(by=world.admin, campaign=campaign)
    assert services.next_comparison(by=world.rater, campaign=campaign) is not None
    assert campaign.closed_at is None


def test_a_rated_campaign_is_never_deleted(world, campaign):
    rate_all(campaign, world.rater, ["tie"])
    services.close_campaign(by=world.admin, campaign=campaign)
    with pytest.raises(Conflict):
        services.delete_campaign(by=world.admin, campaign=campaign)
    assert CampaignAnswer.objects.count() == 8


def test_deleting_keeps_the_generations_and_a_record(world, campaign):
    services.next_comparison(by=world.rater, campaign=campaign)
    services.delete_campaign(by=world.admin, campaign=campaign)
    assert not Campaign.objects.exists() and not Comparison.objects.exists()
    assert Answer.objects.count() == 8
    assert AuditEntry.objects.get(action="campaign.deleted").detail["name"] == campaign.name


def test_a_campaign_that_makes_answers_is_cancelled_before_it_is_deleted(world, sent):
    campaign = _plan(world)
    with pytest.raises(Refused):
        services.delete_campaign(by=world.admin, campaign=campaign)
    assert Campaign.objects.filter(pk=campaign.pk).exists()


# --- results -----------------------------------------------------------------------------------------------
def _rater(world):
    user = make_user()
    join(world.project, user, "rater")
    return user


def test_results_count_from_the_candidates_side(world):
    campaign = make_campaign(world.project, world.admin, prompts=6, ratings_per_prompt=2)
    rate_all(campaign, world.rater, ["candidate", "candidate", "baseline", "tie", "both_bad"], FULL_SCORES)
    rate_all(campaign, _rater(world), ["candidate", "tie"])
    results = results_of([campaign])[campaign.pk]
    assert (results.wins, results.losses, results.ties, results.both_bad, results.n) == (3, 1, 2, 1, 7)
    # One rater gave four votes that count, one two: each weighs n / (1 + (n - 1) ρ).
    weights = [n / (1 + (n - 1) * ASSUMED_CORRELATION) for n in (4, 2)]
    expected = (weights[0] * 2.5 / 4 + weights[1] * 0.75) / sum(weights)
    assert results.win_rate.value == pytest.approx(expected) and results.win_rate.n == 6
    weights = [n / (1 + (n - 1) * ASSUMED_CORRELATION) for n in (5, 2)]
    assert results.both_bad_rate.value == pytest.approx(weights[0] / 5 / sum(weights))
    assert results.win_rate_among_all.n == 7 and results.win_rate_among_all.value < results.win_rate.value
    assert results.win_rate.low < expected < results.win_rate.high
    assert (results.scored, results.wanted) == (5, 12)
    assert results.criteria[0].candidate.value == 4 and results.criteria[0].difference.value == 0
    assert sum(one.n for one in results.slices) == 7
    assert {one.n for one in results.raters} == {5, 2}


def test_scores_belong_to_versions_not_to_sides(world):
    campaign = make_campaign(world.project, world.admin, prompts=4)
    for _ in range(4):
        held = services.next_comparison(by=world.rater, campaign=campaign)
        good = {"accuracy": 5, "tone": 5, "conciseness": 5}
        bad = {"accuracy": 1, "tone": 2, "conciseness": 3}
        left_first = held.a.entry.position == Entry.CANDIDATE
        scores = {"a": good, "b": bad} if left_first else {"a": bad, "b": good}
        services.rate(by=world.rater, comparison=held, choice="tie", scores=scores)
    by_name = {one.criterion: one for one in results_of([campaign])[campaign.pk].criteria}
    assert by_name["accuracy"].candidate.value == 5 and by_name["accuracy"].baseline.value == 1
    assert by_name["conciseness"].difference.value == 2
    assert by_name["accuracy"].difference.low < 4


def test_results_for_a_version_are_newest_first_and_turn_with_it(world):
    pair = make_pair(world.project, world.admin)
    first = make_campaign(world.project, world.admin, prompts=2, versions=pair)
    second = make_campaign(world.project, world.admin, prompts=2, versions=(pair[1], pair[0]))
    rate_all(first, world.rater, ["candidate", "candidate"])
    found = results_for(pair[1])
    assert [one.campaign.pk for one in found] == [second.pk, first.pk]
    older = found[1]
    assert older.rate_of(pair[1]).value == 1 and older.rate_of(pair[0]).value == 0
    assert older.rate_of(pair[0]).high == pytest.approx(1 - older.win_rate.low)
    assert older.other_than(pair[1]) == pair[0]


def test_campaigns_between_the_same_versions_count_together(world):
    """A second try is no second chance, whichever version it calls the baseline."""
    pair = make_pair(world.project, world.admin)
    first = make_campaign(world.project, world.admin, prompts=4, versions=pair)
    rate_all(first, world.rater, ["candidate", "candidate", "candidate", "tie"])
    second = make_campaign(world.project, world.admin, prompts=3, versions=(pair[1], pair[0]))
    rate_all(second, world.rater, ["baseline", "baseline", "both_bad"])
    other = make_campaign(world.project, world.admin, prompts=2)
    rate_all(other, world.rater, ["candidate", "candidate"])
    older, newer = (results_of([campaign])[campaign.pk] for campaign in (first, second))
    assert (older.n, older.pair.n, newer.n, newer.pair.n) == (4, 7, 3, 7)
    assert older.pair.win_rate.value == pytest.approx(5.5 / 6)
    assert newer.pair.win_rate.value == pytest.approx(0.5 / 6)
    assert older.verdict.counted == newer.verdict.counted == 7
    assert [look.z for look in older.verdict.looks] == [look.z and -look.z for look in newer.verdict.looks]
    assert results_of([other])[other.pk].pair.n == 2


def test_closing_and_opening_again_changes_no_verdict(world):
    campaign = make_campaign(world.project, world.admin, prompts=8)
    rate_all(campaign, world.rater, ["candidate"] * 6)
    before = results_of([campaign])[campaign.pk].verdict
    services.close_campaign(by=world.admin, campaign=campaign)
    closed = results_of([campaign])[campaign.pk].verdict
    services.reopen_campaign(by=world.admin, campaign=campaign)
    assert before == closed == results_of([campaign])[campaign.pk].verdict


def test_a_campaign_that_was_given_up_asks_for_no_more_than_it_got(world):
    pair = make_pair(world.project, world.admin)
    first = make_campaign(world.project, world.admin, prompts=40, versions=pair)
    rate_all(first, world.rater, ["candidate"] * 2)
    services.close_campaign(by=world.admin, campaign=first)
    second = make_campaign(world.project, world.admin, prompts=10, versions=pair)
    assert results_of([second])[second.pk].verdict.planned == 2 + second.ratings_per_prompt * 10


def test_hasty_raters_are_named(world):
    campaign = make_campaign(world.project, world.admin, prompts=6, ratings_per_prompt=2)
    rate_all(campaign, world.rater, ["candidate"] * 6)
    slow = _rater(world)
    rate_all(campaign, slow, ["candidate"] * 6)
    Rating.objects.filter(comparison__rater=slow).update(seconds=45)
    by_rater = {row.rater: row for row in results_of([campaign])[campaign.pk].raters}
    assert by_rater[world.rater].hasty and by_rater[world.rater].hasty_votes == 6
    assert not by_rater[slow].hasty


def test_preparing_and_failed_campaigns_give_the_gate_nothing(world):
    campaign = make_campaign(world.project, world.admin, prompts=1, status="failed")
    versions = [entry.version for entry in campaign.entries.all()]
    assert results_by_version(versions) == {version.pk: [] for version in versions}


def test_results_of_many_campaigns_cost_as_much_as_of_one(world, django_assert_max_num_queries):
    made = [make_campaign(world.project, world.admin, prompts=2) for _ in range(4)]
    for campaign in made:
        rate_all(campaign, world.rater, ["tie", "candidate"], FULL_SCORES)
    with django_assert_max_num_queries(11):
        found = results_of(made)
    assert len(found) == 4


# --- API ---------------------------------------------------------------------------------------------------
def test_an_admin_runs_a_campaign_by_program(world, as_user, sent):
    baseline, candidate = make_pair(world.project, world.admin)
    dataset = make_held_out(world.project, rows=4)
    admin, api = as_user(world.admin), f"/api/v1/projects/{world.project.slug}/campaigns"
    body = {
        "name": "By program",
        "baseline": baseline.pk,
        "candidate": candidate.pk,
        "dataset": dataset.pk,
        "prompts": 2,
        "ratings_per_prompt": 1,
    }
    made = admin.post(f"{api}/", body, content_type="application/json")
    assert made.status_code == 201, made.content
    told = made.json()
    assert told["status"] == "preparing" and told["candidate"]["id"] == candidate.pk and told["wanted"] == 2
    again = admin.post(f"{api}/", body, content_type="application/json")
    assert again.status_code == 422 and "name" in again.json()["fields"]
    strange = admin.post(f"{api}/", body | {"baseline": 999999}, content_type="application/json")
    assert strange.status_code == 422 and "baseline" in strange.json()["fields"]
    assert admin.get(f"{api}/").json()["count"] == 1
    assert admin.get(f"{api}/plan/?prompts=10&ratings_per_prompt=1").json()["ratings"] == 10
    assert admin.get(f"{api}/plan/?prompts=0").status_code == 422
    assert admin.post(f"{api}/{told['id']}/close/").status_code == 409
    assert admin.get(f"{api}/999999/").status_code == 404


def test_a_rater_rates_by_program(world, campaign, as_user):
    rater, api = as_user(world.rater), f"/api/v1/projects/{world.project.slug}"
    assert rater.get(f"{api}/rating/").json()[0]["left"] == 4
    held = rater.post(f"{api}/campaigns/{campaign.pk}/next/").json()
    assert set(held) == {
        "public_id", "status", "expires_at", "messages", "context", "slice", "a", "b", "said", "draft",
    }  # fmt: skip
    assert set(held["a"]) == {"text"} and held["said"] is None
    own = f"{api}/rating/{held['public_id']}/"
    body = {"choice": "a", "scores": FULL_SCORES, "corrections": {"b": "As it should be."}}

    def send(method, **values):
        return getattr(rater, method)(own, body | values, content_type="application/json")

    assert send("post", choice="best").status_code == 422
    assert send("post", scores={"a": {}, "b": {}}).status_code == 422
    made = send("post")
    assert made.status_code == 201 and made.json()["said"]["scores"] == FULL_SCORES
    assert send("post").status_code == 409
    assert send("put", choice="tie", scores=None).json()["said"] == {
        "choice": "tie",
        "scores": None,
        "comment": "",
    }
    services.close_campaign(by=world.admin, campaign=campaign)
    assert send("put").status_code == 409 and rater.get(own).status_code == 409
    assert rater.get(f"{api}/campaigns/{campaign.pk}/results/").json()["by_rater"] == []


def test_a_rating_that_the_api_refuses_is_kept_as_the_pages_draft(world, campaign, as_user):
    rater, api = as_user(world.rater), f"/api/v1/projects/{world.project.slug}"
    held = rater.post(f"{api}/campaigns/{campaign.pk}/next/").json()
    own = f"{api}/rating/{held['public_id']}/"

    def send(method, body):
        return getattr(rater, method)(own, body, content_type="application/json").status_code

    half = {"a": {"accuracy": 4}, "b": {}}
    typed = {"scores": half, "comment": "B is made up.", "corrections": {"b": "As it should be."}}
    assert held["draft"] is None and send("post", typed) == 422
    draft = rater.get(own).json()["draft"]
    assert draft.pop("saved_at")
    assert draft == {"choice": "", **typed}
    page = rater.get(f"/p/{world.project.slug}/rate/compare/{held['public_id']}/").content.decode()
    assert "B is made up." in page and "As it should be." in page
    # A body of any shape is refused as before; one that says nothing takes no words away.
    strange = {"comment": ["x"], "scores": {"a": [], "b": {"tone": {}}}}
    for odd in ({}, {"scores": 5, "corrections": "b"}, strange):
        assert send("post", odd) == 422
    assert rater.get(own).json()["draft"]["corrections"] == typed["corrections"]
    assert send("post", typed | {"choice": "a", "scores": FULL_SCORES}) == 201
    assert rater.get(own).json()["draft"] is None and not RatingDraft.objects.exists()
    # A change that is refused is kept too; what nobody may change any more is not.
    assert send("put", {"choice": "best", "scores": None, "comment": "On second thoughts."}) == 422
    kept = rater.get(own).json()["draft"]
    assert (kept["comment"], kept["scores"]) == ("On second thoughts.", None)
    RatingDraft.objects.all().delete()
    services.close_campaign(by=world.admin, campaign=campaign)
    assert send("put", {"choice": "a", "scores": None, "comment": "Too late."}) == 409
    assert not RatingDraft.objects.exists()


def test_an_admin_reads_results_and_ratings_by_program(world, campaign, as_user):
    rate_all(campaign, world.rater, ["candidate", "both_bad"], FULL_SCORES)
    admin, api = as_user(world.admin), f"/api/v1/projects/{world.project.slug}/campaigns/{campaign.pk}"
    results = admin.get(f"{api}/results/").json()
    assert results["win_rate"]["value"] == 1 and results["win_rate"]["low"] < 1
    assert results["by_rater"][0]["rater"]["name"] == "Rater Member"
    listed = admin.get(f"{api}/comparisons/?outcome=candidate").json()
    assert listed["count"] == 1
    one = listed["results"][0]
    assert one["preferred"]["id"] == campaign.entries.get(position=1).version_id
    assert one["scores"] == FULL_SCORES
    detail = admin.get(f"/api/v1/projects/{world.project.slug}/comparisons/{one['public_id']}/")
    assert detail.json()["public_id"] == one["public_id"]
    assert b"candidate_version" in b"".join(admin.get(f"{api}/ratings.csv"))


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [
        ("campaigns/", "get", {"admin", "viewer"}),
        ("campaigns/{pk}/", "get", {"admin", "viewer"}),
        ("campaigns/{pk}/comparisons/", "get", {"admin", "viewer"}),
        ("campaigns/{pk}/results/", "get", {"admin", "viewer"}),
        ("campaigns/{pk}/ratings.csv", "get", {"admin"}),
        ("campaigns/{pk}/next/", "post", {"rater"}),
        ("rating/", "get", {"rater"}),
    ],
)
def test_the_api_keeps_others_out(world, campaign, as_user, path, method, allowed):
    address = f"/api/v1/projects/{world.project.slug}/{path.format(pk=campaign.pk)}"
    for role, person in world.people().items():
        status = getattr(as_user(person), method)(address).status_code
        if role in allowed:
            assert status == 200, role
        else:
            assert status == (403 if role in Role.values else 404), role
    assert getattr(as_user(None), method)(address).status_code == 401


# --- campaigns on training prompts -------------------------------------------------------------------------
def test_a_campaign_on_training_prompts_collects_and_counts_for_no_release(world):
    versions = make_pair(world.project, world.admin)
    dataset = make_held_out(world.project, rows=4)
    campaigns = [
        make_campaign(
            world.project, world.admin, dataset=dataset, versions=versions, split=split, prompts=3, name=split
        )
        for split in ("test", "train")
    ]
    rate_all(campaigns[0], world.rater, ["baseline"] * 3)
    rate_all(campaigns[1], world.rater, ["candidate"] * 3)
    results = results_of(campaigns)
    assert [results[campaign.pk].pair.n for campaign in campaigns] == [3, 3]
    (counted,) = results_by_version([versions[1]])[versions[1].pk]
    assert (counted.campaign, counted.wins, counted.losses) == (campaigns[0], 0, 3)


def test_training_prompts_are_drawn_from_training_rows(world, sent):
    baseline, candidate = make_pair(world.project, world.admin)
    campaign = services.create_campaign(
        by=world.admin, project=world.project, name="To train on", baseline=baseline, candidate=candidate,
        dataset=make_held_out(world.project, rows=5), prompts=3, split="train",
    )  # fmt: skip
    assert set(DatasetRow.objects.filter(pk__in=campaign.prompts.values("row")).values_list("split")) == {
        ("train",)
    }
    assert most_more_prompts(campaign) == 2
