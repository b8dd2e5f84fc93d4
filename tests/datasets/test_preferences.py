"""Freezing what people said of answers, on real PostgreSQL: each source, what is left out, and that nothing held out ever trains."""

import threading
from typing import Any

import pytest
from django.db import connection

from annotation.models import Example
from annotation.services.examples import retire
from core.errors import Conflict, Invalid
from core.models import AuditEntry, Run
from core.tasks import execute_run
from dataset.models import (
    BiasAudit,
    DatasetRow,
    DatasetVersion,
    GroupSplit,
    Judgement,
    Source,
    VersionReport,
    WithheldRow,
)
from dataset.preferences import Choice, Take
from dataset.queries.preference_preview import preference_preview
from dataset.queries.versions import newest_ready, not_frozen_yet, version_before
from dataset.rows import iter_rows
from dataset.runner import preferences as runner
from dataset.services.preferences import PREFERENCE_DEFAULTS, start_preference_freeze
from evaluation import services as rating
from evaluation.models import Campaign, Comparison, Entry, Rating
from evaluation.services.campaigns import close_campaign, reopen_campaign
from tests.datasets.desk import approve, content_hash_of
from tests.support.factories import (
    World,
    join,
    make_audit_rows,
    make_campaign,
    make_example,
    make_frozen,
    make_preferences,
    make_user,
    rate_all,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]
COMPARED = Choice(take=(Take.COMPARISONS,))


def frozen(world: World, rows: int = 30) -> DatasetVersion:
    approve(world.project, rows)
    return make_frozen(world.project, world.admin, test=0.3, validation=0.1)


def campaign_on(world: World, dataset: Any = None, *, split: str = "train", **fields: Any) -> Campaign:
    dataset = dataset or frozen(world)
    fields.setdefault("prompts", 4)
    return make_campaign(world.project, world.admin, dataset=dataset, split=split, **fields)


def closed(world: World, campaign: Campaign) -> Campaign:
    return close_campaign(by=world.admin, campaign=campaign)


def another_rater(world: World) -> Any:
    person = make_user()
    join(world.project, person, "rater")
    return person


def texts(dataset: DatasetVersion) -> set[tuple[str, str]]:
    return {(row["completion"], row["rejected"]) for row in iter_rows(dataset)}


def answer(side: str, prompt: int) -> str:
    return f"**Answer** {side} to question {prompt}."


def rate_prompt(
    campaign: Campaign, rater: Any, position: int, outcome: str, scores: Any = None
) -> Comparison:
    """The rater rates the prompt at this position, and skips the others that come first."""
    while True:
        comparison = rating.next_comparison(by=rater, campaign=campaign)
        assert comparison is not None
        if comparison.prompt.position == position:
            break
        rating.skip(by=rater, comparison=comparison)
    a_is_candidate = comparison.a.entry.position == Entry.CANDIDATE
    choice = {
        "candidate": "a" if a_is_candidate else "b",
        "baseline": "b" if a_is_candidate else "a",
    }.get(outcome, outcome)
    given = None
    if scores is not None:
        baseline, candidate = scores
        a, b = (candidate, baseline) if a_is_candidate else (baseline, candidate)
        given = {
            side: {"accuracy": value, "tone": value, "conciseness": value}
            for side, value in (("a", a), ("b", b))
        }
    rating.rate(by=rater, comparison=comparison, choice=choice, scores=given)
    return comparison


# --- where preferences come from ---------------------------------------------------------------------------
def test_a_comparison_becomes_a_pair_with_the_preferred_answer_first(world: World):
    campaign = campaign_on(world)
    comparison = rate_prompt(campaign, world.rater, 2, "candidate")
    closed(world, campaign)
    dataset = make_preferences(world.project, world.admin, COMPARED)
    assert (dataset.kind, dataset.status) == ("preference", "ready")
    (row,) = iter_rows(dataset)
    prompt = comparison.prompt
    assert (row["completion"], row["rejected"]) == (answer("b", 2), answer("a", 2))
    assert (row["messages"], row["context"]) == (prompt.messages, prompt.context)
    assert (row["example"], row["split"]) == (prompt.row.example_id, "train")
    assert row["group"] == prompt.row.example.group


