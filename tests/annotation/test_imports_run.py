"""Imports from the uploaded bytes to the stored examples: good files, bad files, races, cancellation and SIGKILL."""

import json
import os
import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections
from django.utils import timezone

from annotation.models import Assignment, DatasetRow, Draft, Example, Import, ImportIssue, Revision, Source
from annotation.runner import imports as runner
from annotation.services.examples import write_example
from annotation.services.imports import remove_import, start_import
from core.errors import Conflict, Invalid
from core.models import AuditEntry, Run
from core.services.runs import request_cancel, start_again
from core.tasks import execute_run, sweep_runs
from tests.factories import World, make_dataset
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]
REAL = Path(settings.BASE_DIR).parent / "shared" / "data" / "service_pairs.jsonl"
Bring = Callable[..., Import]


def pair(n: int, **fields: Any) -> dict[str, Any]:
    return {
        "prompt": f"Where is shipment {n}?",
        "completion": f"It is in port {n}.",
        "slice": "status",
    } | fields


def jsonl(*rows: Any) -> bytes:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows).encode()


def settled(batch: Import) -> Import:
    return Import.objects.select_related("run").get(pk=batch.pk)


@pytest.fixture
def bring(world: World, tmp_path: Path) -> Bring:
    """bring(bytes, destination=...) uploads a file, runs its import and gives it back as it then stands."""

    def _bring(data: bytes | Path, *, run: bool = True, by: Any = None, **options: Any) -> Import:
        path = data if isinstance(data, Path) else tmp_path / "pairs.jsonl"
        if isinstance(data, bytes):
            path.write_bytes(data)
        batch = start_import(
            by=by or world.admin, project=world.project, path=path, file_name=path.name, **options
        )
        if run:
            execute_run(batch.run_id)
        return settled(batch)

    return _bring


def nothing_is_stored() -> bool:
    return not (Example.objects.exists() or Revision.objects.exists() or Source.objects.exists())


# --- what is stored ----------------------------------------------------------------------------------------
def test_good_lines_become_examples_with_their_whole_origin(bring: Bring, world: World):
    batch = bring(
        jsonl(
            pair(
                1,
                context=["FD-1 | at sea"],
                edge="angry_customer",
                tags=["eta"],
                group="g1",
                source="desk",
                id="x",
            )
        ),
        default_license="internal",
    )
    assert (batch.run.status, batch.lines, batch.accepted, batch.rejected) == ("succeeded", 1, 1, 0)
    example = Example.objects.select_related("source").get()
    assert example.content() == {
        "messages": [{"role": "user", "content": "Where is shipment 1?"}],
        "context": ["FD-1 | at sea"],
        "completion": "It is in port 1.",
    }
    assert (example.status, example.edge, example.tags, example.group) == (
        "queued",
        "angry_customer",
        ["eta"],
        "g1",
    )
    assert (example.license, example.external_id, example.batch_id) == ("internal", "x", batch.pk)
    assert example.source is not None
    assert (example.source.name, example.source.license) == ("desk", "internal")
    assert example.origin_detail == {"label": "pairs.jsonl, line 1", "line": 1}
    assert "at sea" in example.search_text
    revision = Revision.objects.get(example=example)
    assert (revision.number, revision.reason, revision.by) == (1, "arrived", world.admin)
    assert revision.content == example.content() | {
        "slice": "status",
        "edge": "angry_customer",
        "tags": ["eta"],
    }
    entry = AuditEntry.objects.get(verb="import.stored")
    assert (entry.actor_id, entry.detail["accepted"]) == (world.admin.pk, 1)


@pytest.mark.parametrize("destination", ["queued", "in_review", "approved"])
def test_examples_go_where_they_were_sent(bring: Bring, destination: str):
    bring(jsonl(pair(1)), destination=destination)
    assert Example.objects.get().status == destination


def test_a_missing_answer_is_fine_for_the_queue_only(bring: Bring):
    assert bring(jsonl({"prompt": "Where?"})).accepted == 1
    batch = bring(jsonl(pair(1), {"prompt": "Where else?"}), destination="approved")
    assert (batch.accepted, batch.rejected) == (1, 1)
    assert batch.issues.get().field == "completion"


def test_rows_without_a_group_are_grouped_by_their_prompt(bring: Bring):
    bring(jsonl(pair(1), pair(1, completion="Another answer."), pair(2)))
    groups = list(Example.objects.order_by("pk").values_list("group", flat=True))
    assert groups[0] == groups[1] != groups[2]


