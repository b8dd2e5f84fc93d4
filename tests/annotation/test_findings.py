"""Stored findings: what the checks find at a new revision, over edits, and in a run over the project."""

import itertools
import json
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction

from annotation import services
from annotation.checks import Finding, Span
from annotation.checks.fingerprint import fingerprints
from annotation.models import Example, ExampleFinding, Lease
from annotation.runner.side import UncheckedRow, checked_rows
from annotation.services import examples, found
from annotation.services.findings import dismiss, reopen
from annotation.services.found import check_and_store
from annotation.services.quality import start_check
from annotation.text.fixes import FixDoesNotFit, apply_fixes
from core.errors import Conflict, Invalid
from core.host import apart
from core.models import AuditEntry, Run
from core.runs.control import start_again
from core.runs.execution import execute
from tests.support.checks import check_of_spaces
from tests.support.factories import World, make_example
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db
MAIL = "Please write to jo@acme-freight.de soon."
OK = "Your container is at sea now, as planned."


def stored(example: Example, check: str = "privacy") -> ExampleFinding:
    return ExampleFinding.objects.get(example=example, check_name=check)


def all_of(example: Example):
    return ExampleFinding.objects.filter(example=example)


def rewritten(example: Example, completion: str) -> Example:
    """The example with another text, as a service stores it."""
    from annotation.services.examples import add_revision, content_of, fields_of

    content = {**content_of(example), "completion": completion}
    Example.objects.filter(pk=example.pk).update(**fields_of(content), revision=example.revision + 1)
    example.refresh_from_db()
    add_revision(example, by=None, reason="submitted", content=content)
    return example


def checked(example: Example) -> Example:
    check_and_store(example, example.content(), example.project)
    return example


# --- when they are stored ----------------------------------------------------------------------------------
def test_a_written_text_is_checked_and_its_problems_and_warnings_are_stored(world: World):
    example = services.write_example(
        by=world.annotator, project=world.project, reason="The customer gave it by phone.",
        content={"messages": [{"role": "user", "content": "Where can I ask?"}], "completion": MAIL},
    )  # fmt: skip
    finding = stored(example)
    assert (finding.status, finding.level, finding.content_hash) == ("open", "warn", example.content_hash)
    field, index, start, end, tone = finding.spans[0]
    assert (field, index, MAIL[start:end], tone) == ("completion", 0, "jo@acme-freight.de", "warn")
    assert set(all_of(example).values_list("level", flat=True)) <= {"bad", "warn"}


def test_a_submit_and_a_reviewers_correction_replace_what_was_found(world: World):
    example = make_example(world.project, completion=MAIL)
    checked(example)
    lease = services.take_next(by=world.annotator, project=world.project, purpose=Lease.Purpose.ANNOTATE)
    services.submit(
        by=world.annotator, example=lease.example, content={**example.content(), "completion": OK}
    )
    assert stored(example).status == "gone"
    services.take(by=world.reviewer, example=example, purpose=Lease.Purpose.REVIEW)
    services.accept(
        by=world.reviewer,
        example=example,
        content={**example.content(), "completion": MAIL},
        reason="Public address.",
    )
    assert stored(example).status == "open"


def test_storing_again_changes_nothing_and_makes_few_queries(world: World, django_assert_max_num_queries):
    example = checked(make_example(world.project, completion=f"{MAIL} Or call +49 30 901820."))
    before = list(all_of(example).order_by("pk").values())
    assert len(before) > 1
    with django_assert_max_num_queries(6):  # with the savepoint
        checked(example)
    assert list(all_of(example).order_by("pk").values()) == before


def test_what_was_found_in_an_older_text_is_not_stored_over_the_newer(world: World):
    """A run read the example before somebody changed it."""
    read = make_example(world.project, completion=MAIL)
    old = Example.objects.get(pk=read.pk)
    rewritten(read, OK)
    check_and_store(old, old.content(), world.project)
    assert not all_of(read).exists()


def test_findings_of_checks_that_did_not_run_are_kept_and_those_of_a_removed_check_go(world: World):
    example = checked(make_example(world.project, completion=MAIL))
    values = {"project": world.project, "example": example, "level": "warn", "says": "x", "content_hash": "0"}
    kept = ExampleFinding.objects.create(check_name="repeated", fingerprint="a", **values)
    gone = ExampleFinding.objects.create(check_name="a check of last year", fingerprint="b", **values)
    checked(example)
    kept.refresh_from_db()
    gone.refresh_from_db()
    assert (kept.status, gone.status) == ("open", "gone")


