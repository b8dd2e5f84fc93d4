"""Fixes of findings: what they change, whose examples, which approvals hold, and undoing."""

from datetime import timedelta

import pytest
from django.utils import timezone

from annotation import services
from annotation.models import Example, ExampleFinding, Lease, Review, Revision
from annotation.queries.queue import undoable, undoable_bulk
from annotation.services import quality
from annotation.services.findings import Settled
from annotation.services.found import check_and_store
from core.errors import Conflict, Invalid
from core.models import AuditEntry, Run
from core.runs.execution import execute
from tests.support.checks import check_of_spaces
from tests.support.factories import World, make_example

pytestmark = pytest.mark.django_db
WRONG, RIGHT = "It  is at sea now, and on time.", "It is at sea now, and on time."


@pytest.fixture(autouse=True)
def spaces():
    with check_of_spaces() as name:
        yield name


def wrong(world: World, **fields) -> Example:
    example = make_example(world.project, completion=fields.pop("completion", WRONG), **fields)
    check_and_store(example, example.content(), world.project)
    return example


def fix(world: World, by: str, *examples: Example) -> Settled:
    ids = list(
        ExampleFinding.objects.filter(example__in=examples, check_name="spaces").values_list("pk", flat=True)
    )
    outcome = quality.settle(
        by=getattr(world, by), project=world.project, action="fix", criteria={"ids": ids}
    )
    assert isinstance(outcome, Settled)
    for example in examples:
        example.refresh_from_db()
    return outcome


def state(example: Example) -> list[str]:
    return list(
        ExampleFinding.objects.filter(example=example, check_name="spaces").values_list("status", flat=True)
    )


@pytest.mark.parametrize("status", ["queued", "in_review", "returned"])
def test_a_fix_is_a_revision_and_the_example_stays_where_it_waits(world: World, status):
    example = wrong(world, status=status, submitted_by=world.annotator if status != "queued" else None)
    waited = example.waiting_since
    outcome = fix(world, "reviewer", example)
    assert (outcome.findings, outcome.left) == (1, [])
    assert (example.completion, example.status, example.revision) == (RIGHT, status, 2)
    assert example.waiting_since == waited
    revision = example.revisions.first()
    assert (revision.reason, revision.by, revision.content["completion"]) == ("fixed", world.reviewer, RIGHT)
    assert state(example) == ["fixed"]
    assert not Review.objects.exists()
    assert AuditEntry.objects.filter(action="example.fixed", object_id=str(example.pk)).exists()


def test_a_reviewers_fix_of_an_approved_example_counts_as_their_review(world: World):
    example = wrong(world, status="approved", submitted_by=world.annotator)
    fix(world, "reviewer", example)
    assert (example.status, example.completion) == ("approved", RIGHT)
    review = Review.objects.get(example=example)
    assert (review.by, review.revision.number, review.in_bulk) == (world.reviewer, 2, True)
    # The review list does not offer to undo it as a review: its text would stay.
    assert undoable(world.reviewer, world.project) == []
    assert undoable_bulk(world.reviewer, world.project) == []


@pytest.mark.parametrize("by", ["admin", "reviewer"])
def test_an_approved_example_goes_back_to_review_when_the_person_cannot_approve_it(world: World, by):
    """An admin does not review, and nobody reviews what they submitted."""
    author = world.reviewer if by == "reviewer" else world.annotator
    example = wrong(world, status="approved", submitted_by=author)
    fix(world, by, example)
    assert (example.status, example.completion) == ("in_review", RIGHT)
    assert not Review.objects.exists()


def test_what_somebody_has_open_or_is_retired_is_left(world: World):
    held, retired, free = wrong(world), wrong(world, status="retired"), wrong(world)
    services.take(by=world.annotator, example=held, purpose=Lease.Purpose.ANNOTATE)
    outcome = fix(world, "reviewer", held, retired, free)
    assert (outcome.examples, outcome.left) == (1, [(held.pk, "Annotator Member has it open now.")])
    assert (held.completion, retired.completion, free.completion) == (WRONG, WRONG, RIGHT)
    assert state(held) == ["open"]


def test_a_fix_of_an_older_text_is_refused(world: World):
    example = wrong(world)
    Example.objects.filter(pk=example.pk).update(content_hash="0" * 64)
    outcome = fix(world, "reviewer", example)
    assert outcome.left == [(example.pk, "It changed after this was found.")]
    assert example.completion == WRONG


def test_several_fixes_of_one_example_are_one_revision(world: World):
    example = wrong(world, completion="It  is  at sea.", context=["a  record"])
    assert len(state(example)) == 3
    fix(world, "reviewer", example)
    assert (example.completion, example.context, example.revision) == ("It is at sea.", ["a record"], 2)
    assert state(example) == ["fixed"] * 3


def test_a_fix_that_would_break_the_example_is_refused(world: World):
    example = wrong(world)
    ExampleFinding.objects.filter(example=example).update(
        fixes=[["completion", 0, 0, len(WRONG), ""], ["messages", 0, 0, len(example.question), ""]]
    )
    outcome = fix(world, "reviewer", example)
    assert (
        "The fix cannot be stored. Write what the customer says. Write the completion." in outcome.left[0][1]
    )
    assert (example.completion, state(example)) == (WRONG, ["open"])


