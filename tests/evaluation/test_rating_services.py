"""Assigning comparisons and keeping ratings, on the real database."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone

from annotation.models import Example
from core.errors import Conflict, Invalid
from core.models import AuditEntry, Role
from evaluation import services, sides
from evaluation.models import Campaign, Comparison, Correction, Entry, Rating, Score
from evaluation.queries.rating import (
    has_room,
    last_rated,
    prompt_lead,
    rated_before,
    rater_lead,
    share_of,
)
from evaluation.sides import RATER_LIMIT
from tests.support.factories import FULL_SCORES, join, make_campaign, make_user, make_world, rate_all

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign(world):
    return make_campaign(world.project, world.admin, prompts=4)


def _rater(project):
    user = make_user()
    join(project, user, Role.RATER)
    return user


def _next(campaign, rater):
    return services.next_comparison(by=rater, campaign=campaign)


def _say(comparison, rater, **values):
    values = {"choice": "a", "scores": FULL_SCORES} | values
    return services.rate(by=rater, comparison=comparison, **values)


# --- assignment --------------------------------------------------------------------------------------------
def test_asking_twice_gives_the_same_comparison(world, campaign):
    first, second = _next(campaign, world.rater), _next(campaign, world.rater)
    assert first.pk == second.pk
    assert Comparison.objects.count() == 1


def test_a_rater_gets_every_prompt_once_and_then_none(world, campaign):
    rate_all(campaign, world.rater, ["tie"] * 4)
    assert _next(campaign, world.rater) is None
    assert Comparison.objects.values("prompt").distinct().count() == 4
    assert share_of(world.rater, campaign).left == 0


def test_a_prompt_in_somebodys_hands_goes_to_nobody_else(world):
    campaign = make_campaign(world.project, world.admin, prompts=1)
    _next(campaign, world.rater)
    assert _next(campaign, _rater(world.project)) is None


def test_ratings_per_prompt_are_by_different_people(world):
    campaign = make_campaign(world.project, world.admin, prompts=2, ratings_per_prompt=2)
    other, third = _rater(world.project), _rater(world.project)
    for rater in (world.rater, other):
        rate_all(campaign, rater, ["tie", "tie"])
    assert _next(campaign, third) is None
    for prompt in campaign.prompts.all():
        assert prompt.comparisons.values("rater").distinct().count() == 2


def test_all_prompts_get_one_rating_before_any_gets_two(world):
    campaign = make_campaign(world.project, world.admin, prompts=6, ratings_per_prompt=3)
    for rater in (world.rater, _rater(world.project), _rater(world.project)):
        rate_all(campaign, rater, ["tie", "tie"])
    assert Comparison.objects.values("prompt").distinct().count() == 6


def test_prompts_with_the_same_answer_are_asked_of_nobody(world, campaign):
    campaign.prompts.filter(position__lt=3).update(same_answer=True)
    assert _next(campaign, world.rater).prompt.position == 3
    assert share_of(world.rater, campaign).total == 1


def test_a_prompt_comes_free_when_the_lease_is_over(world):
    campaign = make_campaign(world.project, world.admin, prompts=1)
    held = _next(campaign, world.rater)
    Comparison.objects.filter(pk=held.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    other = _rater(world.project)
    taken = _next(campaign, other)
    assert taken.prompt_id == held.prompt_id and taken.rater == other
    # The first rater comes back: nothing is left, and the lease is noted as over.
    assert _next(campaign, world.rater) is None
    held.refresh_from_db()
    assert held.status == Comparison.Status.EXPIRED


def test_an_expired_comparison_comes_back_to_its_rater_with_the_same_sides(world):
    campaign = make_campaign(world.project, world.admin, prompts=1)
    held = _next(campaign, world.rater)
    Comparison.objects.filter(pk=held.pk).update(
        status=Comparison.Status.EXPIRED, expires_at=timezone.now() - timedelta(hours=1)
    )
    again = _next(campaign, world.rater)
    assert (again.pk, again.a_id) == (held.pk, held.a_id)
    assert again.status == Comparison.Status.OPEN and again.expires_at > timezone.now()


def test_a_late_rating_is_kept(world):
    campaign = make_campaign(world.project, world.admin, prompts=1)
    held = _next(campaign, world.rater)
    Comparison.objects.filter(pk=held.pk).update(status=Comparison.Status.EXPIRED)
    assert _say(held, world.rater).choice == "a"


def _leads(campaign, by):
    """How often the candidate was left minus right, over what was rated, by rater or by prompt."""
    found = {}
    for comparison in Comparison.objects.filter(campaign=campaign, status="rated").select_related("a__entry"):
        key = getattr(comparison, by)
        found[key] = found.get(key, 0) + (1 if comparison.a.entry.position == Entry.CANDIDATE else -1)
    return found


def test_sides_are_balanced_for_each_rater_and_within_each_prompt(world):
    campaign = make_campaign(world.project, world.admin, prompts=12, ratings_per_prompt=2)
    for rater in (world.rater, _rater(world.project)):
        rate_all(campaign, rater, ["tie"] * 12)
    assert all(abs(lead) <= RATER_LIMIT for lead in _leads(campaign, "rater_id").values())
    assert set(_leads(campaign, "prompt_id").values()) == {0}


def test_a_rater_at_the_limit_gets_the_other_side_and_a_prompt_that_asks_for_it(world, monkeypatch):
    campaign = make_campaign(world.project, world.admin, prompts=6, ratings_per_prompt=2)
    colleague = _rater(world.project)
    monkeypatch.setattr(sides.candidate_is_a, "__kwdefaults__", {"coin": lambda: True})
    rate_all(campaign, world.rater, ["tie"] * RATER_LIMIT)
    assert rater_lead(world.rater, campaign) == RATER_LIMIT
    held = _next(campaign, world.rater)
    assert held.b.entry.position == Entry.CANDIDATE
    services.skip(by=world.rater, comparison=held)
    assert rater_lead(world.rater, campaign) == RATER_LIMIT  # a skipped pair counts for nobody
    # All others were A once. The colleague, whose next has to be A, gets first the one that asks for it.
    monkeypatch.setattr("evaluation.services.rating.rater_lead", lambda *args: -RATER_LIMIT)
    got = _next(campaign, colleague)
    assert got.a.entry.position == Entry.CANDIDATE
    assert prompt_lead(got.prompt_id, now=timezone.now()) == 1


def test_a_skip_brings_a_new_coin(world, monkeypatch):
    campaign = make_campaign(world.project, world.admin, prompts=5)
    coins = iter([True, False, True, False, True])
    monkeypatch.setattr(sides.candidate_is_a, "__kwdefaults__", {"coin": lambda: next(coins)})
    shown = []
    for _ in range(5):
        held = _next(campaign, world.rater)
        shown.append(held.a.entry.position)
        services.skip(by=world.rater, comparison=held)
    assert shown == [1, 0, 1, 0, 1]


def test_skipped_goes_to_somebody_else_and_never_back(world):
    campaign = make_campaign(world.project, world.admin, prompts=1)
    services.skip(by=world.rater, comparison=_next(campaign, world.rater))
    assert _next(campaign, world.rater) is None
    assert _next(campaign, _rater(world.project)) is not None


def test_skipping_twice_is_a_conflict(world, campaign):
    held = _next(campaign, world.rater)
    services.skip(by=world.rater, comparison=held)
    with pytest.raises(Conflict):
        services.skip(by=world.rater, comparison=held)


def test_holding_prolongs_only_what_is_open(world, campaign):
    held = _next(campaign, world.rater)
    before = held.expires_at
    Comparison.objects.filter(pk=held.pk).update(expires_at=before - timedelta(minutes=10))
    assert services.hold(by=world.rater, comparison=held).expires_at > before - timedelta(minutes=1)
    _say(held, world.rater)
    with pytest.raises(Conflict):
        services.hold(by=world.rater, comparison=held)


@pytest.mark.parametrize("status", ["preparing", "closed", "failed"])
def test_only_an_open_campaign_gives_comparisons(world, campaign, status):
    Campaign.objects.filter(pk=campaign.pk).update(status=status)
    with pytest.raises(Conflict):
        _next(campaign, world.rater)
    assert not Comparison.objects.exists()


# --- rating ------------------------------------------------------------------------------------------------
def test_a_rating_names_the_preferred_entry_and_keeps_scores_by_entry(world, campaign):
    held = _next(campaign, world.rater)
    scores = {
        "a": {"accuracy": 5, "tone": 4, "conciseness": 3},
        "b": {"accuracy": 1, "tone": 2, "conciseness": 2},
    }
    shown = timezone.now() - timedelta(seconds=40)
    Comparison.objects.filter(pk=held.pk).update(shown_at=shown)
    held.refresh_from_db()
    rating = _say(held, world.rater, choice="b", scores=scores, comment=" too vague ")
    assert rating.preferred == held.b.entry
    assert rating.comment == " too vague" and 40 <= rating.seconds <= (timezone.now() - shown).total_seconds()
    assert Score.objects.get(entry=held.a.entry, criterion="accuracy").value == 5
    assert Score.objects.get(entry=held.b.entry, criterion="accuracy").value == 1
    assert AuditEntry.objects.filter(action="comparison.rated", actor_id=world.rater.pk).count() == 1


@pytest.mark.parametrize("choice", ["tie", "both_bad"])
def test_a_tie_prefers_nobody_and_scores_may_be_left_out(world, campaign, choice):
    rating = _say(_next(campaign, world.rater), world.rater, choice=choice, scores=None)
    assert rating.preferred is None and not rating.scores.exists()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"choice": ""}, "choice"),
        ({"choice": "candidate"}, "choice"),
        ({"scores": {}}, "accuracy_a"),
        ({"scores": {"a": FULL_SCORES["a"], "b": {}}}, "tone_b"),
        ({"scores": {**FULL_SCORES, "a": {**FULL_SCORES["a"], "tone": 6}}}, "tone_a"),
        ({"scores": {**FULL_SCORES, "a": {**FULL_SCORES["a"], "tone": True}}}, "tone_a"),
        ({"comment": "x" * 5000}, "comment"),
        ({"corrections": {"middle": "x"}}, "corrections"),
        ({"corrections": {"a": "x" * 30_000}}, "correction_a"),
    ],
)
def test_wrong_values_are_named_and_nothing_is_stored(world, campaign, values, field):
    held = _next(campaign, world.rater)
    with pytest.raises(Invalid) as caught:
        _say(held, world.rater, **values)
    assert field in caught.value.fields
    held.refresh_from_db()
    assert held.status == Comparison.Status.OPEN
    assert not Rating.objects.exists()


def test_rating_twice_is_a_conflict_and_keeps_the_first(world, campaign):
    held = _next(campaign, world.rater)
    _say(held, world.rater, choice="a")
    with pytest.raises(Conflict):
        _say(held, world.rater, choice="b")
    assert Rating.objects.get().choice == "a"


def test_rating_after_close_stores_nothing(world, campaign):
    held = _next(campaign, world.rater)
    services.close_campaign(by=world.admin, campaign=campaign)
    with pytest.raises(Conflict):
        _say(held, world.rater, corrections={"a": "Better words."})
    assert not Rating.objects.exists() and not Correction.objects.exists()
    assert not Example.objects.filter(origin=Example.Origin.RATING).exists()


def test_a_failing_correction_takes_the_rating_with_it(world, campaign, monkeypatch):
    held = _next(campaign, world.rater)

    def refuse(**kwargs):
        raise Invalid("No.")

    monkeypatch.setattr("evaluation.services.rating.file_correction", refuse)
    audits = AuditEntry.objects.count()
    with pytest.raises(Invalid):
        _say(held, world.rater, corrections={"b": "Better words."})
    held.refresh_from_db()
    assert held.status == Comparison.Status.OPEN
    assert not Rating.objects.exists() and not Score.objects.exists()
    assert AuditEntry.objects.count() == audits


# --- corrections -------------------------------------------------------------------------------------------
def test_a_correction_becomes_a_queued_example_that_says_where_it_came_from(world, campaign):
    held = _next(campaign, world.rater)
    _say(held, world.rater, corrections={"a": "It cleared customs today.\r\nYour next step: none."})
    correction = Correction.objects.select_related("example", "answer").get()
    example = correction.example
    assert correction.answer == held.a and correction.by == world.rater
    assert example.status == Example.Status.QUEUED and example.origin == Example.Origin.RATING
    assert example.completion == "It cleared customs today.\nYour next step: none."
    assert example.messages == held.prompt.messages and example.context == held.prompt.context
    assert str(held.public_id) in example.origin_detail["url"]
    assert example.origin_detail["answer"] == correction.answer.answer.text


def test_a_correction_of_a_held_out_prompt_stays_held_out(world, campaign):
    held = _next(campaign, world.rater)
    _say(held, world.rater, corrections={"a": "Better."})
    assert Correction.objects.get().example.group == held.prompt.row.example.group


def test_what_annotators_read_names_no_version_and_no_campaign(world, campaign):
    _say(_next(campaign, world.rater), world.rater, corrections={"a": "Better.", "b": "Also better."})
    for example in Example.objects.filter(origin=Example.Origin.RATING):
        told = str(example.origin_detail)
        assert campaign.name not in told
        for entry in campaign.entries.all():
            assert str(entry.version) not in told and entry.version.served_name not in told


@pytest.mark.parametrize("text", ["", "   ", None])
def test_an_unchanged_or_empty_answer_is_no_correction(world, campaign, text):
    held = _next(campaign, world.rater)
    same = held.a.answer.text + "\r\n" if text is None else text
    _say(held, world.rater, corrections={"a": same})
    assert not Correction.objects.exists()


def test_indentation_alone_is_a_correction(world, campaign):
    held = _next(campaign, world.rater)
    text = held.a.answer.text
    _say(held, world.rater, corrections={"a": f"    {text}\n"})
    assert Correction.objects.get().example.completion == f"    {text}\n"


# --- changing one's mind -----------------------------------------------------------------------------------
def test_a_rating_can_be_changed_while_the_campaign_is_open(world, campaign):
    held = _next(campaign, world.rater)
    _say(held, world.rater, choice="a")
    changed = services.change_rating(
        by=world.rater, comparison=held, choice="both_bad", scores=None, comment="Neither."
    )
    assert (changed.choice, changed.preferred, changed.comment) == ("both_bad", None, "Neither.")
    assert not changed.scores.exists() and Rating.objects.count() == 1
    entry = AuditEntry.objects.get(action="rating.changed")
    assert entry.detail["choice"] == ["a", "both_bad"]


def test_changing_files_no_second_correction_of_the_same_answer(world, campaign):
    held = _next(campaign, world.rater)
    _say(held, world.rater, corrections={"a": "Once."})
    services.change_rating(
        by=world.rater, comparison=held, choice="tie", scores=None, corrections={"a": "Twice."}
    )
    assert Correction.objects.get().text == "Once."


def test_no_change_before_a_rating_or_after_close(world, campaign):
    held = _next(campaign, world.rater)
    with pytest.raises(Conflict):
        services.change_rating(by=world.rater, comparison=held, choice="tie", scores=None)
    _say(held, world.rater)
    services.close_campaign(by=world.admin, campaign=campaign)
    with pytest.raises(Conflict):
        services.change_rating(by=world.rater, comparison=held, choice="tie", scores=None)
    assert Rating.objects.get().choice == "a"


def test_back_walks_through_ones_own_ratings(world, campaign):
    first, second = (r.comparison for r in rate_all(campaign, world.rater, ["tie", "tie"]))
    open_one = _next(campaign, world.rater)
    assert rated_before(open_one) == second
    second.refresh_from_db()
    first.refresh_from_db()
    assert rated_before(second) == first
    assert rated_before(first) is None
    assert last_rated(world.rater, campaign) == second


# --- races -------------------------------------------------------------------------------------------------
def _at_once(jobs):
    """Runs the jobs in threads that start together; gives results and expected errors."""
    barrier = Barrier(len(jobs))

    def work(job):
        try:
            barrier.wait()
            return job()
        except (Conflict, Invalid) as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(work, jobs))


@pytest.mark.django_db(transaction=True)
def test_eight_raters_at_once_get_eight_different_prompts():
    world = make_world()
    campaign = make_campaign(world.project, world.admin, prompts=8)
    raters = [_rater(world.project) for _ in range(8)]
    found = _at_once([lambda r=r: _next(Campaign.objects.get(pk=campaign.pk), r) for r in raters])
    assert len({one.prompt_id for one in found}) == 8


@pytest.mark.django_db(transaction=True)
def test_eight_raters_at_once_on_three_prompts_of_two_get_six():
    world = make_world()
    campaign = make_campaign(world.project, world.admin, prompts=3, ratings_per_prompt=2)
    raters = [_rater(world.project) for _ in range(8)]
    found = _at_once([lambda r=r: _next(Campaign.objects.get(pk=campaign.pk), r) for r in raters])
    given = [one for one in found if one is not None]
    assert len(given) == 6
    for prompt in campaign.prompts.all():
        assert prompt.comparisons.count() == 2
        assert not has_room(prompt.pk, campaign, now=timezone.now())


@pytest.mark.django_db(transaction=True)
def test_one_prompt_for_all_eight_raters_reaches_all_eight():
    world = make_world()
    campaign = make_campaign(world.project, world.admin, prompts=1, ratings_per_prompt=8)
    raters = [_rater(world.project) for _ in range(8)]
    found = _at_once([lambda r=r: _next(Campaign.objects.get(pk=campaign.pk), r) for r in raters])
    assert all(found)


@pytest.mark.django_db(transaction=True)
def test_two_raters_at_once_on_one_prompt_get_opposite_sides():
    world = make_world()
    campaign = make_campaign(world.project, world.admin, prompts=1, ratings_per_prompt=2)
    for _ in range(4):
        raters = [_rater(world.project) for _ in range(2)]
        found = _at_once([lambda r=r: _next(Campaign.objects.get(pk=campaign.pk), r) for r in raters])
        shown_as_a = [Comparison.objects.get(pk=one.pk).a.entry.position for one in found]
        assert sorted(shown_as_a) == [Entry.BASELINE, Entry.CANDIDATE]
        Comparison.objects.all().delete()


@pytest.mark.django_db(transaction=True)
def test_two_tabs_of_one_rater_get_one_comparison():
    world = make_world()
    campaign = make_campaign(world.project, world.admin, prompts=6)
    found = _at_once([lambda: _next(Campaign.objects.get(pk=campaign.pk), world.rater)] * 4)
    assert len({one.pk for one in found}) == 1


@pytest.mark.django_db(transaction=True)
def test_one_comparison_sent_four_times_at_once_is_rated_once():
    world = make_world()
    campaign = make_campaign(world.project, world.admin, prompts=2)
    held = _next(campaign, world.rater)
    found = _at_once(
        [lambda: _say(Comparison.objects.get(pk=held.pk), world.rater, corrections={"a": "Better words."})]
        * 4
    )
    assert sum(isinstance(one, Rating) for one in found) == 1
    assert sum(isinstance(one, Conflict) for one in found) == 3
    assert Correction.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_rating_and_closing_at_once_leave_no_half():
    world = make_world()
    campaign = make_campaign(world.project, world.admin, prompts=4)
    raters = [_rater(world.project) for _ in range(3)]
    held = [_next(campaign, rater) for rater in raters]

    def close():
        return services.close_campaign(by=world.admin, campaign=Campaign.objects.get(pk=campaign.pk))

    jobs = [lambda c=c: _say(Comparison.objects.get(pk=c.pk), c.rater) for c in held]
    found = _at_once([*jobs, close])
    stored = sum(isinstance(one, Rating) for one in found)
    assert Rating.objects.count() == stored
    assert Comparison.objects.filter(status="rated").count() == stored
    assert Score.objects.count() == 6 * stored
