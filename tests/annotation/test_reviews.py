"""Reviews: four eyes, decisions that stick, decisions taken back, and what a reviewer need not read again."""

from datetime import timedelta

import pytest
from django.utils import timezone

from annotation import services
from annotation.errors import LeaseLost, NeedsReason
from annotation.models import Draft, Example, Lease, Review, Revision
from annotation.queries import queue as queries
from annotation.text.changes import changes
from annotation.text.cleaning import clean_draft
from core.errors import Conflict, Invalid
from core.models import Artifact, AuditEntry, Role, User
from dataset.models import DatasetRow, DatasetVersion
from tests.support.factories import World, join, make_example, make_user

pytestmark = pytest.mark.django_db
REVIEW = Lease.Purpose.REVIEW
ANNOTATE = Lease.Purpose.ANNOTATE


def submitted(world: World, by: User | None = None, **fields: object) -> Example:
    return make_example(
        world.project,
        status=Example.Status.IN_REVIEW,
        submitted_by=by or world.annotator,
        submitted_at=timezone.now(),
        **fields,
    )


def take(world: World, person: User | None = None) -> Example | None:
    lease = services.take_next(by=person or world.reviewer, project=world.project, purpose=REVIEW)
    return lease.example if lease else None


def content(example: Example, **more: object) -> dict:
    return {**example.content(), "slice": example.slice, "edge": example.edge, "tags": example.tags, **more}


def second_reviewer(world: World) -> User:
    person = make_user()
    join(world.project, person, Role.REVIEWER)
    return person


def test_nobody_reviews_what_they_submitted(world):
    both = make_user()
    join(world.project, both, Role.ANNOTATOR, Role.REVIEWER)
    own = submitted(world, both)
    assert take(world, both) is None
    with pytest.raises(LeaseLost, match="Another person must review"):
        services.take(by=both, example=own, purpose=REVIEW)
    outcome = services.accept_many(by=both, project=world.project, listed=[(own.pk, 1)])
    assert outcome.done == []
    # Not even with a lease that was opened before the four-eyes rule could see it.
    Lease.objects.create(
        example=own, project=world.project, user=both, purpose=REVIEW,
        expires_at=timezone.now() + timedelta(minutes=5),
    )  # fmt: skip
    with pytest.raises(LeaseLost):
        services.accept(by=both, example=own)
    own.refresh_from_db()
    assert own.status == "in_review"


def test_two_reviewers_get_different_pairs(world):
    one, two = submitted(world), submitted(world)
    assert {take(world), take(world, second_reviewer(world))} == {one, two}


def test_accepting_approves_and_is_on_record(world):
    submitted(world)
    example = take(world)
    review = services.accept(by=world.reviewer, example=example, comment="Good.", revision=1)
    example.refresh_from_db()
    assert example.status == "approved"
    assert (review.verdict, review.revision.number, review.by) == ("accepted", 1, world.reviewer)
    assert Lease.objects.get().outcome == "done"
    assert AuditEntry.objects.get(action="example.approved").detail == {"revision": 1, "corrected": False}


def test_sending_back_needs_a_comment_and_goes_to_the_author_first(world):
    submitted(world)
    example = take(world)
    with pytest.raises(Invalid) as error:
        services.send_back(by=world.reviewer, example=example, comment=" \n ")
    assert "comment" in error.value.fields
    services.send_back(by=world.reviewer, example=example, comment="Name the port.")
    example.refresh_from_db()
    assert (example.status, example.submitted_by) == ("returned", world.annotator)
    lease = services.take_next(by=world.annotator, project=world.project, purpose=ANNOTATE)
    assert lease.example == example


def test_a_decision_on_a_revision_that_is_not_the_current_one_is_refused(world):
    submitted(world)
    example = take(world)
    for decide in (
        lambda: services.accept(by=world.reviewer, example=example, revision=7),
        lambda: services.send_back(by=world.reviewer, example=example, comment="No.", revision=7),
    ):
        with pytest.raises(Conflict, match="changed while you read"):
            decide()
    assert not Review.objects.exists()


def test_correcting_writes_the_reviewers_revision_and_accepts_it(world):
    submitted(world)
    example = take(world)
    services.save_draft(
        by=world.reviewer, example=example, content=content(example, completion="Half"), purpose=REVIEW
    )
    review = services.accept(
        by=world.reviewer, example=example, content=content(example, completion="Said better."), revision=1
    )
    example.refresh_from_db()
    assert (example.status, example.completion, example.revision) == ("approved", "Said better.", 2)
    revision = Revision.objects.get(example=example, number=2)
    assert (revision.reason, revision.by) == ("corrected", world.reviewer)
    assert review.revision == revision
    assert example.submitted_by == world.annotator
    assert not Draft.objects.exists()
    assert AuditEntry.objects.get(action="example.approved").detail["corrected"] is True


