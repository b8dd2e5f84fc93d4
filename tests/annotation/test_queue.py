"""What the queue gives to whom, and what becomes of drafts, leases and submissions."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from annotation import services
from annotation.errors import LeaseLost, NeedsReason
from annotation.models import Draft, Example, Lease, Review, Revision
from annotation.queries import my_work
from annotation.queries.overview import overview
from annotation.services.expiry import expire_leases
from core.errors import Conflict, Invalid
from core.models import AuditEntry, Role, User
from tests.support.factories import World, join, make_example, make_user

pytestmark = pytest.mark.django_db
ANNOTATE, REVIEW = Lease.Purpose.ANNOTATE, Lease.Purpose.REVIEW


def content(example: Example, completion: str = "A new answer, written by hand.", **more: object) -> dict:
    return {
        "messages": example.messages,
        "context": example.context,
        "completion": completion,
        "slice": example.slice,
        "edge": example.edge,
        "tags": [],
        **more,
    }


def take(world: World, person: User | None = None, **filters: str) -> Example | None:
    lease = services.take_next(
        by=person or world.annotator, project=world.project, purpose=ANNOTATE, filters=filters
    )
    return lease.example if lease else None


def over(**lookup: object) -> None:
    """The time of these leases runs out."""
    Lease.objects.filter(outcome="open", **lookup).update(expires_at=timezone.now() - timedelta(seconds=1))


def returned(world: World, author: User, *, days: float = 0) -> Example:
    example = make_example(
        world.project,
        status=Example.Status.RETURNED,
        submitted_by=author,
        submitted_at=timezone.now(),
        waiting_since=timezone.now() - timedelta(days=days),
    )
    Review.objects.create(
        example=example,
        revision=example.revisions.get(),
        verdict=Review.Verdict.RETURNED,
        comment="Name the port.",
        by=world.reviewer,
    )
    return example


# --- order -------------------------------------------------------------------------------------------------
def test_order_is_sent_back_feedback_edge_then_oldest(world):
    older, newer = make_example(world.project), make_example(world.project)
    edge = make_example(world.project, edge="angry_customer")
    chat = make_example(world.project, origin=Example.Origin.CHAT)
    rating = make_example(world.project, origin=Example.Origin.RATING)
    mine = returned(world, world.annotator)
    got = []
    while example := take(world):
        got.append(example)
        services.submit(by=world.annotator, example=example, content=content(example))
    assert got == [mine, chat, rating, edge, older, newer]


def test_what_was_sent_back_waits_a_day_for_its_author(world):
    colleague = make_user()
    join(world.project, colleague, Role.ANNOTATOR)
    example = returned(world, world.annotator)
    assert take(world, colleague) is None
    assert take(world) == example


def test_after_a_day_others_get_it_too(world):
    colleague = make_user()
    join(world.project, colleague, Role.ANNOTATOR)
    example = returned(world, world.annotator, days=1.01)
    assert take(world, colleague) == example


def test_what_came_back_without_an_author_is_everybodys(world):
    example = make_example(world.project, status=Example.Status.RETURNED)
    assert take(world) == example


def test_a_skipped_item_comes_again_after_everything_else_and_only_for_this_person(world):
    first, second = make_example(world.project), make_example(world.project)
    colleague = make_user()
    join(world.project, colleague, Role.ANNOTATOR)
    assert take(world) == first
    services.leave(by=world.annotator, example=first, purpose=ANNOTATE, skip=True)
    assert take(world) == second
    assert take(world, colleague) == first
    services.leave(by=colleague, example=first, purpose=ANNOTATE, skip=False)
    services.submit(by=world.annotator, example=second, content=content(second))
    assert take(world) == first


def test_a_draft_of_an_item_whose_time_ran_out_is_what_one_gets_next(world):
    _, second = make_example(world.project), make_example(world.project)
    services.take(by=world.annotator, example=second, purpose=ANNOTATE)
    services.save_draft(by=world.annotator, example=second, content=content(second, "Half an answer"))
    over()
    assert take(world) == second


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"slice": "customs"}, "customs"),
        ({"edge": "off_topic"}, "off topic"),
        ({"only": "edge"}, "off topic"),
        ({"only": "feedback"}, "feedback"),
        ({"slice": "nowhere"}, None),
    ],
)
def test_a_part_of_the_queue_can_be_worked_through(world, filters, expected):
    make_example(world.project)
    make_example(world.project, slice="customs")
    make_example(world.project, slice="off topic", edge="off_topic")
    make_example(world.project, slice="feedback", origin=Example.Origin.RATING)
    example = take(world, **filters)
    assert (example.slice if example else None) == expected


def test_only_what_waits_is_given(world):
    for status in ("in_review", "approved", "retired"):
        make_example(world.project, status=status)
    make_example(world.other)
    assert take(world) is None


# --- leases ------------------------------------------------------------------------------------------------
def test_asking_again_gives_the_open_item_again(world):
    make_example(world.project), make_example(world.project)
    assert take(world) == take(world)
    assert Lease.objects.count() == 1


def test_a_lease_runs_for_the_projects_minutes_and_a_heartbeat_extends_it(world):
    world.project.lease_minutes = 7
    world.project.save()
    make_example(world.project)
    example = take(world)
    lease = Lease.objects.get()
    assert timedelta(minutes=6) < lease.expires_at - timezone.now() <= timedelta(minutes=7)
    Lease.objects.update(expires_at=timezone.now() + timedelta(seconds=5))
    assert services.heartbeat(by=world.annotator, example=example, purpose=ANNOTATE).expires_at > (
        timezone.now() + timedelta(minutes=6)
    )


def test_a_lease_that_is_over_frees_the_item_at_once_for_whoever_asks(world):
    make_example(world.project)
    colleague = make_user()
    join(world.project, colleague, Role.ANNOTATOR)
    example = take(world)
    assert take(world, colleague) is None
    over()
    assert take(world, colleague) == example
    with pytest.raises(LeaseLost, match="open for annotation"):
        services.heartbeat(by=world.annotator, example=example, purpose=ANNOTATE)


def test_the_sweep_ends_what_is_over_and_nothing_else(world):
    make_example(world.project), make_example(world.project)
    colleague = make_user()
    join(world.project, colleague, Role.ANNOTATOR)
    take(world), take(world, colleague)
    over(user=world.annotator)
    assert expire_leases() == 1
    assert expire_leases() == 0
    assert Lease.objects.get(user=colleague).outcome == "open"
    assert Lease.objects.get(user=world.annotator).outcome == "expired"


def test_a_lease_that_ran_out_comes_back_to_life_while_nobody_took_the_item(world):
    make_example(world.project)
    example = take(world)
    over()
    expire_leases()
    assert services.heartbeat(by=world.annotator, example=example, purpose=ANNOTATE).outcome == "open"


def test_the_database_itself_refuses_two_holders_and_two_items(world):
    one, two = make_example(world.project), make_example(world.project)
    common = {"project": world.project, "purpose": ANNOTATE, "expires_at": timezone.now()}
    Lease.objects.create(example=one, user=world.annotator, **common)
    for example, user in ((one, world.reviewer), (two, world.annotator)):
        with pytest.raises(IntegrityError), transaction.atomic():
            Lease.objects.create(example=example, user=user, **common)


def test_opening_another_item_gives_the_first_back_with_its_draft(world):
    first, second = make_example(world.project), make_example(world.project)
    services.take(by=world.annotator, example=first, purpose=ANNOTATE)
    services.save_draft(by=world.annotator, example=first, content=content(first, "Begun"))
    services.take(by=world.annotator, example=second, purpose=ANNOTATE)
    assert Lease.objects.get(example=first).outcome == "released"
    assert Draft.objects.get(example=first).content["completion"] == "Begun"


def test_retiring_takes_the_item_from_whoever_has_it_open_and_keeps_their_words(world):
    make_example(world.project)
    example = take(world)
    services.save_draft(by=world.annotator, example=example, content=content(example, "Begun"))
    services.retire(by=world.admin, example=example, reason="A customer asked for it.")
    with pytest.raises(Conflict, match="retired"):
        services.submit(by=world.annotator, example=example, content=content(example))
    assert Draft.objects.count() == 1


# --- drafts ------------------------------------------------------------------------------------------------
def test_a_draft_outlives_the_lease_and_another_persons_submit(world):
    make_example(world.project)
    colleague = make_user()
    join(world.project, colleague, Role.ANNOTATOR)
    example = take(world)
    over()
    take(world, colleague)
    services.submit(by=colleague, example=example, content=content(example, "By the colleague."))
    services.save_draft(by=world.annotator, example=example, content=content(example, "By me"))
    assert Draft.objects.get().content["completion"] == "By me"
    with pytest.raises(LeaseLost, match=rf"submitted by {colleague.name}"):
        services.submit(by=world.annotator, example=example, content=content(example, "By me"))
    assert Draft.objects.get().content["completion"] == "By me"


def test_one_tab_does_not_write_over_what_another_saved(world):
    make_example(world.project)
    example = take(world)

    def save(text, **who):
        services.save_draft(by=world.annotator, example=example, content=content(example, text), **who)
        return Draft.objects.get().content["completion"]

    assert save("First", writer="a", seen="") == "First"
    assert save("First, longer", writer="a", seen="") == "First, longer"
    with pytest.raises(Conflict, match="Another tab"):
        save("Second", writer="b", seen="")
    assert Draft.objects.get().content["completion"] == "First, longer"
    assert save("First, longer", writer="b", seen="") == "First, longer"  # the same words are no loss
    assert (
        save("First, longer still", writer="c", seen="b") == "First, longer still"
    )  # read before it was changed
    assert save("By a program") == "By a program"
    with pytest.raises(Conflict, match="Another tab"):
        save("First, longer and longer", writer="a", seen="")


def test_one_tab_does_not_write_over_another_s_new_example(world):
    new = {"by": world.annotator, "project": world.project}
    services.save_new_draft(**new, content={"completion": "First"}, writer="a", seen="")
    with pytest.raises(Conflict, match="Another tab"):
        services.save_new_draft(**new, content={"completion": "Second"}, writer="b", seen="")
    assert Draft.objects.get().content["completion"] == "First"


def test_nobody_leaves_a_draft_on_an_item_they_never_had(world):
    example = make_example(world.project)
    with pytest.raises(Conflict):
        services.save_draft(by=world.annotator, example=example, content=content(example))
    assert not Draft.objects.exists()


def test_a_late_draft_after_the_submit_is_refused(world):
    make_example(world.project)
    example = take(world)
    services.submit(by=world.annotator, example=example, content=content(example))
    with pytest.raises(Conflict):
        services.save_draft(by=world.annotator, example=example, content=content(example, "Late"))
    assert not Draft.objects.exists()


def test_a_draft_may_be_in_any_state(world):
    make_example(world.project)
    example = take(world)
    half = {"messages": [{"role": "assistant", "content": ""}], "context": [""], "completion": "a\x00b\r\nc"}
    kept = services.save_draft(by=world.annotator, example=example, content=half)
    kept.refresh_from_db()
    assert kept.content["messages"] == [{"role": "assistant", "content": ""}]
    assert kept.content["completion"] == "a\ufffdb\nc"


def test_a_draft_that_is_too_large_is_refused_and_the_last_one_stays(world):
    make_example(world.project)
    example = take(world)
    services.save_draft(by=world.annotator, example=example, content=content(example, "Good"))
    # What is too long to be submitted is kept, to be shortened.
    services.save_draft(by=world.annotator, example=example, content=content(example, "x" * 20_001))
    assert len(Draft.objects.get().content["completion"]) == 20_001
    with pytest.raises(Invalid, match="too much for one example"):
        services.submit(by=world.annotator, example=example, content=content(example, "x" * 20_001))
    with pytest.raises(Invalid, match="at most 1,000,000 characters"):
        services.save_draft(by=world.annotator, example=example, content=content(example, "x" * 1_000_001))
    assert len(Draft.objects.get().content["completion"]) == 20_001


def test_a_new_example_has_one_draft_in_each_project(world):
    join(world.other, world.annotator, Role.ANNOTATOR)
    for project in (world.project, world.other, world.project):
        services.save_new_draft(by=world.annotator, project=project, content={"completion": "Begun"})
    assert Draft.objects.count() == 2


# --- submitting --------------------------------------------------------------------------------------------
def test_submitting_writes_a_revision_ends_the_lease_and_is_on_record(world):
    make_example(world.project, question="Where is FD-41007?", context=["FD-41007 | new ETA 25 Nov"])
    example = take(world)
    services.save_draft(by=world.annotator, example=example, content=content(example, "Begun"))
    words = "FD-41007 arrives on 25 November."
    services.submit(by=world.annotator, example=example, content=content(example, words, tags=["eta"]))
    example.refresh_from_db()
    assert (example.status, example.revision, example.submitted_by) == ("in_review", 2, world.annotator)
    assert example.completion == words
    assert words.lower() in example.search.text
    revision = Revision.objects.get(example=example, number=2)
    assert (revision.by, revision.reason, revision.content["tags"]) == (world.annotator, "submitted", ["eta"])
    assert not Draft.objects.exists()
    assert Lease.objects.get().outcome == "done"
    entry = AuditEntry.objects.get(action="example.submitted")
    assert (entry.actor_id, entry.detail["revision"]) == (world.annotator.pk, 2)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"completion": "  "}, "completion"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]}, "messages"),
        ({"messages": [{"role": "user", "content": "Hi"}, {"role": "system", "content": "x"}, {"role": "user", "content": "y"}]}, "messages"),
        ({"completion": "x" * 20_001}, "completion"),
        ({"slice": "s" * 121}, "slice"),
        ({"tags": [str(n) for n in range(13)]}, "tags"),
        ({"edge": "no such kind"}, "edge"),
    ],
)  # fmt: skip
def test_what_is_missing_or_too_long_is_named_and_nothing_is_written(world, change, field):
    make_example(world.project)
    example = take(world)
    with pytest.raises(Invalid) as error:
        services.submit(by=world.annotator, example=example, content={**content(example), **change})
    assert field in error.value.fields
    example.refresh_from_db()
    assert (example.status, example.revision) == ("queued", 1)
    assert Lease.objects.get().outcome == "open"


def test_empty_turns_and_records_are_left_out(world):
    make_example(world.project)
    example = take(world)
    given = content(example, context=["", "  ", "A record"])
    given["messages"] = [{"role": "assistant", "content": " "}, {"role": "user", "content": " Where? "}]
    services.submit(by=world.annotator, example=example, content=given)
    example.refresh_from_db()
    assert example.context == ["A record"]
    # What is kept is kept as it was written.
    assert example.messages == [{"role": "user", "content": " Where? "}]


def test_a_check_that_objects_asks_for_a_reason_which_is_recorded(world):
    make_example(world.project, context=["FD-41007 | new ETA 25 Nov"])
    example = take(world)
    given = content(example, "FD-41007 arrives on 28 November.")
    with pytest.raises(NeedsReason, match="28 November"):
        services.submit(by=world.annotator, example=example, content=given)
    example.refresh_from_db()
    assert example.status == "queued"
    services.submit(by=world.annotator, example=example, content=given, reason="The carrier called.")
    assert Revision.objects.get(example=example, number=2).note == "The carrier called."
    assert AuditEntry.objects.get(action="example.submitted").detail["reason"] == "The carrier called."


def test_a_reason_without_an_objection_is_not_kept(world):
    make_example(world.project)
    example = take(world)
    services.submit(by=world.annotator, example=example, content=content(example), reason="Just so.")
    assert Revision.objects.get(example=example, number=2).note == ""


def test_submitting_on_top_of_an_older_revision_is_a_conflict(world):
    make_example(world.project)
    example = take(world)
    Example.objects.filter(pk=example.pk).update(revision=3)
    with pytest.raises(Conflict, match="changed after"):
        services.submit(by=world.annotator, example=example, content=content(example), base_revision=1)


def test_what_nobody_took_can_be_submitted_after_the_time_is_over(world):
    make_example(world.project)
    example = take(world)
    over()
    expire_leases()
    services.submit(by=world.annotator, example=example, content=content(example))
    example.refresh_from_db()
    assert example.status == "in_review"


def test_somebody_who_never_opened_it_cannot_submit_it(world):
    example = make_example(world.project)
    with pytest.raises(LeaseLost):
        services.submit(by=world.annotator, example=example, content=content(example))


def test_a_failing_write_leaves_nothing_behind(world, monkeypatch):
    make_example(world.project)
    example = take(world)
    services.save_draft(by=world.annotator, example=example, content=content(example, "Begun"))

    def fail(**kwargs: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("annotation.services.annotating.record", fail)
    with pytest.raises(RuntimeError):
        services.submit(by=world.annotator, example=example, content=content(example))
    example.refresh_from_db()
    assert (example.status, example.revision) == ("queued", 1)
    assert Revision.objects.filter(example=example).count() == 1
    assert Draft.objects.count() == 1
    assert Lease.objects.get().outcome == "open"


# --- taking a submission back ------------------------------------------------------------------------------
def test_a_submission_can_be_taken_back_until_a_reviewer_opens_it(world):
    make_example(world.project), make_example(world.project)
    first = take(world)
    services.submit(by=world.annotator, example=first, content=content(first))
    second = take(world)
    services.take_back(by=world.annotator, example=first)
    first.refresh_from_db()
    assert first.status == "queued"
    assert Lease.objects.get(outcome="open").example == first
    assert Lease.objects.get(example=second).outcome == "released"
    services.submit(by=world.annotator, example=first, content=content(first))
    services.take_next(by=world.reviewer, project=world.project, purpose=REVIEW)
    with pytest.raises(Conflict, match="reviewer has already opened"):
        services.take_back(by=world.annotator, example=first)


def test_taking_back_what_had_been_sent_back_leaves_it_sent_back(world):
    example = returned(world, world.annotator)
    take(world)
    services.submit(by=world.annotator, example=example, content=content(example))
    services.take_back(by=world.annotator, example=example)
    example.refresh_from_db()
    assert example.status == "returned"


def test_nobody_takes_a_colleagues_submission_back(world):
    colleague = make_user()
    join(world.project, colleague, Role.ANNOTATOR)
    make_example(world.project)
    example = take(world)
    services.submit(by=world.annotator, example=example, content=content(example))
    with pytest.raises(Conflict):
        services.take_back(by=colleague, example=example)


# --- new examples and feedback -----------------------------------------------------------------------------
def test_a_written_example_goes_to_the_reviewers_and_uses_its_draft_up(world):
    services.save_new_draft(by=world.annotator, project=world.project, content={"completion": "Begun"})
    example = services.write_example(
        by=world.annotator,
        project=world.project,
        content={
            "messages": [{"role": "user", "content": "Do you ship pianos?"}],
            "completion": "Yes, crated.",
        },
    )
    assert (example.status, example.origin, example.submitted_by) == ("in_review", "written", world.annotator)
    assert example.group.startswith("written-")
    assert Revision.objects.get(example=example).reason == "written"
    assert not Draft.objects.exists()


def test_a_correction_becomes_an_item_at_the_front_with_where_it_came_from(world):
    make_example(world.project, edge="angry_customer")
    example = services.file_correction(
        by=world.rater,
        project=world.project,
        messages=[{"role": "user", "content": "Where is FD-41007?"}],
        context=["FD-41007 | new ETA 25 Nov"],
        completion="It arrives on 25 November.",
        slice="delivery delay",
        group="conv-1",
        origin=Example.Origin.RATING,
        origin_detail={"label": "Campaign 2, comparison 41", "url": "/p/x/rate/41/", "secret": "left out"},
    )
    assert take(world) == example
    assert (example.status, example.created_by, example.group) == ("queued", world.rater, "conv-1")
    assert example.origin_detail["label"] == "Campaign 2, comparison 41"
    entry = AuditEntry.objects.get(action="example.corrected")
    assert entry.detail["label"] == "Campaign 2, comparison 41" and "secret" not in entry.detail


def test_a_complaint_without_an_answer_waits_for_one_and_equal_prompts_share_a_group(world):
    common = {
        "by": None, "project": world.project, "messages": [{"role": "user", "content": "Where is it?"}], "context": [],
        "completion": "", "slice": "", "origin": Example.Origin.CHAT, "origin_detail": {"label": "Chat 3"},
    }  # fmt: skip
    one, two = services.file_correction(**common), services.file_correction(**common)
    assert one.group == two.group != ""
    assert one.completion == ""


# --- what the pages read -----------------------------------------------------------------------------------
def test_the_overview_counts_what_is_free_for_this_person(world):
    colleague = make_user()
    join(world.project, colleague, Role.ANNOTATOR)
    returned(world, world.annotator)
    returned(world, colleague)
    make_example(world.project, origin=Example.Origin.CHAT)
    for name in ("customs", "customs", "delay"):
        make_example(world.project, slice=name, edge="missing_document")
    make_example(world.project)
    make_example(world.project, status="in_review", submitted_by=world.annotator)
    take(world, colleague)
    counts = overview(world.annotator, world.project)
    assert (counts.sent_back, counts.feedback, counts.edge, counts.rest) == (1, 1, 3, 1)
    assert [(line.label, line.count) for line in counts.edge_by_slice] == [("customs", 2), ("delay", 1)]
    assert counts.to_review == 0
    assert overview(world.reviewer, world.project).to_review == 1


def test_my_work_says_what_became_of_a_week(world):
    make_example(world.project), make_example(world.project)
    first = take(world)
    services.submit(by=world.annotator, example=first, content=content(first))
    second = take(world)
    services.submit(by=world.annotator, example=second, content=content(second))
    services.take_next(by=world.reviewer, project=world.project, purpose=REVIEW)
    services.accept(by=world.reviewer, example=first)
    services.take_next(by=world.reviewer, project=world.project, purpose=REVIEW)
    services.send_back(by=world.reviewer, example=second, comment="Name the port.")
    (row,) = my_work(world.annotator)
    assert row == {
        "project": world.project, "submitted": 2, "accepted": 1, "sent_back": 1, "reviewed": 0, "open": 0,
    }  # fmt: skip
    assert my_work(world.reviewer)[0]["reviewed"] == 2
    assert my_work(world.stranger) == []


def test_submitting_the_worse_answer_again_needs_a_reason(world: World):
    make_example(world.project, rejected="It is lost.", completion="It is lost.")
    item = take(world)
    assert item is not None
    with pytest.raises(NeedsReason):
        services.submit(by=world.annotator, example=item, content=content(item, "It is lost. "))
    services.submit(
        by=world.annotator, example=item, content=content(item, "It is lost. "), reason="It really is lost."
    )
    item.refresh_from_db()
    assert item.status == Example.Status.IN_REVIEW
