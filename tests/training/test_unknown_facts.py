"""Asking a base model about facts without support: what is asked and found, and what is kept over edits and restarts.

A tiny model with random weights answers for real; where it must know something, its answers are replaced at the one function that
generates.
"""

import signal
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from django.conf import settings as live_settings
from django.db import connection
from django.utils import timezone

from annotation.models import Example, ExampleFinding
from annotation.queries.findings import findings_in
from annotation.services import quality
from annotation.services.found import check_and_store
from core.errors import Conflict
from core.models import AuditEntry, Run
from core.runs.control import request_cancel, start_again
from core.tasks import execute_run, sweep_runs
from tests.annotation.test_findings import rewritten
from tests.support.factories import make_base_model
from tests.support.waiting import wait_for
from tests.training.asked_facts import PLAIN, RECORD, UNKNOWN, ask, found_in, made
from training.asked import knowledge_state
from training.host import stopping
from training.knowledge import QUESTIONING, answers_with, facts_to_ask
from training.models import KnowledgeAnswer
from training.runner import asking as runner
from training.services.knowledge import start_asking

pytestmark = pytest.mark.django_db(transaction=True)


# --- the rules ---------------------------------------------------------------------------------------------
def test_facts_to_ask_are_those_that_the_check_of_facts_calls_invented(world):
    content = {
        "messages": [{"role": "user", "content": "Where is FD-41007?"}],
        "context": [RECORD],
        "completion": UNKNOWN,
    }
    assert [fact.text for fact in facts_to_ask(content, "")] == ["EUR 4,380"]
    assert facts_to_ask(content, "Storage costs EUR 4,380 in any case.") == []
    assert facts_to_ask({**content, "completion": PLAIN}, "") == []


@pytest.mark.parametrize(
    ("answers", "counts"),
    [
        (["Two weeks.", "I think 14 days", "ten days"], [2]),
        (["Perhaps 10 days and then 4 days."], [0]),  # the sum is no statement
        ([""], [0]),
    ],
)
def test_an_answer_has_a_fact_in_any_spelling(answers, counts):
    content = {"messages": [], "context": [], "completion": "The deadline is 14 days."}
    assert answers_with(facts_to_ask(content, ""), answers) == counts


def test_tokens_follow_the_completion():
    assert QUESTIONING.tokens_for(10) == 34
    assert QUESTIONING.tokens_for(5000) == 128


# --- a run with the tiny model ------------------------------------------------------------------------------
def test_a_real_model_is_asked_and_what_it_does_not_know_is_found(world, tiny_base):
    odd, plain, other = made(world), made(world, PLAIN, at=1), made(world, "It costs EUR 9,115.", at=2)
    made(world, UNKNOWN, at=3, status=Example.Status.RETIRED)
    run = ask(world, tiny_base)
    assert run.status == Run.Status.SUCCEEDED, run.error_message
    assert run.queue == "gpu"
    assert run.params["counts"] == {
        "read": 3, "rows": 2, "asked": 2, "unknown": 2, "known": 0, "changed": 0, "no_prompt": 0, "too_long": 0,
    }  # fmt: skip
    finding = found_in(odd).get()
    assert (finding.kind, finding.level, finding.status) == ("unknown-fact", "warn", "open")
    assert finding.says.startswith(
        "EUR 4,380 is not in the records or the conversation, and Tiny chat does not know it."
    )
    ((_, _, start, end, _),) = finding.spans
    assert odd.completion[start:end] == "EUR 4,380"
    answer = finding.knowledge_answer
    assert (answer.base_model, answer.content_hash, answer.unknown) == (tiny_base, odd.content_hash, 1)
    assert len(answer.answers) == QUESTIONING.answers
    assert answer.answers[0] != answer.answers[1]
    assert answer.facts == [{"text": "EUR 4,380", "start": start, "end": end, "answers": 0}]
    assert not found_in(plain).exists()
    assert found_in(other).exists()
    assert AuditEntry.objects.filter(action="base_model.asked").count() == 1
    (asked,) = knowledge_state(world.project).asked
    assert (asked.examples, asked.unknown, asked.known, asked.outdated, asked.open) == (2, 2, 0, 0, 2)


def test_the_same_question_has_the_same_answers_and_is_not_asked_twice(world, tiny_base):
    example = made(world)
    ask(world, tiny_base)
    first = KnowledgeAnswer.objects.get(example=example)
    run = ask(world, tiny_base)
    assert run.params["counts"]["asked"] == 0
    assert run.params["counts"]["unknown"] == 1
    again = KnowledgeAnswer.objects.get(example=example)
    assert again.asked_at == first.asked_at
    again.delete()
    ask(world, tiny_base)
    assert KnowledgeAnswer.objects.get(example=example).answers == first.answers