def test_correcting_without_a_change_is_a_plain_accept(world):
    submitted(world)
    example = take(world)
    services.accept(by=world.reviewer, example=example, content=content(example))
    example.refresh_from_db()
    assert (example.status, example.revision) == ("approved", 1)


def test_a_correction_answers_to_the_checks_as_well(world):
    submitted(world)
    example = take(world)
    worse = content(example, completion="It arrives on 28 November 2026 for EUR 450.")
    with pytest.raises(NeedsReason):
        services.accept(by=world.reviewer, example=example, content=worse)
    services.accept(by=world.reviewer, example=example, content=worse, reason="The tariff says so.")
    assert Revision.objects.get(example=example, number=2).note == "The tariff says so."


# --- undo --------------------------------------------------------------------------------------------------
def test_an_accept_can_be_taken_back_for_ten_minutes(world):
    submitted(world), submitted(world)
    example = take(world)
    review = services.accept(by=world.reviewer, example=example)
    other = take(world)
    assert [r.pk for r in queries.undoable(world.reviewer, world.project)] == [review.pk]
    services.undo(by=world.reviewer, review=review)
    example.refresh_from_db()
    review.refresh_from_db()
    assert example.status == "in_review" and review.undone_at is not None
    assert Lease.objects.get(outcome="open").example == example
    assert Lease.objects.get(example=other).outcome == "released"
    with pytest.raises(Conflict):
        services.undo(by=world.reviewer, review=review)
    assert AuditEntry.objects.filter(action="review.undone").count() == 1


def test_after_ten_minutes_a_decision_stands(world):
    submitted(world)
    review = services.accept(by=world.reviewer, example=take(world))
    Review.objects.update(at=timezone.now() - timedelta(minutes=11))
    assert queries.undoable(world.reviewer, world.project) == []
    with pytest.raises(Conflict, match="ten minutes"):
        services.undo(by=world.reviewer, review=review)


def test_nobody_undoes_a_colleagues_decision(world):
    submitted(world)
    review = services.accept(by=world.reviewer, example=take(world))
    with pytest.raises(Conflict, match="another person"):
        services.undo(by=second_reviewer(world), review=review)


def test_a_decision_somebody_acted_on_stands(world):
    submitted(world)
    example = take(world)
    review = services.send_back(by=world.reviewer, example=example, comment="Name the port.")
    services.take_next(by=world.annotator, project=world.project, purpose=ANNOTATE)
    with pytest.raises(Conflict, match="working on it"):
        services.undo(by=world.reviewer, review=review)


def test_a_decision_that_went_into_a_dataset_stands(world):
    submitted(world)
    example = take(world)
    review = services.accept(by=world.reviewer, example=example)
    artifact = Artifact.objects.create(kind="dataset", sha256="0" * 64, key="dataset/0", size_bytes=1)
    dataset = DatasetVersion.objects.create(
        project=world.project, number=1, settings={}, status="ready", content_hash="0" * 64, artifact=artifact
    )
    DatasetRow.objects.create(
        dataset=dataset,
        example=example,
        revision=review.revision,
        position=0,
        split="train",
        row_hash="0" * 64,
    )
    with pytest.raises(Conflict, match="dataset"):
        services.undo(by=world.reviewer, review=review)


def test_undoing_a_correction_restores_what_was_submitted(world):
    submitted(world, completion="As submitted.")
    example = take(world)
    review = services.accept(
        by=world.reviewer, example=example, content=content(example, completion="As corrected.")
    )
    services.undo(by=world.reviewer, review=review)
    example.refresh_from_db()
    assert (example.status, example.completion, example.revision) == ("in_review", "As submitted.", 3)
    assert Revision.objects.get(example=example, number=3).reason == "restored"