def test_good_rows_are_kept_and_bad_ones_listed(bring: Bring):
    batch = bring(jsonl(pair(1), "nonsense", "", pair(2, edge="weird", tags=5), pair(3)))
    assert (batch.run.status, batch.lines, batch.accepted, batch.rejected) == ("succeeded", 4, 2, 2)
    listed = list(batch.issues.values_list("line", "kind", "field"))
    assert listed == [(2, "rejected", ""), (4, "rejected", "edge"), (4, "rejected", "tags")]
    assert batch.issues.first().excerpt == "nonsense"  # type: ignore[union-attr]


def test_repeats_inside_a_file_are_counted_and_point_at_the_first(bring: Bring):
    batch = bring(jsonl(pair(1), pair(2), pair(1, context=["other records"]), pair(1)))
    assert (batch.accepted, batch.repeated) == (2, 2)
    first = Example.objects.get(search_text__contains="shipment 1")
    assert [(issue.line, issue.reason, issue.repeats) for issue in batch.issues.all()] == [
        (3, "Repeats line 1 of this file.", first),
        (4, "Repeats line 1 of this file.", first),
    ]


def test_the_same_file_again_adds_nothing(bring: Bring):
    data = jsonl(*(pair(n) for n in range(30)))
    first, again = bring(data), bring(data, destination="approved")
    assert (first.accepted, again.accepted, again.repeated) == (30, 0, 30)
    assert Example.objects.count() == Revision.objects.count() == 30
    assert first.upload_id == again.upload_id
    assert "which the project already has" in again.issues.first().reason  # type: ignore[union-attr]


def test_an_edited_example_is_still_known_by_what_came_in(bring: Bring):
    bring(jsonl(pair(1)))
    Example.objects.update(completion="Edited.", content_hash="0" * 64)
    assert bring(jsonl(pair(1))).repeated == 1


def test_a_pair_that_somebody_wrote_by_hand_is_a_repeat(bring: Bring, world: World):
    write_example(
        by=world.annotator,
        project=world.project,
        content={
            "messages": [{"role": "user", "content": "Where is shipment 1?"}],
            "completion": "It is in port 1. Your next step: none for now.",
        },
        reason="It is right.",
    )
    batch = bring(jsonl(pair(1, completion="It is in port 1. Your next step: none for now.")))
    assert (batch.accepted, batch.repeated) == (0, 1)


def test_projects_do_not_see_each_others_pairs(bring: Bring, world: World, tmp_path: Path):
    bring(jsonl(pair(1)))
    elsewhere = start_import(
        by=world.neighbour, project=world.other, path=tmp_path / "pairs.jsonl", file_name="pairs.jsonl"
    )
    execute_run(elsewhere.run_id)
    assert settled(elsewhere).accepted == 1


def test_the_real_file_comes_in_whole_with_its_thirty_repeats(bring: Bring):
    if not REAL.exists():
        pytest.skip("../shared/data/service_pairs.jsonl is not on this machine.")
    batch = bring(REAL, destination="approved")
    assert (batch.lines, batch.accepted, batch.repeated, batch.rejected) == (4672, 4642, 30, 0)
    assert batch.issues.filter(kind="repeated", repeats__isnull=False).count() == 30
    assert (batch.run.done, batch.run.percent) == (REAL.stat().st_size, 100)


# --- files that are refused --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (jsonl(pair(1)).decode().encode("utf-16"), "wrong_encoding"),
        (b"[" + jsonl(pair(1)) + b"]", "json_array"),
        (b"PK\x03\x04" + os.urandom(2000), "compressed"),
        (b"\n \n\n", "empty"),
        (b"hello", "nothing_usable"),
        (b"caf\xe9 " * 20 + b"\n", "nothing_usable"),
        (b"garbage\n" * 5000, "not_jsonl"),
        (jsonl(*(pair(n) for n in range(90))) + b"garbage\n" * 2000, "not_jsonl"),
    ],
)
def test_a_file_that_is_no_import_gets_one_clear_answer(bring: Bring, data: bytes, code: str):
    batch = bring(data)
    assert (batch.run.status, batch.run.error_code) == ("failed", code)
    assert batch.run.error_message.endswith(".")
    assert batch.run.error_advice
    assert batch.stored_at is None
    assert batch.accepted == 0
    assert nothing_is_stored()


