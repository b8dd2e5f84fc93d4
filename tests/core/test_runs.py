"""Long work: claimed once, heard of while it lives, taken up when its worker dies, cancelled when asked."""

import threading
import time
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from core.errors import Conflict
from core.models import AuditEntry, Run
from core.queries import why_it_waits
from core.runs import kinds as run_kinds
from core.runs.context import RunContext, RunFailed
from core.runs.control import launch_run, request_cancel, start_again
from core.runs.kinds import RunKind, register_kind
from core.tasks import execute_run, sweep_runs
from tests.support.factories import make_run
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)
SEEN: list[int] = []
ENDED: list[tuple[int, str]] = []


def works(ctx: RunContext) -> None:
    SEEN.append(ctx.run.pk)
    ctx.report(done=1, total=2, message="Half way.", now=True)


def fails(ctx: RunContext) -> None:
    raise RunFailed("no_rows", "The file holds no rows.", "Choose another file.")


def breaks(ctx: RunContext) -> None:
    raise ZeroDivisionError("a secret path /etc/x")


def waits(ctx: RunContext) -> None:
    SEEN.append(ctx.run.pk)
    for step in range(600):
        ctx.report(done=step, total=600, now=True)
        time.sleep(0.02)


def ended(run: Run) -> None:
    ENDED.append((run.pk, run.status))


@pytest.fixture(autouse=True)
def kinds(monkeypatch):
    SEEN.clear()
    ENDED.clear()
    monkeypatch.setattr(run_kinds, "_kinds", dict(run_kinds._kinds))
    for runner in (works, fails, breaks, waits):
        register_kind(
            RunKind(
                runner.__name__,
                runner.__name__,
                queue="default",
                runner=f"{__name__}:{runner.__name__}",
                on_end=f"{__name__}:ended",
            )
        )


def test_a_run_succeeds_and_leaves_its_trail(world):
    run = launch_run(by=world.admin, project=world.project, kind="works", title="Work")
    execute_run(run.pk)
    run.refresh_from_db()
    assert (run.status, run.percent, run.attempt) == ("succeeded", 100, 1)
    assert run.finished_at and run.heartbeat_at
    assert ENDED == [(run.pk, "succeeded")]
    assert list(AuditEntry.objects.order_by("id").values_list("action", flat=True)) == [
        "run.launched",
        "run.succeeded",
    ]