def test_overlapping_fixes_are_made_one_after_the_other(world: World):
    example = wrong(world)
    finding = ExampleFinding.objects.get(example=example, check_name="spaces")
    ExampleFinding.objects.create(
        project=world.project, example=example, check_name="spaces", level="warn", says="x", fingerprint="x",
        content_hash=finding.content_hash, fixes=[["completion", 0, 0, 5, "Your container"]],
    )  # fmt: skip
    fix(world, "reviewer", example)
    assert example.completion == RIGHT
    # The check does not make the other one: it ends with the new text.
    assert sorted(state(example)) == ["fixed", "gone"]


def test_the_reason_for_another_finding_stays_with_the_fixed_text(world: World):
    example = services.write_example(
        by=world.annotator, project=world.project, reason="Agreed by phone.",
        content={"messages": [{"role": "user", "content": "When?"}], "completion": "On 3 May  2027."},
    )  # fmt: skip
    fix(world, "reviewer", example)
    assert Revision.objects.get(example=example, number=2).note == "Agreed by phone."


def test_undoing_a_fix_brings_text_approval_and_finding_back(world: World):
    example = wrong(world, status="approved", submitted_by=world.annotator)
    Review.objects.create(
        example=example, revision=example.revisions.get(), verdict="accepted", by=world.reviewer
    )
    batch = fix(world, "reviewer", example).batch
    assert batch is not None
    outcome = quality.undo(by=world.reviewer, project=world.project, batch=batch)
    example.refresh_from_db()
    assert isinstance(outcome, Settled)
    assert (outcome.findings, outcome.left) == (1, [])
    assert (example.completion, example.status, example.revision) == (WRONG, "approved", 3)
    assert state(example) == ["open"]
    current = Review.objects.filter(revision__number=3, undone_at=None)
    assert current.get().by == world.reviewer
    with pytest.raises(Conflict):
        quality.undo(by=world.reviewer, project=world.project, batch=batch)


def test_a_fix_that_sent_it_to_review_is_undone_there(world: World):
    example = wrong(world, status="approved", submitted_by=world.annotator)
    batch = fix(world, "admin", example).batch
    quality.undo(by=world.admin, project=world.project, batch=batch)
    example.refresh_from_db()
    assert (example.completion, example.status) == (WRONG, "in_review")


def test_a_fix_is_not_undone_over_later_work(world: World):
    decided, edited, open_now = (
        wrong(world, status="in_review", submitted_by=world.annotator) for _ in range(3)
    )
    batch = fix(world, "admin", decided, edited, open_now).batch
    services.take(by=world.reviewer, example=decided, purpose=Lease.Purpose.REVIEW)
    services.accept(by=world.reviewer, example=decided)
    Example.objects.filter(pk=edited.pk).update(revision=3)
    services.take(by=world.reviewer, example=open_now, purpose=Lease.Purpose.REVIEW)
    outcome = quality.undo(by=world.admin, project=world.project, batch=batch)
    assert dict(outcome.left) == {
        decided.pk: "Somebody has decided about it since then.",
        edited.pk: "It changed after the fix.",
        open_now.pk: "Reviewer Member has it open now.",
    }
    decided.refresh_from_db()
    assert (decided.status, decided.completion) == ("approved", RIGHT)
    assert Review.objects.get(example=decided).undone_at is None


def test_undo_is_for_the_person_and_for_ten_minutes(world: World):
    example = wrong(world)
    batch = fix(world, "reviewer", example).batch
    with pytest.raises(Conflict):
        quality.undo(by=world.admin, project=world.project, batch=batch)
    ExampleFinding.objects.update(decided_at=timezone.now() - timedelta(minutes=11))
    with pytest.raises(Conflict):
        quality.undo(by=world.reviewer, project=world.project, batch=batch)


def test_a_filter_is_settled_as_a_whole_and_only_what_was_seen(world: World):
    first, second = wrong(world, slice="customs"), wrong(world, slice="billing")
    upto = ExampleFinding.objects.latest("pk").pk
    later = wrong(world, slice="customs")
    criteria = {"slice": "customs", "check": "spaces", "upto": upto}
    quality.settle(
        by=world.admin, project=world.project, action="dismiss", criteria=criteria, reason="As agreed."
    )
    assert [state(example) for example in (first, second, later)] == [["dismissed"], ["open"], ["open"]]
    quality.settle(by=world.admin, project=world.project, action="reopen", criteria={"slice": "customs"})
    assert state(first) == ["open"]
    with pytest.raises(Invalid):
        quality.settle(by=world.admin, project=world.project, action="delete", criteria={})


def test_many_are_settled_by_a_run_that_can_be_started_again_and_undone(world: World, monkeypatch):
    examples = [wrong(world) for _ in range(12)]
    monkeypatch.setitem(quality.AT_ONCE, "fix", 3)
    monkeypatch.setitem(quality.AT_ONCE, "undo", 3)
    criteria = {"check": "spaces"}
    run = quality.settle(by=world.reviewer, project=world.project, action="fix", criteria=criteria)
    assert isinstance(run, Run)
    with pytest.raises(Conflict):
        quality.settle(by=world.reviewer, project=world.project, action="fix", criteria=criteria)
    fix(world, "reviewer", examples[0])  # done before the worker comes, as after a restart
    execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.params["settled"], run.params["left"]) == ("succeeded", 11, 0)
    assert not Example.objects.exclude(completion=RIGHT).exists()
    batch = ExampleFinding.objects.get(example=examples[1], check_name="spaces").batch
    back = quality.undo(by=world.reviewer, project=world.project, batch=batch)
    assert isinstance(back, Run)
    execute(back.pk)
    assert Example.objects.filter(completion=WRONG).count() == 11