def test_a_hundred_megabytes_of_garbage_are_refused_and_leave_nothing(bring: Bring, tmp_path: Path):
    path = tmp_path / "garbage.jsonl"
    piece = b"x" + os.urandom(1 << 20).replace(b"\n", b" ").replace(b"\x00", b"?")
    with path.open("wb") as file:
        for _ in range(100):
            file.write(piece)
    batch = bring(path)
    assert (batch.run.status, batch.run.error_code, batch.lines) == ("failed", "nothing_usable", 1)
    assert "The line is 104.9 MB long" in batch.issues.get().reason
    assert nothing_is_stored()


def test_what_was_wrong_is_kept_even_of_a_refused_file(bring: Bring):
    batch = bring(jsonl(pair(1)) + b"garbage\n" * 3000)
    assert (batch.lines, batch.rejected) == (1001, 1000)
    assert batch.issues.count() == runner.ISSUES_OF_A_REFUSED_FILE
    assert nothing_is_stored()


def test_many_bad_lines_among_enough_good_ones_are_only_listed(bring: Bring):
    rows = [row for n in range(200) for row in (pair(n), *["bad"] * 6)]
    batch = bring(jsonl(*rows))
    assert (batch.run.status, batch.accepted, batch.rejected) == ("succeeded", 200, 1200)
    assert batch.issues.count() == 1200


def test_a_line_of_ten_megabytes_is_listed_and_the_rest_comes_in(bring: Bring):
    batch = bring(jsonl(pair(1), '{"prompt": "' + "x" * 10_000_000 + '"}', pair(2)))
    assert (batch.accepted, batch.rejected) == (2, 1)
    assert "10.0 MB long" in batch.issues.get().reason


def test_a_truncated_last_line_is_listed_and_the_rest_comes_in(bring: Bring):
    batch = bring(jsonl(pair(1), pair(2))[:-9])
    assert (batch.accepted, batch.rejected) == (1, 1)
    assert "cut off" in batch.issues.get().reason


@pytest.mark.parametrize("text", ["\x00", "\u202e\x07", "=HYPERLINK()", "<script>", "💥" * 200])
def test_lines_with_odd_characters_can_be_listed(bring: Bring, text: str):
    batch = bring(jsonl(pair(1), json.dumps({"messages": text}, ensure_ascii=False), text))
    assert (batch.accepted, batch.rejected) == (1, 2)


def test_empty_and_oversized_files_are_refused_at_the_door(bring: Bring, settings: Any):
    with pytest.raises(Invalid, match="empty"):
        bring(b"")
    settings.IMPORT_MAX_BYTES = 10
    with pytest.raises(Invalid, match="at most"):
        bring(jsonl(pair(1)))
    assert not Import.objects.exists()
    assert not Run.objects.exists()


def test_an_unknown_destination_is_refused(bring: Bring):
    with pytest.raises(Invalid, match="destination"):
        bring(jsonl(pair(1)), destination="retired")


# --- failures, cancellation, races -------------------------------------------------------------------------
def test_a_failure_in_the_middle_leaves_nothing(bring: Bring, monkeypatch: pytest.MonkeyPatch):
    real, calls = runner._copy, []

    def breaks(batch: Import, examples: list[Example]) -> None:
        calls.append(len(examples))
        if len(calls) == 2:
            raise ZeroDivisionError
        real(batch, examples)

    monkeypatch.setattr(runner, "_copy", breaks)
    batch = bring(jsonl(*(pair(n, source="desk") for n in range(2500))))
    assert len(calls) == 2
    assert (batch.run.status, batch.run.error_code) == ("failed", "unexpected")
    assert nothing_is_stored()
    assert not AuditEntry.objects.filter(verb="import.stored").exists()


def test_cancelled_in_the_middle_it_leaves_nothing(
    bring: Bring, world: World, monkeypatch: pytest.MonkeyPatch
):
    real = runner._flush

    def cancels(batch: Import, *rest: Any) -> None:
        real(batch, *rest)
        thread = threading.Thread(target=_in_thread(lambda: request_cancel(by=world.admin, run=batch.run)))
        if Run.objects.get(pk=batch.run_id).status == "running":
            thread.start()
            thread.join()

    monkeypatch.setattr(runner, "_flush", cancels)
    batch = bring(jsonl(*(pair(n) for n in range(30))))
    assert batch.run.status == "cancelled"
    assert nothing_is_stored()
    monkeypatch.setattr(runner, "_flush", real)
    start_again(by=world.admin, run=batch.run)
    execute_run(batch.run_id)
    batch = settled(batch)
    assert (batch.run.status, batch.lines, batch.accepted) == ("succeeded", 30, 30)
    assert Example.objects.count() == Revision.objects.count() == 30