def test_a_judgement_tells_who_said_what_of_whose_answers(world: World):
    campaign = campaign_on(world)
    comparison = rate_prompt(campaign, world.rater, 0, "candidate")
    closed(world, campaign)
    dataset = make_preferences(world.project, world.admin, COMPARED)
    judgement = Judgement.objects.get(row__dataset=dataset)
    assert judgement.key == f"comparison:{comparison.pk}"
    assert (judgement.source, judgement.said, judgement.by) == ("comparisons", "completion", world.rater)
    assert judgement.at == Rating.objects.get().changed_at
    baseline, candidate = campaign.entries.order_by("position")
    assert (judgement.completion_from, judgement.rejected_from) == (
        str(candidate.version),
        str(baseline.version),
    )


def test_the_file_names_neither_people_nor_models(world: World):
    """Blind identities: the artifact is for everybody who reads examples."""
    campaign = campaign_on(world)
    rate_prompt(campaign, world.rater, 0, "candidate")
    closed(world, campaign)
    (row,) = iter_rows(make_preferences(world.project, world.admin, COMPARED))
    assert set(row) == {
        "position", "example", "revision", "split", "messages", "context", "completion", "rejected", "slice", "edge", "tags", "group",
        "source", "license",
    }  # fmt: skip
    names = [world.rater.name, *(str(entry.version) for entry in campaign.entries.all())]
    assert not [name for name in names if name in str(row)]


def test_both_bad_gives_two_bad_answers_and_equal_gives_nothing(world: World):
    campaign = campaign_on(world)
    rate_prompt(campaign, world.rater, 0, "both_bad")
    rate_prompt(campaign, another_rater(world), 1, "tie")
    closed(world, campaign)
    dataset = make_preferences(world.project, world.admin, COMPARED)
    assert texts(dataset) == {("", answer("a", 0)), ("", answer("b", 0))}
    assert dataset.counts["preferences"] == {
        "judged": 2, "judgements": 2, "pairs": 0, "liked": 0, "disliked": 2, "taken": {"comparisons": 2}, "outside": {"tie": 1},
    }  # fmt: skip
    assert sorted(DatasetRow.objects.filter(dataset=dataset).values_list("variant", flat=True)) == [0, 1]


def test_people_who_disagree_are_counted_and_give_nothing(world: World):
    campaign = campaign_on(world, ratings_per_prompt=3)
    for position, said in enumerate([("candidate", "baseline"), ("candidate", "candidate", "baseline")]):
        for outcome in said:
            rate_prompt(campaign, another_rater(world), position, outcome)
    closed(world, campaign)
    dataset = make_preferences(world.project, world.admin, COMPARED)
    assert texts(dataset) == {(answer("b", 1), answer("a", 1))}
    assert dataset.counts["preferences"]["outside"] == {"disagree": 1}
    said = Judgement.objects.filter(row__dataset=dataset).values_list("said", flat=True)
    assert sorted(said) == ["completion", "completion", "rejected"]
    unanimous = Choice(take=(Take.COMPARISONS,), agreement=1.0)
    assert preference_preview(world.project, unanimous, PREFERENCE_DEFAULTS).outside == {"disagree": 2}
    three_people = Choice(take=(Take.COMPARISONS,), raters=3)
    assert preference_preview(world.project, three_people, PREFERENCE_DEFAULTS).outside == {"few": 1}


def test_scores_count_where_a_rater_preferred_none(world: World):
    campaign = campaign_on(world)
    for position, (outcome, scores) in enumerate(
        [("tie", (2, 4)), ("tie", (3, 4)), ("baseline", (2, 4)), ("both_bad", (1, 4))]
    ):
        rate_prompt(campaign, another_rater(world), position, outcome, scores)
    closed(world, campaign)

    def pairs(*take: Take, difference: float) -> set[tuple[str, str]]:
        choice = Choice(take=take, difference=difference)
        dataset = make_preferences(world.project, world.admin, choice)
        return texts(dataset)

    better, worse = answer("b", 0), answer("a", 0)
    said = {(answer("a", 2), answer("b", 2)), ("", answer("a", 3)), ("", answer("b", 3))}
    assert pairs(Take.COMPARISONS, Take.SCORES, difference=2.0) == said | {(better, worse)}
    assert pairs(Take.COMPARISONS, Take.SCORES, difference=1.0) == said | {
        (better, worse),
        (answer("b", 1), answer("a", 1)),
    }
    # By scores alone, an answer that is bad like the other one is still no better answer.
    assert pairs(Take.SCORES, difference=2.0) == {(better, worse), (answer("b", 2), answer("a", 2))}