def test_a_second_message_for_the_same_run_does_nothing(world):
    run = make_run(world.project, kind="works")
    threads = [threading.Thread(target=_execute_in_thread, args=(run.pk,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert SEEN == [run.pk]


def _execute_in_thread(pk: int) -> None:
    try:
        execute_run(pk)
    finally:
        connection.close()


def test_an_understood_failure_says_what_to_do(world):
    run = make_run(world.project, kind="fails")
    execute_run(run.pk)
    run.refresh_from_db()
    assert (run.status, run.error_code) == ("failed", "no_rows")
    assert run.error_advice == "Choose another file."


def test_an_unexpected_failure_shows_no_internals(world):
    run = make_run(world.project, kind="breaks")
    execute_run(run.pk)
    run.refresh_from_db()
    assert run.status == "failed"
    assert "/etc/x" not in run.error_message + run.error_advice
    assert "ZeroDivisionError" in run.error_message


def test_a_waiting_run_is_cancelled_at_once(world):
    run = make_run(world.project, kind="works")
    request_cancel(by=world.admin, run=run)
    execute_run(run.pk)
    run.refresh_from_db()
    assert run.status == "cancelled"
    assert SEEN == []
    assert run.cancel_requested_by == world.admin


def test_a_running_run_stops_at_its_next_report(world):
    run = make_run(world.project, kind="waits")
    thread = threading.Thread(target=_execute_in_thread, args=(run.pk,))
    thread.start()
    wait_for(lambda: SEEN, "the runner being called")
    request_cancel(by=world.admin, run=run)
    thread.join(timeout=20)
    run.refresh_from_db()
    assert run.status == "cancelled"
    assert run.done < 599


def test_a_run_that_has_ended_cannot_be_cancelled(world):
    run = make_run(world.project, kind="works", status="succeeded")
    with pytest.raises(Conflict):
        request_cancel(by=world.admin, run=run)
    assert not AuditEntry.objects.exists()


def _dead(project, **fields):
    long_ago = timezone.now() - timedelta(minutes=10)
    fields = {"kind": "works", "status": "running", "attempt": 1, "heartbeat_at": long_ago, **fields}
    return make_run(project, **fields)


def test_a_run_whose_heart_stopped_is_queued_again_and_done(world, sent):
    run = _dead(world.project)
    sweep_runs()
    run.refresh_from_db()
    assert run.status == "queued"
    assert ("core.tasks.execute_run", run.pk) in sent
    execute_run(run.pk)
    run.refresh_from_db()
    assert (run.status, run.attempt) == ("succeeded", 2)


def test_a_living_run_is_left_alone(world, sent):
    run = _dead(world.project, heartbeat_at=timezone.now())
    sweep_runs()
    run.refresh_from_db()
    assert run.status == "running"
    assert sent == []


def test_a_run_that_killed_every_worker_fails_with_advice(world, sent):
    run = _dead(world.project, attempt=3)
    sweep_runs()
    run.refresh_from_db()
    assert (run.status, run.error_code) == ("failed", "worker_lost")
    assert "memory" in run.error_advice


def test_a_dead_run_that_was_to_be_cancelled_ends_cancelled(world, sent):
    run = _dead(world.project, status="cancelling")
    sweep_runs()
    run.refresh_from_db()
    assert run.status == "cancelled"


def test_a_worker_that_lost_its_claim_writes_nothing(world):
    run = make_run(world.project, kind="waits")
    thread = threading.Thread(target=_execute_in_thread, args=(run.pk,))
    thread.start()
    wait_for(lambda: SEEN, "the runner being called")
    # What the sweep does after a long pause of the first worker, which is not dead after all.
    Run.objects.filter(pk=run.pk).update(status="queued", claim=None)
    thread.join(timeout=20)
    run.refresh_from_db()
    assert run.status == "queued"
    assert ENDED == []


def test_a_run_that_the_broker_never_took_is_sent_again(world, sent):
    run = make_run(world.project, kind="works")
    Run.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(minutes=1))
    sweep_runs()
    run.refresh_from_db()
    assert run.sent_at is not None
    assert sent == [("core.tasks.execute_run", run.pk)]


def test_launching_while_the_broker_is_away_keeps_the_run(world, monkeypatch):
    def away(*args, **kwargs):
        raise ConnectionError("no broker")

    monkeypatch.setattr(execute_run, "apply_async", away)
    run = launch_run(by=world.admin, project=world.project, kind="works", title="Work")
    run.refresh_from_db()
    assert (run.status, run.sent_at) == ("queued", None)


# --- starting again ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("status, verb", [("failed", "run.retried"), ("cancelled", "run.resumed")])
def test_a_run_that_ended_without_success_is_queued_again_with_fresh_attempts(world, sent, status, verb):
    run = make_run(
        world.project,
        kind="works",
        status=status,
        attempt=3,
        error_code="x",
        error_message="It broke.",
        error_advice="Mend it.",
        cancel_requested_by=world.admin,
        finished_at=timezone.now(),
        queued_at=timezone.now() - timedelta(days=1),
    )
    start_again(by=world.admin, run=run)
    run.refresh_from_db()
    assert (run.status, run.attempt, run.finished_at, run.cancel_requested_by) == ("queued", 0, None, None)
    assert (run.error_code, run.error_message, run.error_advice) == ("", "", "")
    assert timezone.now() - run.queued_at < timedelta(hours=1)
    assert sent == [("core.tasks.execute_run", run.pk)]
    assert AuditEntry.objects.get(object_id=str(run.pk)).action == verb
    execute_run(run.pk)
    run.refresh_from_db()
    assert (run.status, run.attempt) == ("succeeded", 1)


@pytest.mark.parametrize("status", ["queued", "running", "cancelling", "succeeded"])
def test_a_run_that_is_active_or_done_cannot_be_started_again(world, sent, status):
    run = make_run(world.project, kind="works", status=status)
    with pytest.raises(Conflict):
        start_again(by=world.admin, run=run)
    run.refresh_from_db()
    assert (run.status, sent, AuditEntry.objects.count()) == (status, [], 0)


def test_of_several_who_resume_at_once_one_succeeds_and_the_work_is_done_once(world, sent):
    run = make_run(world.project, kind="works", status="cancelled")
    said = _together(lambda: start_again(by=world.admin, run=Run.objects.get(pk=run.pk)), times=6)
    # Those who read the run after the first commit, and those who read it before, are both told of a conflict.
    assert sorted(said) == ["Conflict"] * 5 + ["done"]
    assert sent == [("core.tasks.execute_run", run.pk)]
    assert AuditEntry.objects.filter(action="run.resumed").count() == 1
    _together(lambda: execute_run(run.pk), times=4)
    assert SEEN == [run.pk]


def _together(call, *, times):
    """What each of several threads came to: "done", or the name of its error."""
    barrier, said = threading.Barrier(times), []

    def one():
        try:
            barrier.wait()
            call()
            said.append("done")
        except Exception as error:
            said.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def test_a_worker_of_the_cancelled_attempt_cannot_end_the_resumed_run(world, sent):
    """The sweep took it for dead and ended it; it lives, and comes to its end while the resumed run waits."""
    from core.runs.execution import _finish

    run = _dead(world.project, status="cancelling", claim=uuid.uuid4())
    claim = run.claim
    sweep_runs()
    run.refresh_from_db()
    start_again(by=world.admin, run=run)
    _finish(run, claim, Run.Status.SUCCEEDED, message="Done.")
    run.refresh_from_db()
    assert run.status == "queued"


def test_a_kind_that_objects_keeps_the_run_as_it_is(world, sent):
    def no(run, by):
        raise Conflict("Its rows are gone.", "Begin again.")

    globals()["objects"] = no
    register_kind(
        RunKind("moved", "Moved", queue="default", runner=f"{__name__}:works", on_again=f"{__name__}:objects")
    )
    run = make_run(world.project, kind="moved", status="failed", error_message="It broke.")
    with pytest.raises(Conflict, match="rows are gone"):
        start_again(by=world.admin, run=run)
    run.refresh_from_db()
    assert (run.status, run.error_message, sent) == ("failed", "It broke.", [])
    assert not AuditEntry.objects.exists()


def test_a_waiting_run_says_what_it_waits_for(world):
    now = timezone.now()
    run = make_run(world.project, kind="works", queued_at=now)
    assert why_it_waits(run) == ""
    run.queued_at = now - timedelta(minutes=1)
    run.save()
    assert "No worker has taken it" in why_it_waits(run)
    busy = make_run(world.other, kind="works", status="running")
    assert why_it_waits(run) == "It is next: it starts when a worker is free."
    # Resumed long after it was made: what was queued before it goes first.
    make_run(world.other, kind="works", queued_at=now - timedelta(minutes=2))
    assert why_it_waits(run) == "1 background job is before it."
    assert why_it_waits(busy) == ""


def test_a_run_never_says_that_it_waits_once_a_worker_has_it(world):
    said = []
    globals()["says"] = lambda ctx: said.append(
        (ctx.run.message, Run.objects.get(pk=ctx.run.pk).status, Run.objects.get(pk=ctx.run.pk).message)
    )
    register_kind(RunKind("says", "Says", queue="default", runner=f"{__name__}:says"))
    run = launch_run(by=world.admin, project=world.project, kind="says", title="Say")
    assert run.message == "Waiting for a worker."
    execute_run(run.pk)
    assert said == [("Starting.", "running", "Starting.")]