def test_started_again_after_a_refused_file_it_lists_each_bad_line_once(
    bring: Bring, world: World, monkeypatch: pytest.MonkeyPatch
):
    data = jsonl(*(pair(n) for n in range(20)), *({"prompt": ""} for _ in range(30)))
    monkeypatch.setattr(runner, "GIVE_UP_AFTER", 5)
    monkeypatch.setattr(runner, "GOOD_IN", 1)
    batch = bring(data)
    assert batch.run.status == "failed"
    assert 0 < ImportIssue.objects.filter(batch=batch).count() < 30
    monkeypatch.undo()
    start_again(by=world.admin, run=batch.run)
    assert not ImportIssue.objects.filter(batch=batch).exists()
    execute_run(batch.run_id)
    batch = settled(batch)
    assert (batch.run.status, batch.accepted, batch.rejected) == ("succeeded", 20, 30)
    lines = list(ImportIssue.objects.filter(batch=batch).values_list("line", flat=True))
    assert sorted(lines) == list(range(21, 51))


def test_a_removed_import_is_not_started_again(bring: Bring, world: World):
    batch = bring(jsonl(*(pair(n) for n in range(3))))
    Run.objects.filter(pk=batch.run_id).update(status="cancelled")
    Import.objects.filter(pk=batch.pk).update(removed_at=timezone.now())
    with pytest.raises(Conflict, match="removed"):
        start_again(by=world.admin, run=Run.objects.get(pk=batch.run_id))