def test_an_approved_correction_is_better_than_the_answer_that_it_corrects(world: World):
    from annotation.services import file_correction

    def corrected(question: str, status: str) -> Example:
        example = file_correction(
            by=world.rater, project=world.project, messages=[{"role": "user", "content": question}], context=[],
            completion="It is in Oslo.", slice="", origin=Example.Origin.CHAT,
            origin_detail={"label": "Chat", "url": "/", "answer": "No idea."},
        )  # fmt: skip
        Example.objects.filter(pk=example.pk).update(status=status)
        return example

    kept = corrected("Where is the old crate?", "approved")
    corrected("When does the ferry leave?", "queued")
    make_example(world.project, status="approved", rejected="I do not know.")
    dataset = make_preferences(world.project, world.admin, Choice(take=(Take.CORRECTIONS,)))
    assert texts(dataset) == {("It is in Oslo.", "No idea.")}
    judgement = Judgement.objects.get(row__dataset=dataset)
    assert (judgement.source, judgement.key, judgement.by) == (
        "corrections",
        f"example:{kept.pk}",
        world.rater,
    )


def test_examples_with_a_worse_answer_are_pairs(world: World):
    make_example(world.project, completion="Monday.", rejected="Some day.", status="approved")
    make_example(world.project, completion="Same.", rejected=" Same.", status="approved")
    make_example(world.project, completion="Not yet.", rejected="No.", status="in_review")
    make_example(world.project, status="approved")
    dataset = make_preferences(world.project, world.admin, Choice(take=(Take.EXAMPLES,), raters=5))
    assert texts(dataset) == {("Monday.", "Some day.")}
    assert dataset.counts["preferences"]["outside"] == {"same": 1}


# --- what does not count -----------------------------------------------------------------------------------
def test_ratings_of_an_open_campaign_wait_until_it_is_closed(world: World):
    campaign = campaign_on(world)
    rate_all(campaign, world.rater, ["candidate", "candidate"])
    shown = preference_preview(world.project, COMPARED, PREFERENCE_DEFAULTS)
    assert (shown.total, shown.outside) == (0, {"not_closed": 2})
    closed(world, campaign)
    assert preference_preview(world.project, COMPARED, PREFERENCE_DEFAULTS).total == 2
    reopen_campaign(by=world.admin, campaign=Campaign.objects.get(pk=campaign.pk))
    assert preference_preview(world.project, COMPARED, PREFERENCE_DEFAULTS).total == 0


def test_a_campaign_that_is_not_closed_cannot_be_named(world: World):
    """Raters do not see its name before; a version's settings are for everybody who reads examples."""
    campaign = campaign_on(world, name="Model 2 against the base")
    rate_all(campaign, world.rater, ["candidate"])
    named = Choice(take=(Take.COMPARISONS,), campaigns=(campaign.name,))
    with pytest.raises(Invalid):
        make_preferences(world.project, world.admin, named)
    closed(world, campaign)
    assert make_preferences(world.project, world.admin, named).counts["total"] == 1


def test_a_changed_rating_counts_as_it_is_and_the_frozen_version_as_it_was(world: World):
    campaign = campaign_on(world)
    comparison = rate_prompt(campaign, world.rater, 0, "candidate")
    closed(world, campaign)
    first = make_preferences(world.project, world.admin, COMPARED)
    campaign = reopen_campaign(by=world.admin, campaign=Campaign.objects.get(pk=campaign.pk))
    side = "a" if comparison.a.entry.position == Entry.BASELINE else "b"
    rating.change_rating(by=world.rater, comparison=comparison, choice=side, scores=None)
    closed(world, Campaign.objects.get(pk=campaign.pk))
    second = make_preferences(world.project, world.admin, COMPARED)
    assert texts(first) == {(answer("b", 0), answer("a", 0))}
    assert texts(second) == {(answer("a", 0), answer("b", 0))}
    assert Judgement.objects.get(row__dataset=first).said == "completion"
    assert first.content_hash != second.content_hash


def test_ratings_that_were_set_aside_and_answers_in_doubt_do_not_count(world: World):
    campaign = campaign_on(world)
    for position in range(3):
        rate_prompt(campaign, another_rater(world), position, "candidate")
    closed(world, campaign)
    aside, doubted, _ = Rating.objects.order_by("comparison__prompt__position")
    Rating.objects.filter(pk=aside.pk).update(
        set_aside_at=aside.created_at, set_aside_by=world.admin, set_aside_reason="Rated without reading."
    )
    doubtful = doubted.comparison.a.answer
    doubtful.doubt = "The engine was restarted."
    doubtful.save()
    dataset = make_preferences(world.project, world.admin, COMPARED)
    assert texts(dataset) == {(answer("b", 2), answer("a", 2))}
    assert dataset.counts["preferences"]["outside"] == {"in_doubt": 1, "set_aside": 1}