# --- a dismissal holds ---------------------------------------------------------------------------------------
def test_a_dismissal_holds_over_other_edits_and_ends_with_the_words(world: World):
    example = checked(make_example(world.project, completion=MAIL))
    dismiss(by=world.reviewer, project=world.project, findings=all_of(example), reason="A public address.")
    rewritten(example, f"Thank you for asking. {MAIL}")
    finding = stored(example)
    assert (finding.status, finding.reason, finding.decided_by) == (
        "dismissed",
        "A public address.",
        world.reviewer,
    )
    start, end = finding.spans[0][2:4]
    assert example.completion[start:end] == "jo@acme-freight.de"
    rewritten(example, OK)
    assert stored(example).status == "gone"
    # The same words again: people have decided about them.
    rewritten(example, MAIL)
    assert stored(example).status == "dismissed"
    # Other words are another finding.
    rewritten(example, MAIL.replace("jo@", "ann@"))
    assert sorted(all_of(example).filter(check_name="privacy").values_list("status", flat=True)) == [
        "gone",
        "open",
    ]


def test_dismissing_needs_a_reason_and_is_audited_and_can_be_reversed(world: World):
    example = checked(make_example(world.project, completion=MAIL))
    with pytest.raises(Invalid):
        dismiss(by=world.reviewer, project=world.project, findings=all_of(example), reason=" \n ")
    assert stored(example).status == "open"
    outcome = dismiss(
        by=world.reviewer, project=world.project, findings=all_of(example), reason="Public. " * 90
    )
    assert outcome.examples == 1
    assert len(stored(example).reason) <= 300
    assert AuditEntry.objects.filter(action="finding.dismissed", actor_id=world.reviewer.pk).count() == 1
    # Once: the second person finds nothing to dismiss, and does not overwrite the first one's reason.
    again = dismiss(by=world.admin, project=world.project, findings=all_of(example), reason="Mine.")
    assert (again.findings, stored(example).decided_by) == (0, world.reviewer)
    reopen(by=world.admin, project=world.project, findings=all_of(example))
    finding = stored(example)
    assert (finding.status, finding.reason, finding.decided_by, finding.decided_at) == (
        "open",
        "",
        None,
        None,
    )


def test_another_projects_findings_are_not_touched(world: World):
    example = checked(make_example(world.other, completion=MAIL))
    outcome = dismiss(by=world.admin, project=world.project, findings=all_of(example), reason="No.")
    assert (outcome.findings, stored(example).status) == (0, "open")


def test_the_database_refuses_what_no_service_writes(world: World):
    example = checked(make_example(world.project, completion=MAIL))
    finding = stored(example)
    for values in (
        {"status": "dismissed"}, {"status": "fixed"}, {"status": "lost"}, {"level": "ok"}, {"reason": "Why?"},
    ):  # fmt: skip
        with pytest.raises(IntegrityError), transaction.atomic():
            ExampleFinding.objects.filter(pk=finding.pk).update(**values)
    with pytest.raises(IntegrityError), transaction.atomic():
        finding.pk = None
        finding.save(force_insert=True)


# --- fingerprints and replacements -----------------------------------------------------------------------------
def test_fingerprints_follow_the_words():
    text = "Call 5 or 5 now."
    first = Finding(
        "warn", "Two numbers.", (Span("completion", 0, 5, 6, "warn"),), check="facts", kind="number"
    )
    second = replace(first, spans=(Span("completion", 0, 10, 11, "warn"),))
    one, two = fingerprints([first, second], {"completion": text})
    assert one != two
    moved = replace(first, spans=(Span("completion", 0, 11, 12, "warn"),))
    assert fingerprints([moved], {"completion": "Please " + text[:4] + "5"})  # beyond the end: no failure
    assert fingerprints(
        [replace(first, spans=(Span("completion", 0, 2, 3, "warn"),))], {"completion": "A 5."}
    ) == [one]
    for other in (replace(first, kind="date"), replace(first, check="privacy")):
        assert fingerprints([other], {"completion": text}) != [one]
    in_record = replace(first, spans=(Span("context", 0, 0, 1, "warn"),))
    assert fingerprints([in_record], {"completion": text, "context": ["5"]}) != [one]
    long, longer = (Finding("warn", f"{n} words are long.", check="length") for n in (230, 231))
    assert fingerprints([long], {}) == fingerprints([longer], {})


