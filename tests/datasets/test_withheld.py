"""What a freeze withholds, joins and counts: near-duplicates of test rows, slices, reviews; and that a preview says so first."""

from typing import Any

import pytest
from django.utils import timezone

from annotation.models import Example, Review, Revision
from annotation.services.examples import retire
from dataset.models import DatasetRow, GroupSplit, WithheldRow
from dataset.queries.preview import preview
from dataset.queries.provenance import people_behind
from dataset.rows import iter_rows
from dataset.services.versions import FREEZE_DEFAULTS
from dataset.splits import SPLITS
from tests.datasets.desk import approve, ask, question_of, splits_of
from tests.support.factories import World, make_example, make_frozen, spelled

APPROVED = Example.Status.APPROVED
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


# --- withheld rows -----------------------------------------------------------------------------------------
@pytest.fixture
def held_out(world: World) -> Example:
    """A test row of a first version, with nine others around it."""
    approve(world.project, 10)
    dataset = make_frozen(world.project, world.admin)
    return (
        DatasetRow.objects.select_related("example")
        .filter(dataset=dataset, split="test")
        .earliest("pk")
        .example
    )


def test_a_row_that_asks_what_a_test_row_asks_is_withheld(world: World, held_out: Example):
    question = held_out.messages[-1]["content"]
    repeats = make_example(world.project, f"  {question.upper()}\n", "Another answer.", status=APPROVED)
    dataset = make_frozen(world.project, world.admin)
    row = WithheldRow.objects.get(dataset=dataset)
    assert (row.example, row.repeats, row.reason) == (repeats, held_out, "repeats_test")
    assert row.split in ("train", "validation")
    assert (dataset.counts["withheld"], dataset.counts["total"]) == (1, 10)
    assert repeats.pk not in splits_of(dataset)


def test_other_records_make_it_no_other_question(world: World, held_out: Example):
    """The answer may be another one, but a model that learnt this question has seen the test."""
    question = held_out.messages[-1]["content"]
    other = make_example(world.project, question, context=["FD-9 | else"], status=APPROVED)
    row = WithheldRow.objects.get(dataset=make_frozen(world.project, world.admin))
    assert (row.example, row.repeats, row.reason, row.similarity) == (other, held_out, "near_test", 1.0)


def test_a_test_row_that_was_retired_still_holds_its_question_out(world: World, held_out: Example):
    retire(by=world.admin, example=held_out, reason="old")
    trained_on = GroupSplit.objects.filter(project=world.project, split="train").earliest("pk").group
    make_example(world.project, held_out.messages[-1]["content"], group=trained_on, status=APPROVED)
    dataset = make_frozen(world.project, world.admin)
    assert WithheldRow.objects.get(dataset=dataset).repeats == held_out


def test_a_repeat_in_the_group_of_the_test_row_is_test_itself(world: World, held_out: Example):
    question = held_out.messages[-1]["content"]
    repeats = make_example(world.project, question, group=held_out.group, status=APPROVED)
    dataset = make_frozen(world.project, world.admin)
    assert dataset.counts["withheld"] == 0
    assert splits_of(dataset)[repeats.pk] == "test"


def test_a_row_that_asks_nearly_what_a_test_row_asked_once_never_trains(world: World):
    """The test row is retired and its wording was changed since; what was held out is what it asked then."""
    asked = "Can you tell me when crate 17 for Oslo leaves the harbour of Hamburg?"
    for n in range(8):
        make_example(
            world.project, f"{spelled(n)} {spelled(n + 9)} {spelled(n + 4)}?", group=f"g{n}", status=APPROVED
        )
    tested = make_example(world.project, asked, group="tested", status=APPROVED)
    GroupSplit.objects.create(project=world.project, group="tested", split="test")
    make_frozen(world.project, world.admin)
    Example.objects.filter(pk=tested.pk).update(messages=ask("Else?"))
    retire(by=world.admin, example=tested, reason="old")
    near = make_example(
        world.project,
        "can you tell me when crate 4,200 for Oslo leaves the harbour of Hamburg please",
        status=APPROVED,
    )
    far = make_example(world.project, "Can you tell me when crate 17 for Bergen leaves?", status=APPROVED)
    GroupSplit.objects.create(project=world.project, group=near.group, split="train")
    dataset = make_frozen(world.project, world.admin)
    row = WithheldRow.objects.get(dataset=dataset)
    assert (row.example, row.repeats, row.split, row.reason) == (near, tested, "train", "near_test")
    assert row.similarity == pytest.approx(13 / 14)
    assert far.pk in splits_of(dataset)
    assert (dataset.counts["withheld"], dataset.counts["withheld_near"]) == (1, 1)


def test_new_near_duplicates_stay_together_and_nothing_is_lost(world: World):
    for n in range(60):
        make_example(world.project, question_of(n), group=f"g{n}", status=APPROVED)
    dataset = make_frozen(world.project, world.admin, test=0.2)
    assert (dataset.counts["withheld"], dataset.counts["total"]) == (0, 60)
    assert dataset.counts["near"] == {"groups": 48, "clusters": 12, "rows": 48, "largest": 4}
    splits = {row["group"]: row["split"] for row in iter_rows(dataset)}
    for first in range(0, 60, 5):
        assert len({splits[f"g{n}"] for n in range(first, first + 4)}) == 1
    assert dataset.counts["test"] >= 8