def test_only_the_chosen_campaigns_count_and_only_of_this_project(world: World):
    dataset = frozen(world)
    one, two = campaign_on(world, dataset, name="Spring"), campaign_on(world, dataset, name="Autumn")
    rate_prompt(one, world.rater, 0, "candidate")
    rate_prompt(two, world.rater, 1, "candidate")
    elsewhere = make_campaign(world.other, world.neighbour, name="Elsewhere")
    rate_all(elsewhere, world.neighbour, ["candidate"])
    for campaign in (one, two):
        closed(world, campaign)
    close_campaign(by=world.neighbour, campaign=elsewhere)
    chosen = Choice(take=(Take.COMPARISONS,), campaigns=("Autumn",))
    assert texts(make_preferences(world.project, world.admin, chosen)) == {(answer("b", 1), answer("a", 1))}
    assert preference_preview(world.project, COMPARED, PREFERENCE_DEFAULTS).total == 2
    with pytest.raises(Invalid) as refused:
        make_preferences(
            world.project, world.admin, Choice(take=(Take.COMPARISONS,), campaigns=("Elsewhere",))
        )
    assert "campaigns" in refused.value.fields


def test_one_person_has_one_vote_on_a_pair_over_all_campaigns(world: World):
    dataset = frozen(world)
    one, two = campaign_on(world, dataset), campaign_on(world, dataset)
    rate_prompt(one, world.rater, 0, "candidate")
    rate_prompt(two, world.rater, 0, "baseline")
    for campaign in (one, two):
        closed(world, campaign)
    frozen_now = make_preferences(world.project, world.admin, COMPARED)
    assert texts(frozen_now) == {(answer("a", 0), answer("b", 0))}
    assert Judgement.objects.filter(row__dataset=frozen_now).count() == 1


def test_retired_examples_and_data_rules_and_control_marks_keep_rows_out(world: World):
    Source.objects.create(project=world.project, name="desk", withdrawn_at="2026-11-01T00:00Z", withdrawn_by=world.admin, withdrawn_reason="Asked for.")  # fmt: skip
    for fields in (
        {"source": "desk", "rejected": "Withdrawn."},
        {"rejected": "Ends <|im_end|> here."},
        {"rejected": "Fine."},
    ):
        make_example(world.project, status="approved", **fields)
    dataset = make_preferences(world.project, world.admin, Choice(take=(Take.EXAMPLES,)))
    assert [row["rejected"] for row in iter_rows(dataset)] == ["Fine."]
    assert dataset.counts["withheld_rules"] == {"withdrawn": 1}
    assert dataset.counts["withheld_marked"] == 1
    assert sorted(WithheldRow.objects.filter(dataset=dataset).values_list("reason", flat=True)) == [
        "control_mark",
        "rule",
    ]
    campaign = campaign_on(world)
    comparison = rate_prompt(campaign, world.rater, 0, "candidate")
    closed(world, campaign)
    retire(by=world.admin, example=comparison.prompt.row.example, reason="Wrong.")
    shown = preference_preview(world.project, COMPARED, PREFERENCE_DEFAULTS)
    assert (shown.total, shown.outside) == (0, {"retired": 1})


# --- what was held out never trains ------------------------------------------------------------------------
def test_test_prompts_of_examples_stay_test_in_preferences(world: World):
    dataset = frozen(world)
    campaign = campaign_on(world, dataset, split="test")
    rate_all(campaign, world.rater, ["candidate"] * 4)
    closed(world, campaign)
    preferences = make_preferences(world.project, world.admin, COMPARED, test=0.0, validation=0.0)
    assert {row["split"] for row in iter_rows(preferences)} == {"test"}
    assert (preferences.counts["train"], preferences.counts["test"]) == (0, 4)