def test_two_imports_of_one_file_at_once_store_nothing_twice(bring: Bring):
    data = jsonl(*(pair(n) for n in range(1500)))
    batches = [bring(data, run=False), bring(data, run=False)]
    threads = [threading.Thread(target=_in_thread(execute_run, batch.run_id)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = [settled(batch) for batch in batches]
    assert [batch.run.status for batch in ended] == ["succeeded", "succeeded"]
    assert sorted((batch.accepted, batch.repeated) for batch in ended) == [(0, 1500), (1500, 0)]
    assert Example.objects.count() == Revision.objects.count() == 1500


def test_a_run_that_another_worker_holds_by_now_stores_nothing(bring: Bring, monkeypatch: pytest.MonkeyPatch):
    real = runner.store

    def overtaken(batch: Import, **rest: Any) -> None:
        real(batch, **rest)
        take = "UPDATE core_run SET claim = '00000000-0000-0000-0000-000000000001' WHERE id = %s"

        def other_worker() -> None:
            with connection.cursor() as cursor:
                cursor.execute(take, [batch.run_id])

        thread = threading.Thread(target=_in_thread(other_worker))
        thread.start()
        thread.join()

    monkeypatch.setattr(runner, "store", overtaken)
    batch = bring(jsonl(pair(1)))
    assert batch.stored_at is None
    assert nothing_is_stored()


def test_killed_in_the_middle_it_starts_over_cleanly(bring: Bring):
    batch = bring(jsonl(*(pair(n) for n in range(9000))), run=False)
    worker = os.fork()
    if worker == 0:  # a worker of its own, with connections of its own
        try:
            connections["default"].connection = None
            execute_run(batch.run_id)
        finally:
            os._exit(0)

    def storing() -> bool:
        assert os.waitpid(worker, os.WNOHANG) == (0, 0), "it ended before it could be killed"
        return Run.objects.get(pk=batch.run_id).message.startswith("Line")

    wait_for(storing, "the first lines being stored", 60)
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    assert nothing_is_stored()
    Run.objects.filter(pk=batch.run_id).update(heartbeat_at=timezone.now() - timedelta(hours=1))
    sweep_runs()
    execute_run(batch.run_id)
    again = settled(batch)
    assert (again.run.status, again.run.attempt, again.accepted) == ("succeeded", 2, 9000)
    assert Example.objects.count() == Revision.objects.count() == 9000


def test_a_worker_that_dies_after_storing_does_not_store_again(bring: Bring):
    batch = bring(jsonl(pair(1)))
    Run.objects.filter(pk=batch.run_id).update(status="queued", claim=None)
    execute_run(batch.run_id)
    again = settled(batch)
    assert (again.run.status, again.accepted, again.repeated) == ("succeeded", 1, 0)
    assert Example.objects.count() == 1


def _in_thread(call: Callable[..., Any], *args: Any) -> Callable[[], None]:
    def run() -> None:
        try:
            call(*args)
        finally:
            connection.close()

    return run


# --- taking it out again -----------------------------------------------------------------------------------
def test_what_an_import_added_can_be_removed_and_imported_again(bring: Bring, world: World):
    data = jsonl(pair(1), pair(2), pair(1))
    batch, later = bring(data), bring(jsonl(pair(2), pair(3)))
    assert remove_import(by=world.admin, batch=batch) == 2
    assert list(Example.objects.values_list("batch", flat=True)) == [later.pk]
    gone = settled(batch)
    assert gone.removed_by == world.admin
    assert gone.removed_at
    assert later.issues.get().repeats is None
    assert AuditEntry.objects.get(verb="import.removed").detail["examples"] == 2
    with pytest.raises(Conflict, match="removed before"):
        remove_import(by=world.admin, batch=batch)
    assert bring(data).accepted == 2


def _edit(example: Example, world: World) -> None:
    Example.objects.filter(pk=example.pk).update(revision=2)


def _approve(example: Example, world: World) -> None:
    Example.objects.filter(pk=example.pk).update(status="approved")


def _open(example: Example, world: World) -> None:
    Assignment.objects.create(
        example=example,
        project=world.project,
        user=world.annotator,
        purpose="annotate",
        expires_at=timezone.now(),
    )


def _draft(example: Example, world: World) -> None:
    Draft.objects.create(example=example, project=world.project, user=world.annotator, content={})


def _freeze(example: Example, world: World) -> None:
    DatasetRow.objects.create(
        dataset=make_dataset(world.project), example=example, revision=example.revisions.get(), position=0,
        split="train", row_hash="0" * 64, prompt_hash="0" * 64,
    )  # fmt: skip


@pytest.mark.parametrize("work", [_edit, _approve, _open, _draft, _freeze])
def test_an_import_somebody_worked_on_stays(
    bring: Bring, world: World, work: Callable[[Example, World], None]
):
    batch = bring(jsonl(pair(1), pair(2)))
    work(Example.objects.earliest("pk"), world)
    with pytest.raises(Conflict, match="cannot be removed now"):
        remove_import(by=world.admin, batch=batch)
    assert Example.objects.count() == Revision.objects.count() == 2
    assert settled(batch).removed_at is None


def test_an_import_that_failed_has_nothing_to_remove(bring: Bring, world: World):
    with pytest.raises(Conflict, match="has added no examples"):
        remove_import(by=world.admin, batch=bring(b"hello"))


def test_removing_deletes_bad_lines_of_nobody_else(bring: Bring, world: World):
    batch, other = bring(jsonl(pair(1), "bad")), bring(jsonl(pair(2), "bad"))
    remove_import(by=world.admin, batch=batch)
    assert ImportIssue.objects.filter(batch=other).count() == 1
    assert Example.objects.get().batch_id == other.pk


# --- keys --------------------------------------------------------------------------------------------------
def test_keys_that_were_not_taken_are_counted_and_told(bring: Bring, world: World):
    rows = [pair(n, contxt=["x"], tag="eta", **({"a\x00\ud800": 1} if n == 2 else {})) for n in range(4)]
    batch = bring(jsonl(*rows, pair(9, label=False)), destination="approved")
    assert (batch.lines, batch.accepted, batch.rejected) == (5, 4, 1)
    assert batch.keys == [
        {"key": "contxt", "what": "ignored", "count": 4, "line": 1, "says": "Did you mean “context”?"},
        {"key": "tag", "what": "read_as", "count": 4, "line": 1, "says": "tags"},
        {"key": "a\ufffd?", "what": "ignored", "count": 1, "line": 3, "says": ""},
    ]
    assert "marks this answer as a bad one" in batch.issues.get().reason


def test_a_file_with_values_for_keys_tells_so_many_and_counts_the_rest(bring: Bring):
    batch = bring(jsonl(*(pair(n, **{f"key {n}": 1}) for n in range(205))))
    assert len(batch.keys) == 201
    assert batch.keys[-1] | {"says": ""} == {"key": "", "what": "ignored", "count": 5, "line": 0, "says": ""}


def test_a_bad_answer_in_the_queue_says_where_it_was_marked_so(bring: Bring):
    bring(jsonl(pair(1, approved=False)))
    assert (
        Example.objects.get().origin_detail["label"]
        == "pairs.jsonl, line 1, marked in the file as a bad answer"
    )


def test_the_same_file_is_known_again_with_other_white_space(bring: Bring):
    bring(jsonl(pair(1)))
    again = bring(jsonl(pair(1, completion="  It is in port 1.\n")))
    assert (again.accepted, again.repeated) == (0, 1)