def test_a_new_near_duplicate_of_a_training_row_trains(world: World):
    """As a test row it would take the training row out, which earlier models have learnt."""
    for n in range(20):
        make_example(world.project, question_of(n), group=f"g{n}", status=APPROVED)
    make_frozen(world.project, world.admin)
    trained = set(
        GroupSplit.objects.filter(project=world.project, split="train").values_list("group", flat=True)
    )
    new = {}
    for n in range(20):
        if f"g{n}" in trained:
            new[f"new{n}"] = make_example(
                world.project, question_of(n) + " 5", group=f"new{n}", status=APPROVED
            )
    dataset = make_frozen(world.project, world.admin, test=0.5, validation=0)
    assert {splits_of(dataset)[example.pk] for example in new.values()} == {"train"}


def test_near_duplicates_may_be_left_alone(world: World):
    for n in range(40):
        make_example(world.project, f"Where is crate {n}?", group=f"g{n}", status=APPROVED)
    together = make_frozen(world.project, world.admin)
    assert together.counts["test"] == 0
    assert "near-duplicates" in together.counts["untested"]["shipment status"]
    GroupSplit.objects.filter(project=world.project).delete()
    alone = make_frozen(world.project, world.admin, separate_near_duplicates=False)
    assert alone.counts["test"] == 4
    assert alone.counts["withheld"] == 0
    assert alone.content_hash != together.content_hash


def test_validation_rows_that_training_nearly_repeats_are_counted(world: World):
    for n in range(20):
        make_example(world.project, question_of(n), group=f"g{n}", status=APPROVED)
        GroupSplit.objects.create(
            project=world.project, group=f"g{n}", split="validation" if n % 5 == 0 else "train"
        )
    dataset = make_frozen(world.project, world.admin)
    assert (dataset.counts["validation_near_train"], dataset.counts["withheld"]) == (4, 0)


def test_a_slice_that_was_all_training_is_tested_by_its_new_groups(world: World):
    for _ in range(12):
        example = make_example(world.project, slice="customs", status=APPROVED)
        GroupSplit.objects.create(project=world.project, group=example.group, split="train")
    first = make_frozen(world.project, world.admin)
    assert "permanent" in first.counts["untested"]["customs"]
    new = approve(world.project, 5, slice="customs")
    dataset = make_frozen(world.project, world.admin)
    tested = [example for example in new if splits_of(dataset)[example.pk] == "test"]
    assert len(tested) >= 2
    assert dataset.counts["untested"] == {}


# --- what a preview says -----------------------------------------------------------------------------------
@pytest.mark.parametrize("options", [{}, {"test": 0.25, "seed": 7}, {"separate_near_duplicates": False}])
def test_what_is_frozen_is_what_was_previewed(world: World, options: dict[str, Any]):
    for n in range(50):
        make_example(
            world.project,
            question_of(n),
            group=f"g{n // 2}",
            slice=["customs", "delay"][n % 2],
            status=APPROVED,
        )
    make_frozen(world.project, world.admin, slices=["customs"])
    for n in range(50, 90):
        make_example(world.project, question_of(n - 30), group=f"h{n}", slice="delay", status=APPROVED)
    shown = preview(world.project, FREEZE_DEFAULTS | options)
    assert shown.counts is not None
    assert options or shown.counts["withheld"] > 0
    assert make_frozen(world.project, world.admin, **options).counts == shown.counts


def test_with_many_rows_the_preview_says_that_it_compared_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    approve(world.project, 30)
    monkeypatch.setattr("dataset.queries.preview.WHOLE", 29)
    shown = preview(world.project, FREEZE_DEFAULTS)
    assert not shown.whole
    assert shown.counts is not None and "withheld" not in shown.counts
    frozen = make_frozen(world.project, world.admin).counts
    assert {name: shown.counts[name] for name in ("total", *SPLITS, "slices", "untested")} == {
        name: frozen[name] for name in ("total", *SPLITS, "slices", "untested")
    }


# --- who reviewed them -------------------------------------------------------------------------------------
def test_rows_that_nobody_reviewed_are_counted_and_undone_reviews_are_not_reviews(world: World):
    approve(world.project, 3, created_by=world.admin)
    accepted, undone, earlier = approve(world.project, 3, created_by=world.annotator)
    for example in (accepted, undone, earlier):
        Review.objects.create(
            example=example, revision=example.revisions.get(), verdict="accepted", by=world.reviewer
        )
    Review.objects.filter(example=undone).update(undone_at=timezone.now())
    # Accepted as it was before, and changed since: nobody reviewed what is frozen.
    Revision.objects.create(example=earlier, number=2, reason="corrected", content={**earlier.content()})
    Example.objects.filter(pk=earlier.pk).update(revision=2)
    assert preview(world.project, FREEZE_DEFAULTS).unreviewed == 5
    people = people_behind(make_frozen(world.project, world.admin))
    assert (people.reviewed_rows, people.never_reviewed) == (1, 5)
    assert [(share.person, share.rows) for share in people.reviewed] == [(world.reviewer, 1)]