def test_a_prompt_that_was_tested_does_not_train_under_another_group(world: World):
    dataset = frozen(world)
    tested = DatasetRow.objects.filter(dataset=dataset, split="test").select_related("example").first()
    assert tested is not None
    question = tested.example.messages[0]["content"]
    for group, text in (("new-1", question.upper()), ("new-2", question.replace("Where", "So where"))):
        make_example(world.project, question=text, group=group, status="approved", rejected="No idea.")
    make_example(
        world.project, question="May I pay by card?", group="new-3", status="approved", rejected="No."
    )
    preferences = make_preferences(
        world.project, world.admin, Choice(take=(Take.EXAMPLES,)), test=0.0, validation=0.0
    )
    assert [row["rejected"] for row in iter_rows(preferences)] == ["No."]
    withheld = WithheldRow.objects.filter(dataset=preferences)
    assert {row.repeats_id for row in withheld} == {tested.example_id}
    assert {row.reason for row in withheld} == {"repeats_test", "near_test"}


def test_prompts_that_preferences_tested_never_train_as_examples(world: World):
    for letter in "abcdefghijkl":
        make_example(
            world.project, question=f"{letter * 3} or {letter * 4}, and {letter * 5}?", status="approved",
            rejected="No.", group=f"group {letter}",
        )  # fmt: skip
    preferences = make_preferences(world.project, world.admin, Choice(take=(Take.EXAMPLES,)), test=0.4)
    held = [row for row in iter_rows(preferences) if row["split"] == "test"]
    assert len(held) >= 2
    repeated = make_example(
        world.project, question=held[0]["messages"][0]["content"], group="another group", status="approved"
    )
    examples = make_frozen(world.project, world.admin, test=0.1, validation=0.1)
    splits = dict(DatasetRow.objects.filter(dataset=examples).values_list("example", "split"))
    assert {splits[row["example"]] for row in held} == {"test"}
    assert repeated.pk not in splits
    assert WithheldRow.objects.get(dataset=examples).example == repeated
    for row in iter_rows(preferences):
        assert GroupSplit.objects.get(project=world.project, group=row["group"]).split == row["split"]


# --- versions ----------------------------------------------------------------------------------------------
def test_equal_content_has_an_equal_hash_which_is_what_its_definition_says(world: World):
    for project in (world.project, world.other):
        for number in range(8):
            make_example(
                project, question=f"Question {'xyzuvwrs'[number] * 6}?", completion="Yes.", group=f"g{number}", rejected="No.",
                status="approved",
            )  # fmt: skip
    choice = Choice(take=(Take.EXAMPLES,))
    one = make_preferences(world.project, world.admin, choice)
    again = make_preferences(world.project, world.admin, choice)
    other = make_preferences(world.other, world.neighbour, choice)
    assert one.content_hash == again.content_hash == other.content_hash
    assert (again.same_as, other.same_as) == (one, None)
    extra = ("position", "example", "revision", "split")
    rows = [({k: v for k, v in row.items() if k not in extra}, row["split"]) for row in iter_rows(one)]
    assert content_hash_of(rows, one.settings) == one.content_hash
    stricter = make_preferences(world.project, world.admin, Choice(take=(Take.EXAMPLES,), agreement=0.9))
    assert stricter.content_hash != one.content_hash


def test_a_preference_version_is_not_the_newest_of_examples(world: World):
    dataset = frozen(world)
    make_example(world.project, status="approved", rejected="No.")
    preferences = make_preferences(world.project, world.admin, Choice(take=(Take.EXAMPLES,)))
    assert newest_ready(world.project) == dataset
    assert newest_ready(world.project, preferences.kind) == preferences
    assert not_frozen_yet(world.project, newest_ready(world.project)) == 1
    assert version_before(preferences) is None
    again = make_preferences(world.project, world.admin, Choice(take=(Take.EXAMPLES,)))
    assert version_before(again) == preferences
    assert version_before(make_frozen(world.project, world.admin)) == dataset


def test_no_report_and_no_bias_audit_is_made_of_it(world: World):
    """They read answers that people stand for."""
    from core.models import Event
    from dataset.handlers import audit_frozen, report_frozen

    example = make_example(world.project, status="approved", rejected="No.")
    make_audit_rows(world.project, example)
    make_preferences(world.project, world.admin, Choice(take=(Take.EXAMPLES,)))
    event = Event.objects.get(kind="dataset.frozen")
    report_frozen(event)
    audit_frozen(event)
    assert not VersionReport.objects.exists()
    assert BiasAudit.objects.count() == 1