@pytest.mark.parametrize(
    ("fixes", "completion"),
    [
        ([("completion", 0, 0, 1, "AA"), ("completion", 0, 2, 3, "")], "AAb"),
        ([("completion", 0, 3, 3, "!")], "abc!"),
        ([("completion", 0, 1, 2, "x"), ("completion", 0, 1, 2, "x")], "axc"),
    ],
    ids=["two", "at-the-end", "the-same-twice"],
)
def test_replacements_are_applied_together(fixes, completion):
    content = {"messages": [{"role": "user", "content": "q"}], "context": ["r"], "completion": "abc"}
    assert apply_fixes(content, fixes)["completion"] == completion
    assert content["completion"] == "abc"


@pytest.mark.parametrize(
    "fixes",
    [
        [("completion", 0, 0, 2, ""), ("completion", 0, 1, 3, "")],
        [("completion", 0, 2, 9, "")],
        [("completion", 0, 2, 1, "")],
        [("context", 4, 0, 1, "")],
        [("slice", 0, 0, 1, "")],
    ],
    ids=["overlap", "beyond", "backwards", "no-record", "no-field"],
)
def test_replacements_that_do_not_fit_are_refused(fixes):
    content = {"messages": [{"role": "user", "content": "q"}], "context": ["r"], "completion": "abc"}
    with pytest.raises(FixDoesNotFit):
        apply_fixes(content, fixes)


def test_a_submit_runs_the_text_checks_once(world: World, monkeypatch):
    runs = []
    real = examples.text_findings

    def counted(*args, **options):
        runs.append(args)
        return real(*args, **options)

    monkeypatch.setattr(examples, "text_findings", counted)
    monkeypatch.setattr(found, "text_findings", counted)
    made = services.write_example(
        by=world.annotator,
        project=world.project,
        content={
            "messages": [{"role": "user", "content": "Where is it?"}],
            "context": [],
            "completion": MAIL,
        },
        reason="It is right.",
    )
    assert stored(made).status == "open"
    assert len(runs) == 1


# --- the run ---------------------------------------------------------------------------------------------------
def finished(run: Run) -> Run:
    execute(run.pk)
    run.refresh_from_db()
    return run


def test_a_run_checks_every_example_but_retired_ones(world: World):
    examples = [
        make_example(world.project, completion=MAIL, status=s) for s in ("queued", "approved", "retired")
    ]
    make_example(world.other, completion=MAIL)
    run = finished(start_check(by=world.admin, project=world.project))
    assert (run.status, run.done, run.total) == ("succeeded", 2, 2)
    found = set(ExampleFinding.objects.values_list("example", flat=True))
    assert found == {example.pk for example in examples[:2]}


def test_a_run_goes_on_where_it_was_stopped(world: World):
    first, second = (make_example(world.project, completion=MAIL) for _ in range(2))
    run = start_check(by=world.admin, project=world.project)
    Run.objects.filter(pk=run.pk).update(
        params={"import": None, "after": first.pk, "found": 1}, status="failed", attempt=1
    )
    run.refresh_from_db()
    start_again(by=world.admin, run=run)
    assert finished(run).done == 2
    assert set(ExampleFinding.objects.values_list("example", flat=True)) == {second.pk}


def test_one_check_of_a_project_at_a_time_and_none_without_examples(world: World):
    with pytest.raises(Conflict):
        start_check(by=world.admin, project=world.project)
    make_example(world.project)
    start_check(by=world.admin, project=world.project)
    with pytest.raises(Conflict):
        start_check(by=world.reviewer, project=world.project)
    start_check(by=world.admin, project=world.project, import_id=7)  # another scope


def rows_of(count: int) -> list[list[UncheckedRow]]:
    texts = [MAIL if at % 3 else OK for at in range(count)]
    content = {"messages": [{"role": "user", "content": "Where?"}], "context": []}
    rows = [UncheckedRow(at, str(at), {**content, "completion": text}) for at, text in enumerate(texts)]
    return [rows[at : at + 20] for at in range(0, count, 20)]