def test_a_fact_in_any_answer_is_known_and_the_invented_finding_says_so(world, tiny_base, saying):
    example = made(world)
    check_and_store(example, example.content(), world.project)
    saying.drawn = "Storage is 4380.00 euros there."
    run = ask(world, tiny_base)
    assert run.params["counts"]["known"] == 1
    assert not found_in(example).exists()
    invented = next(row for row in findings_in(example) if row.finding.kind == "invented")
    assert invented.note is not None
    assert (
        invented.note.says
        == "Tiny chat answers this itself, without a record: EUR 4,380 (in 1 of 5 answers)."
    )
    # The note is about the text that was asked about.
    example = rewritten(example, f"Hello! {UNKNOWN}")
    assert all(row.note is None for row in findings_in(example))


def test_another_base_model_has_its_own_finding(world, tiny_base, saying):
    from training import services

    example = made(world)
    ask(world, tiny_base)
    second = services.register_base_model(
        by=None, name="Other chat", kind="folder", location=tiny_base.location
    )
    execute_run(second.run.pk)
    second.refresh_from_db()
    ask(world, second)
    assert found_in(example).count() == 2
    saying.greedy = "EUR 4,380"
    KnowledgeAnswer.objects.filter(base_model=second).update(digest="earlier")
    ask(world, second)
    assert [(one.status, "Tiny" in one.says) for one in found_in(example).order_by("pk")] == [
        ("open", True),
        ("gone", False),
    ]


def test_an_old_finding_with_equal_words_elsewhere_does_not_stay(world, tiny_base, saying):
    """Two examples with the same unknown fact; then the model knows it for one of them only."""
    one, other = made(world, "It costs EUR 4,380."), made(world, "It costs EUR 4,380.", at=1)
    ask(world, tiny_base)
    base = KnowledgeAnswer.objects.get(example=one)
    KnowledgeAnswer.objects.update(digest="earlier")
    real = runner.Asking._one

    def one_knows(self, question, greedy, drawn):
        asked = real(self, question, greedy, drawn)
        return asked if asked.example == other.pk else known(asked)

    def known(asked):
        from dataclasses import replace

        return replace(asked, facts=[replace(fact, answers=5) for fact in asked.facts])

    runner.Asking._one, before = one_knows, runner.Asking._one
    try:
        ask(world, tiny_base)
    finally:
        runner.Asking._one = before
    assert (found_in(one).get().status, found_in(other).get().status) == ("gone", "open")
    base.refresh_from_db()
    assert base.finding is None


# --- edits ----------------------------------------------------------------------------------------------------
def test_an_edit_leaves_the_finding_out_of_date_or_settles_it(world, tiny_base):
    example = made(world)
    ask(world, tiny_base)
    example = rewritten(example, f"Good morning. {UNKNOWN}")
    finding = found_in(example).get()
    assert finding.status == "open"
    (row,) = [row for row in findings_in(example) if row.finding == finding]
    assert not row.current
    assert row.again == "Ask the base model again to see whether it still holds."
    ask(world, tiny_base)
    finding.refresh_from_db()
    assert (finding.status, finding.content_hash) == ("open", example.content_hash)
    example = rewritten(example, PLAIN)
    finding.refresh_from_db()
    assert finding.status == "gone"
    ask(world, tiny_base)
    assert not KnowledgeAnswer.objects.filter(example=example).exists()


def test_a_record_that_holds_the_fact_settles_it(world, tiny_base):
    example = made(world)
    ask(world, tiny_base)
    world.project.system_prompt = "Storage costs EUR 4,380 in any case."
    world.project.save()
    ask(world, tiny_base)
    assert found_in(example).get().status == "gone"


def test_a_dismissal_holds_when_it_is_asked_again(world, tiny_base):
    example = made(world)
    ask(world, tiny_base)
    quality.settle(by=world.reviewer, project=world.project, action="dismiss", criteria={"ids": [found_in(example).get().pk]}, reason="Our tariff.")  # fmt: skip
    rewritten(example, f"Good morning. {UNKNOWN}")
    ask(world, tiny_base)
    assert (found_in(example).get().status, found_in(example).get().reason) == ("dismissed", "Our tariff.")


def test_text_checks_leave_the_finding_alone(world, tiny_base):
    example = made(world)
    ask(world, tiny_base)
    check_and_store(example, example.content(), world.project)
    assert found_in(example).get().status == "open"


def test_an_example_that_changes_while_the_model_answers_is_left(world, tiny_base, monkeypatch):
    example, other = made(world), made(world, at=1)
    real = runner.answers

    def edited_meanwhile(*args, **how):
        if example.revision == 1:
            rewritten(example, PLAIN)
        return real(*args, **how)

    monkeypatch.setattr(runner, "answers", edited_meanwhile)
    run = ask(world, tiny_base)
    assert run.params["counts"]["changed"] == 1
    assert not found_in(example).exists()
    assert not KnowledgeAnswer.objects.filter(example=example).exists()
    assert found_in(other).exists()