def test_a_failing_write_leaves_no_decision(world, monkeypatch):
    submitted(world)
    example = take(world)

    def fail(**kwargs: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("annotation.services.reviewing.record", fail)
    for decide in (
        lambda: services.accept(
            by=world.reviewer, example=example, content=content(example, completion="Mine.")
        ),
        lambda: services.send_back(by=world.reviewer, example=example, comment="No."),
    ):
        with pytest.raises(RuntimeError):
            decide()
    example.refresh_from_db()
    assert (example.status, example.revision) == ("in_review", 1)
    assert not Review.objects.exists() and Revision.objects.filter(example=example).count() == 1


# --- many at once ------------------------------------------------------------------------------------------
def test_accepting_many_leaves_out_what_may_not_be_accepted_and_says_why(world):
    other = second_reviewer(world)
    good = [submitted(world) for _ in range(3)]
    held = submitted(world)
    services.take(by=other, example=held, purpose=REVIEW)
    own = submitted(world, world.reviewer)
    approved = make_example(world.project, status="approved")
    elsewhere = make_example(world.other, status="in_review")
    outcome = services.accept_many(
        by=world.reviewer,
        project=world.project,
        listed=[(e.pk, 1) for e in (*good, held, own, approved, elsewhere)],
    )
    assert sorted(outcome.done) == [e.pk for e in good]
    assert {pk for pk, _ in outcome.left} == {held.pk, own.pk, approved.pk, elsewhere.pk}
    assert other.name in dict(outcome.left)[held.pk]
    elsewhere.refresh_from_db()
    assert elsewhere.status == "in_review"
    assert Review.objects.filter(verdict="accepted").count() == 3


def rewrite(world: World, example: Example, words: str) -> None:
    """The annotator takes their submit back and submits other words: a further revision."""
    services.take_back(by=world.annotator, example=example)
    example.refresh_from_db()
    services.submit(by=world.annotator, example=example, content=content(example, completion=words))


@pytest.mark.parametrize("decide", ["accept", "send_back"])
def test_what_changed_since_it_was_listed_is_left_and_named(world, decide):
    same, changed = submitted(world), submitted(world)
    listed = [(example.pk, example.revision) for example in (same, changed)]
    rewrite(world, changed, "Words that nobody has read.")
    words = {"by": world.reviewer, "project": world.project, "listed": listed}
    outcome = (
        services.accept_many(**words)
        if decide == "accept"
        else services.send_back_many(**words, comment="No.")
    )
    assert outcome.done == [same.pk]
    assert outcome.left == [(changed.pk, "It changed after you loaded the list.")]
    changed.refresh_from_db()
    assert (changed.status, changed.revision) == ("in_review", 2)
    assert not Review.objects.filter(example=changed).exists()


def test_one_pair_listed_at_two_revisions_is_left(world):
    example = submitted(world)
    rewrite(world, example, "Other words.")
    outcome = services.accept_many(
        by=world.reviewer, project=world.project, listed=[(example.pk, 1), (example.pk, 2)]
    )
    assert outcome.done == [] and outcome.batch is None
    assert [pk for pk, _ in outcome.left] == [example.pk]


def test_many_are_sent_back_with_one_comment_and_taken_back_together(world):
    examples = [submitted(world) for _ in range(3)]
    listed = [(example.pk, 1) for example in examples]
    with pytest.raises(Invalid):
        services.send_back_many(by=world.reviewer, project=world.project, listed=listed, comment=" ")
    outcome = services.send_back_many(
        by=world.reviewer, project=world.project, listed=listed, comment="Name the port."
    )
    assert outcome.done == [example.pk for example in examples]
    assert {(r.verdict, r.comment, r.in_bulk) for r in Review.objects.all()} == {
        ("returned", "Name the port.", True)
    }
    (bulk,) = queries.undoable_bulk(world.reviewer, world.project)
    assert (bulk.batch, bulk.verdict, bulk.count) == (outcome.batch, "returned", 3)
    # One of them is opened by its author meanwhile: it has moved on.
    services.take(by=world.annotator, example=examples[0], purpose=ANNOTATE)
    undone = services.undo_many(by=world.reviewer, project=world.project, batch=outcome.batch)
    assert undone.done == [example.pk for example in examples[1:]]
    assert [pk for pk, _ in undone.left] == [examples[0].pk]
    assert set(Example.objects.values_list("pk", "status")) == {
        (examples[0].pk, "returned"), (examples[1].pk, "in_review"), (examples[2].pk, "in_review"),
    }  # fmt: skip
    # Nothing is opened for the reviewer, and nobody else can take it back.
    assert not Lease.objects.filter(user=world.reviewer, outcome="open").exists()
    with pytest.raises(Conflict, match="nothing to undo"):
        services.undo_many(by=second_reviewer(world), project=world.project, batch=outcome.batch)


def test_a_decision_without_a_revision_is_about_what_was_opened(world):
    """A reviewer's time runs out, the pair goes back to the queue, comes again with other words: no old page decides it."""
    example = submitted(world)
    take(world)
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1), outcome="expired")
    services.requeue(by=world.reviewer, example=example)
    services.take(by=world.annotator, example=example, purpose=ANNOTATE)
    example.refresh_from_db()
    services.submit(
        by=world.annotator, example=example, content=content(example, completion="Nobody read this.")
    )
    for decide in (
        lambda: services.accept(by=world.reviewer, example=example),
        lambda: services.accept(
            by=world.reviewer, example=example, content=content(example, completion="Mine.")
        ),
        lambda: services.send_back(by=world.reviewer, example=example, comment="No."),
    ):
        with pytest.raises(Conflict, match="changed while you read it"):
            decide()
    with pytest.raises(LeaseLost, match="it changed after you opened it"):
        services.heartbeat(by=world.reviewer, example=example, purpose=REVIEW)
    services.take(by=world.reviewer, example=example, purpose=REVIEW)
    services.accept(by=world.reviewer, example=example)