def test_processes_beside_find_the_same_in_the_same_order(world: World):
    one = list(checked_rows(world.project, iter(rows_of(300)), rows=300))
    two = list(checked_rows(world.project, iter(rows_of(300)), rows=300, least=1))
    assert two == one
    assert [row.example for chunk in two for row in chunk] == list(range(300))
    assert any(row.findings for row in itertools.chain(*two))


@pytest.mark.parametrize("killed", ["first", "forked", "all"])
def test_a_process_that_dies_costs_nothing_but_time(world: World, monkeypatch, killed: str):
    """It is killed while it has work: another one does it, or the worker."""
    started = []
    real = apart.subprocess.Popen

    def popen(*args, **options):
        started.append(real(*args, **options))
        return started[-1]

    monkeypatch.setattr(apart.subprocess, "Popen", popen)
    chunks, pids = [], []
    for chunk in checked_rows(world.project, iter(rows_of(300)), rows=300, least=1):
        chunks.append(chunk)
        if not pids:
            first = started[0].pid
            forked = Path(f"/proc/{first}/task/{first}/children").read_text().split()
            pids = [first, *map(int, forked)]
            for pid in {"first": pids[:1], "forked": pids[1:], "all": pids}[killed]:
                os.kill(pid, signal.SIGKILL)
    assert chunks == list(checked_rows(world.project, iter(rows_of(300)), rows=300))
    assert len(started) == 1 and len(pids) == min(2, os.cpu_count() or 1)
    wait_for(lambda: not any(map(runs, pids)), what="nobody outlives the run")


def runs(pid: int) -> bool:
    """Whether the process is there and not only waits for its parent to see its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_processes_beside_give_way_to_people(world: World, monkeypatch):
    asked = []
    real = apart.process_apart
    monkeypatch.setattr(apart, "process_apart", lambda *args, **how: asked.append(how) or real(*args, **how))
    assert list(checked_rows(world.project, iter(rows_of(20)), rows=20, least=1))
    assert asked
    assert all(how["nice"] >= 10 for how in asked)  # tests/core/test_apart.py: what it does


@pytest.mark.django_db(transaction=True)
def test_an_edit_and_a_run_at_the_same_moment_leave_the_findings_of_the_newer_text(world: World):
    example = make_example(world.project, completion=MAIL)
    old = Example.objects.get(pk=example.pk)
    begun, go_on = threading.Event(), threading.Event()

    def edit() -> None:
        with transaction.atomic():
            services_lock = Example.objects.select_for_update(no_key=True).get(pk=example.pk)
            begun.set()
            go_on.wait(5)
            rewritten(services_lock, OK)
        connection.close()

    editor = threading.Thread(target=edit)
    editor.start()
    assert begun.wait(5)
    runner = threading.Thread(
        target=lambda: (check_and_store(old, old.content(), world.project), connection.close())
    )
    runner.start()
    runner.join(0.3)
    assert runner.is_alive()  # it waits for the edit
    go_on.set()
    editor.join(10)
    runner.join(10)
    assert not all_of(example).filter(status="open").exists()


@pytest.mark.django_db(transaction=True)
def test_new_rows_of_an_import_are_checked_when_it_ends(world: World, tmp_path):
    from dataset.services.imports import remove_import, start_import

    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps({"prompt": "Where?", "completion": MAIL}) + "\n")
    older = make_example(world.project, completion=MAIL)
    batch = start_import(by=world.admin, project=world.project, path=file, file_name=file.name)
    finished(batch.run)
    run = Run.objects.get(kind="check-project")
    assert (run.params["import"], run.status, run.created_by) == (batch.pk, "queued", world.admin)
    assert finished(run).done == 1
    assert not all_of(older).exists()
    example = Example.objects.get(import_id=batch.pk)
    assert stored(example).status == "open"
    remove_import(by=world.admin, data_import=batch)
    assert not ExampleFinding.objects.exists()


def test_the_check_of_tests_is_found(world: World):
    with check_of_spaces() as name:
        example = checked(make_example(world.project, completion="Two  spaces."))
        assert stored(example, name).fixes == [["completion", 0, 3, 5, " "]]