@pytest.mark.parametrize(
    ("choice", "field"),
    [
        (Choice(take=()), "take"), (Choice(take=("stars",)), "take"), (Choice(raters=0), "raters"), (Choice(raters=21), "raters"),
        (Choice(agreement=0.5), "agreement"), (Choice(agreement=1.01), "agreement"), (Choice(difference=0), "difference"),
        (Choice(difference=4.5), "difference"), (Choice(campaigns=("None",)), "campaigns"),
    ],
)  # fmt: skip
def test_a_wrong_choice_is_refused_at_its_field(world: World, choice: Choice, field: str):
    with pytest.raises(Invalid) as refused:
        start_preference_freeze(by=world.admin, project=world.project, choice=choice)
    assert set(refused.value.fields) == {field}
    assert not DatasetVersion.objects.exists()


def test_what_changed_after_the_preview_is_not_frozen_unseen(world: World):
    campaign = campaign_on(world)
    comparison = rate_prompt(campaign, world.rater, 0, "candidate")
    closed(world, campaign)
    seen = preference_preview(world.project, COMPARED, PREFERENCE_DEFAULTS).seen
    rated = Rating.objects.get(comparison=comparison)
    Rating.objects.filter(pk=rated.pk).update(
        set_aside_at=rated.created_at, set_aside_by=world.admin, set_aside_reason="Not read."
    )
    with pytest.raises(Conflict):
        start_preference_freeze(by=world.admin, project=world.project, choice=COMPARED, seen=seen)
    seen = preference_preview(world.project, COMPARED, PREFERENCE_DEFAULTS).seen
    start_preference_freeze(by=world.admin, project=world.project, choice=COMPARED, seen=seen)


# --- as a run ----------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_the_run_freezes_and_ends_and_leaves_an_audit_entry(world: World):
    make_example(world.project, status="approved", rejected="No.")
    dataset = start_preference_freeze(by=world.admin, project=world.project, choice=Choice())
    execute_run(dataset.run_id)
    dataset.refresh_from_db()
    assert dataset.run is not None
    assert (dataset.status, dataset.run.status, dataset.run.percent) == ("ready", "succeeded", 100)
    assert AuditEntry.objects.filter(action="dataset.frozen", project_id=world.project.pk).count() == 1
    Run.objects.filter(pk=dataset.run_id).update(status="queued", claim=None)
    execute_run(dataset.run_id)  # a worker that died between the commit and the end of its run
    assert DatasetRow.objects.filter(dataset=dataset).count() == 1


@pytest.mark.django_db(transaction=True)
def test_without_preferences_the_run_fails_with_words_and_decides_nothing(world: World):
    approve(world.project, 3)
    dataset = start_preference_freeze(by=world.admin, project=world.project, choice=Choice())
    execute_run(dataset.run_id)
    dataset.refresh_from_db()
    assert dataset.run is not None
    assert (dataset.status, dataset.run.error_code) == ("failed", "no_preferences")
    assert not GroupSplit.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_rating_set_aside_during_the_freeze_is_in_it_as_a_whole(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """The version has what was true at its start, and its rows, counts and judgements agree."""
    campaign = campaign_on(world)
    for position in range(2):
        rate_prompt(campaign, another_rater(world), position, "candidate")
    closed(world, campaign)
    dataset = start_preference_freeze(by=world.admin, project=world.project, choice=COMPARED)
    real = runner._read

    def interrupted(*args: Any) -> Any:
        rows = real(*args)
        thread = threading.Thread(target=set_aside)
        thread.start()
        thread.join()
        return rows

    def set_aside() -> None:
        try:
            for rated in Rating.objects.all():
                Rating.objects.filter(pk=rated.pk).update(
                    set_aside_at=rated.created_at, set_aside_by=world.admin, set_aside_reason="Not read."
                )
        finally:
            connection.close()

    monkeypatch.setattr(runner, "_read", interrupted)
    execute_run(dataset.run_id)
    dataset.refresh_from_db()
    assert dataset.counts["total"] == dataset.counts["preferences"]["pairs"] == 2
    assert Judgement.objects.filter(row__dataset=dataset).count() == 2
    assert preference_preview(world.project, COMPARED, PREFERENCE_DEFAULTS).total == 0


@pytest.mark.django_db(transaction=True)
def test_a_failure_in_the_middle_decides_nothing(world: World, monkeypatch: pytest.MonkeyPatch):
    make_example(world.project, status="approved", rejected="No.")

    def full(*args: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.storage.folder.FolderStorage.put", full)
    dataset = start_preference_freeze(by=world.admin, project=world.project, choice=Choice())
    execute_run(dataset.run_id)
    dataset.refresh_from_db()
    assert dataset.status == "failed"
    assert not (GroupSplit.objects.exists() or DatasetRow.objects.exists() or Judgement.objects.exists())