def test_a_submit_without_a_revision_does_not_write_over_what_somebody_else_submitted(world):
    make_example(world.project)
    example = services.take_next(by=world.annotator, project=world.project, purpose=ANNOTATE).example
    colleague = make_user()
    join(world.project, colleague, Role.ANNOTATOR)
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1), outcome="expired")
    services.take(by=colleague, example=example, purpose=ANNOTATE)
    services.submit(
        by=colleague, example=example, content=content(example, completion="The colleague's words.")
    )
    services.requeue(by=world.reviewer, example=example)
    with pytest.raises(Conflict, match="changed after you opened it"):
        services.submit(
            by=world.annotator, example=example, content=content(example, completion="Older words.")
        )
    example.refresh_from_db()
    assert example.completion == "The colleague's words."


# --- what changed ------------------------------------------------------------------------------------------
def test_the_first_review_compares_with_what_came_in_and_the_next_with_what_was_reviewed(world):
    make_example(world.project, completion="As imported.")
    example = services.take_next(by=world.annotator, project=world.project, purpose=ANNOTATE).example
    services.submit(by=world.annotator, example=example, content=content(example, completion="First try."))
    example.refresh_from_db()
    assert queries.baseline(example).number == 1
    take(world)
    services.send_back(by=world.reviewer, example=example, comment="Again.")
    services.take_next(by=world.annotator, project=world.project, purpose=ANNOTATE)
    example.refresh_from_db()
    services.submit(by=world.annotator, example=example, content=content(example, completion="Second try."))
    example.refresh_from_db()
    assert queries.baseline(example).number == 2
    assert take(world) == example


def test_a_review_that_was_undone_is_no_baseline(world):
    make_example(world.project)
    example = services.take_next(by=world.annotator, project=world.project, purpose=ANNOTATE).example
    services.submit(by=world.annotator, example=example, content=content(example, completion="First try."))
    take(world)
    review = services.send_back(by=world.reviewer, example=example, comment="Again.")
    services.undo(by=world.reviewer, review=review)
    example.refresh_from_db()
    assert queries.baseline(example).number == 1


def test_what_was_written_whole_has_no_baseline(world):
    example = services.write_example(
        by=world.annotator,
        project=world.project,
        content={
            "messages": [{"role": "user", "content": "Do you ship pianos?"}],
            "completion": "Yes, crated.",
        },
    )
    assert queries.baseline(example) is None


def test_changes_name_what_is_the_same_changed_added_and_removed():
    def turn(role: str, words: str) -> dict[str, str]:
        return {"role": role, "content": words}

    old = {
        "messages": [turn("user", "One"), turn("assistant", "Two"), turn("user", "Three")],
        "context": ["A", "B"],
        "completion": "Same",
        "slice": "x",
        "edge": "",
        "tags": ["a"],
    }
    new = {
        **old,
        "messages": [turn("user", "One"), turn("user", "Three!")],
        "context": ["A", "B", "C"],
        "edge": "off_topic",
        "tags": ["a", "b"],
    }
    found = changes(old, new, edges={"off_topic": "Off topic"})
    assert [part.state for part in found.messages] == ["same", "changed", "removed"]
    assert [part.state for part in found.context] == ["same", "same", "added"]
    assert found.completion.state == "same" and not found.messages_same and not found.context_same
    assert [(part.label, part.new) for part in found.changed_fields] == [
        ("Edge case", "Off topic"),
        ("Tags", "a, b"),
    ]
    assert changes(old, old).nothing
    begun = {**old, "messages": [*old["messages"], turn("user", " ")], "context": [*old["context"], ""]}
    assert changes(old, begun).nothing


def test_a_text_is_never_taken_for_a_list_of_letters():
    base = {"messages": [], "context": ["Origin: Busan"], "completion": "x", "tags": ["origin", "eta"]}
    assert changes(base, {**base, "tags": "origin, eta", "context": "Origin: Busan"}).nothing
    assert changes({**base, "tags": []}, {**base, "tags": "origin"}).changed_fields[0].new == "origin"
    draft = clean_draft({"tags": "origin", "context": "Origin: Busan"})
    assert (draft["tags"], draft["context"]) == (["origin"], ["Origin: Busan"])