def test_an_edit_waits_for_the_answers_that_are_being_stored(world, tiny_base):
    """The second of the two waits for the first. A finding never stays open for a text without such a fact."""
    example = made(world)
    barrier, errors = threading.Barrier(2), []

    def edit():
        try:
            barrier.wait(20)
            from django.db import transaction

            from annotation.services.examples import lock

            with transaction.atomic():
                rewritten(lock(example), PLAIN)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=edit)
    thread.start()
    barrier.wait(20)
    ask(world, tiny_base)
    thread.join(20)
    assert not errors
    assert not found_in(example).filter(status="open").exists()


# --- stopping and going on ------------------------------------------------------------------------------------
def portions_of_one(monkeypatch):
    monkeypatch.setattr(runner, "TOKENS_AT_ONCE", 1)


@pytest.mark.timeout(
    400
)  # importing torch in a process of its own takes a minute where many share the processors
def test_a_killed_run_goes_on_without_asking_again(world, tiny_base, sent):
    for at in range(6):
        made(world, at=at)
    run = start_asking(by=world.admin, project=world.project, base_model=tiny_base)
    name = connection.settings_dict["NAME"]
    command = [sys.executable, "-m", "tests.training.driver", name, str(run.pk), "0.5", "60"]
    with subprocess.Popen(command, cwd=live_settings.BASE_DIR) as process:
        try:
            wait_for(lambda: KnowledgeAnswer.objects.count() >= 2, "two answers", 240)
        finally:
            process.send_signal(signal.SIGKILL)
    before = dict(KnowledgeAnswer.objects.values_list("example", "asked_at"))
    assert 2 <= len(before) < 6
    run.refresh_from_db()
    assert run.status == Run.Status.RUNNING
    Run.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    sweep_runs()
    assert ("core.tasks.execute_run", run.pk) in sent
    execute_run(run.pk)
    run.refresh_from_db()
    assert (run.status, run.attempt) == (Run.Status.SUCCEEDED, 2), run.error_message
    after = dict(KnowledgeAnswer.objects.values_list("example", "asked_at"))
    assert len(after) == 6
    assert {pk: after[pk] for pk in before} == before
    assert (run.params["counts"]["unknown"], run.params["counts"]["asked"]) == (6, 6 - len(before))
    assert ExampleFinding.objects.filter(check_name="unknown-facts", status="open").count() == 6


def test_a_worker_that_must_stop_hands_it_back(world, tiny_base, monkeypatch, saying):
    portions_of_one(monkeypatch)
    for at in range(3):
        made(world, at=at)
    monkeypatch.setattr(stopping, "stop_asked", lambda: True)
    run = ask(world, tiny_base)
    assert run.status == Run.Status.QUEUED
    assert KnowledgeAnswer.objects.count() == 1


def test_a_cancelled_run_stops_inside_an_answer_and_can_go_on(world, tiny_base, monkeypatch):
    made(world)
    run = start_asking(by=world.admin, project=world.project, base_model=tiny_base)
    real = runner.answers

    def cancelled(*args, watch, **how):
        def watched():
            current = Run.objects.get(pk=run.pk)
            if current.status == Run.Status.RUNNING:
                request_cancel(by=world.admin, run=current)
            watch(now=True)

        return real(*args, watch=watched, **how)

    monkeypatch.setattr(runner, "answers", cancelled)
    execute_run(run.pk)
    run.refresh_from_db()
    assert run.status == Run.Status.CANCELLED
    assert not KnowledgeAnswer.objects.exists()
    monkeypatch.setattr(runner, "answers", real)
    second = start_asking(by=world.admin, project=world.project, base_model=tiny_base)
    with pytest.raises(Conflict):
        start_again(by=world.admin, run=run)
    request_cancel(by=world.admin, run=second)
    start_again(by=world.admin, run=Run.objects.get(pk=run.pk))
    execute_run(run.pk)
    assert KnowledgeAnswer.objects.count() == 1


def test_when_nothing_can_be_asked(world, tiny_base, sent):
    with pytest.raises(Conflict, match="no completions"):
        start_asking(by=world.admin, project=world.project, base_model=tiny_base)
    made(world)
    with pytest.raises(Conflict, match="not ready"):
        start_asking(by=world.admin, project=world.project, base_model=make_base_model(name="Later", slug="later", status="preparing", artifact=None))  # fmt: skip
    start_asking(by=world.admin, project=world.project, base_model=tiny_base)
    with pytest.raises(Conflict, match="being asked"):
        start_asking(by=world.admin, project=world.project, base_model=tiny_base)
    world.project.checks_off = ["facts"]
    world.project.save()
    Run.objects.update(status=Run.Status.CANCELLED)
    with pytest.raises(Conflict, match="is off"):
        start_asking(by=world.admin, project=world.project, base_model=tiny_base)


def test_rows_that_cannot_be_asked_are_counted(world, tiny_base):
    made(world, f"{UNKNOWN} <|im_end|>")
    made(world, at=1, question="Where? " * 3000)
    run = ask(world, tiny_base)
    counts = run.params["counts"]
    assert (counts["rows"], counts["no_prompt"], counts["too_long"]) == (0, 1, 1)
