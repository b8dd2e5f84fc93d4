"""Imports from the uploaded bytes to the stored examples: good files, bad files, races, cancellation and SIGKILL."""

import gzip
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

from annotation.models import Draft, Example, ExamplePlace, Lease, Revision
from annotation.services.annotating import write_example
from annotation.services.found import check_and_store
from core.errors import Conflict, Invalid
from core.models import AuditEntry, Run
from core.runs.control import request_cancel, start_again
from core.tasks import execute_run, sweep_runs
from dataset.models import DataImport, DatasetRow, ImportIssue, Source
from dataset.runner import imports as runner
from dataset.runner.preparing import PreparedBatch
from dataset.runner.storing import Store
from dataset.runner.tally import ISSUES_OF_A_REFUSED_FILE
from dataset.services.imports import remove_import, start_import
from tests.support.factories import World, make_dataset
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]
REAL = Path(settings.BASE_DIR).parent / "shared" / "data" / "service_pairs.jsonl"
NOISE = bytes(range(256)) * 8
Bring = Callable[..., DataImport]


def pair(n: int, **fields: Any) -> dict[str, Any]:
    return {
        "prompt": f"Where is shipment {n}?",
        "completion": f"It is in port {n}.",
        "slice": "status",
    } | fields


def jsonl(*rows: Any) -> bytes:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows).encode()


def settled(data_import: DataImport) -> DataImport:
    return DataImport.objects.select_related("run").get(pk=data_import.pk)


@pytest.fixture
def bring(world: World, tmp_path: Path) -> Bring:
    """bring(bytes, destination=...) uploads a file, runs its import and gives it back as it then stands."""

    def _bring(data: bytes | Path, *, run: bool = True, by: Any = None, **options: Any) -> DataImport:
        path = data if isinstance(data, Path) else tmp_path / "pairs.jsonl"
        if isinstance(data, bytes):
            path.write_bytes(data)
        data_import = start_import(
            by=by or world.admin, project=world.project, path=path, file_name=path.name, **options
        )
        if run:
            execute_run(data_import.run_id)
        return settled(data_import)

    return _bring


def nothing_is_stored() -> bool:
    return not (Example.objects.exists() or Revision.objects.exists() or Source.objects.exists())


# --- what is stored ----------------------------------------------------------------------------------------
def test_good_lines_become_examples_with_their_whole_origin(bring: Bring, world: World):
    data_import = bring(
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
    assert (data_import.run.status, data_import.lines, data_import.accepted, data_import.rejected) == (
        "succeeded",
        1,
        1,
        0,
    )
    example = Example.objects.get()
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
    assert (example.license, example.external_id, example.import_id) == ("internal", "x", data_import.pk)
    source = Source.objects.get(project=example.project)
    assert (example.source, source.name, source.license) == ("desk", "desk", "internal")
    assert example.origin_detail == {"label": "pairs.jsonl, line 1", "line": 1}
    assert "at sea" in example.search.text
    revision = Revision.objects.get(example=example)
    assert (revision.number, revision.reason, revision.by) == (1, "arrived", world.admin)
    assert revision.content == example.content() | {
        "slice": "status",
        "edge": "angry_customer",
        "tags": ["eta"],
    }
    entry = AuditEntry.objects.get(action="import.stored")
    assert (entry.actor_id, entry.detail["accepted"]) == (world.admin.pk, 1)


@pytest.mark.parametrize("destination", ["queued", "in_review", "approved"])
def test_examples_go_where_they_were_sent(bring: Bring, destination: str):
    bring(jsonl(pair(1)), destination=destination)
    assert Example.objects.get().status == destination


def test_a_missing_answer_is_fine_for_the_queue_only(bring: Bring):
    assert bring(jsonl({"prompt": "Where?"})).accepted == 1
    data_import = bring(jsonl(pair(1), {"prompt": "Where else?"}), destination="approved")
    assert (data_import.accepted, data_import.rejected) == (1, 1)
    assert data_import.issues.get().field == "completion"


def test_rows_without_a_group_are_grouped_by_their_prompt(bring: Bring):
    bring(jsonl(pair(1), pair(1, completion="Another answer."), pair(2)))
    groups = list(Example.objects.order_by("pk").values_list("group", flat=True))
    assert groups[0] == groups[1] != groups[2]


def test_good_rows_are_kept_and_bad_ones_listed(bring: Bring):
    data_import = bring(jsonl(pair(1), "nonsense", "", pair(2, edge="weird", tags=5), pair(3)))
    assert (data_import.run.status, data_import.lines, data_import.accepted, data_import.rejected) == (
        "succeeded",
        4,
        2,
        2,
    )
    listed = list(data_import.issues.values_list("line", "kind", "field"))
    assert listed == [(2, "rejected", ""), (4, "rejected", "edge"), (4, "rejected", "tags")]
    assert data_import.issues.first().excerpt == "nonsense"  # type: ignore[union-attr]


def test_repeats_inside_a_file_are_counted_and_point_at_the_first(bring: Bring):
    data_import = bring(jsonl(pair(1), pair(2), pair(1, context=["other records"]), pair(1)))
    assert (data_import.accepted, data_import.repeated) == (2, 2)
    first = Example.objects.get(search__text__contains="shipment 1")
    assert [(issue.line, issue.reason, issue.repeats) for issue in data_import.issues.all()] == [
        (3, "Repeats line 1 of this file.", first),
        (4, "Repeats line 1 of this file.", first),
    ]


@pytest.fixture(params=["thread", "process"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the rows are read: small files by a thread, large ones by a process."""
    monkeypatch.setattr("dataset.runner.imports.LARGE", 0 if request.param == "process" else 1 << 40)
    return str(request.param)


def test_a_large_file_is_read_by_a_process_with_the_same_result(bring: Bring, reader: str):
    rows = [pair(number, slice="Customs", odd=number) for number in range(2100)]
    rows[1999] = "nonsense"
    rows[2050] = rows[7]
    data_import = bring(jsonl(*rows, pair(3000, edge="weird", tags=5)))
    assert data_import.run.status == "succeeded"
    assert (data_import.lines, data_import.accepted) == (2101, 2098)
    issues = [(i.line, i.kind, i.field, i.excerpt[:40]) for i in data_import.issues.order_by("line", "field")]
    assert issues[0] == (2000, "rejected", "", "nonsense")
    assert [issue[:3] for issue in issues[1:]] == [
        (2051, "repeated", ""),
        (2101, "rejected", "edge"),
        (2101, "rejected", "tags"),
    ]
    assert issues[1][3].startswith("Where is shipment 7")
    odd = next(entry for entry in data_import.keys if entry["key"] == "odd")
    assert (odd["count"], odd["line"]) == (2099, 1)
    example = Example.objects.get(origin_detail__line=2099)
    assert (example.slice, example.question) == ("Customs", "Where is shipment 2098?")
    assert example.revisions.count() == 1


def test_damage_in_the_middle_is_said_by_either_reader(bring: Bring, reader: str):
    data = gzip.compress(jsonl(*(pair(number) for number in range(3000))), mtime=0)
    data_import = bring(data[: len(data) // 2])
    assert (data_import.run.status, data_import.accepted) == ("failed", 0)
    assert not Example.objects.exists()
    assert data_import.run.error_code not in ("", "error", "crashed")


def test_a_reading_process_that_dies_fails_the_import_and_stores_nothing(
    bring: Bring, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("dataset.runner.imports.LARGE", 0)
    monkeypatch.setattr("dataset.runner.apart.sys.executable", "/bin/false")
    data_import = bring(jsonl(pair(1)))
    assert data_import.run.status == "failed"
    assert not Example.objects.exists()


@pytest.mark.parametrize("remembered", [0, 3, 1000])
def test_repeats_are_found_however_many_rows_are_remembered(
    bring: Bring, monkeypatch: pytest.MonkeyPatch, remembered: int
):
    """Over several batches, in a project that was empty: first by what is remembered, then by asking the database."""
    monkeypatch.setattr("dataset.runner.preparing.BATCH", 2)
    monkeypatch.setattr("dataset.runner.storing._MOST_REMEMBERED", remembered)
    rows = [pair(number) for number in (1, 2, 3, 1, 4, 5, 6, 7, 2, 7, 8, 8)]
    data_import = bring(jsonl(*rows))
    assert (data_import.accepted, data_import.repeated) == (8, 4)
    reasons = data_import.issues.order_by("line").values_list("line", "reason")
    assert list(reasons) == [
        (line, f"Repeats line {of} of this file.") for line, of in [(4, 1), (9, 2), (10, 8), (12, 11)]
    ]
    assert Revision.objects.count() == Example.objects.count() == 8


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
    data_import = bring(jsonl(pair(1, completion="It is in port 1. Your next step: none for now.")))
    assert (data_import.accepted, data_import.repeated) == (0, 1)


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
    data_import = bring(REAL, destination="approved")
    assert (data_import.lines, data_import.accepted, data_import.repeated, data_import.rejected) == (
        4672,
        4642,
        30,
        0,
    )
    assert data_import.issues.filter(kind="repeated", repeats__isnull=False).count() == 30
    assert (data_import.run.done, data_import.run.percent) == (REAL.stat().st_size, 100)


# --- files that are refused --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (jsonl(pair(1)).decode().encode("utf-16"), "wrong_encoding"),
        (b"PK\x03\x04" + NOISE, "damaged"),
        (b"\x1f\x8b\x08" + NOISE, "damaged"),
        (b"PAR1" + NOISE, "damaged"),
        (b"\x28\xb5\x2f\xfd" + NOISE, "compressed"),
        (b"\n \n\n", "empty"),
        (b"hello", "nothing_usable"),
        (b"caf\xe9 " * 20 + b"\n", "nothing_usable"),
        (b"garbage\n" * 5000, "not_rows"),
        (jsonl(*(pair(n) for n in range(90))) + b"garbage\n" * 2000, "not_rows"),
    ],
)
def test_a_file_that_is_no_import_gets_one_clear_answer(bring: Bring, data: bytes, code: str):
    data_import = bring(data)
    assert (data_import.run.status, data_import.run.error_code) == ("failed", code)
    assert data_import.run.error_message.endswith(".")
    assert data_import.run.error_advice
    assert data_import.stored_at is None
    assert data_import.accepted == 0
    assert nothing_is_stored()


def test_a_hundred_megabytes_of_garbage_are_refused_and_leave_nothing(bring: Bring, tmp_path: Path):
    path = tmp_path / "garbage.jsonl"
    piece = b"x" + os.urandom(1 << 20).replace(b"\n", b" ").replace(b"\x00", b"?")
    with path.open("wb") as file:
        for _ in range(100):
            file.write(piece)
    data_import = bring(path)
    assert (data_import.run.status, data_import.run.error_code, data_import.lines) == (
        "failed",
        "nothing_usable",
        1,
    )
    assert "The line is 104.9 MB long" in data_import.issues.get().reason
    assert nothing_is_stored()


def test_what_was_wrong_is_kept_even_of_a_refused_file(bring: Bring):
    data_import = bring(jsonl(pair(1)) + b"garbage\n" * 3000)
    assert data_import.rejected == data_import.lines - 1 <= 2000
    assert data_import.issues.count() == ISSUES_OF_A_REFUSED_FILE
    assert nothing_is_stored()


def test_many_bad_lines_among_enough_good_ones_are_only_listed(bring: Bring):
    rows = [row for n in range(200) for row in (pair(n), *["bad"] * 6)]
    data_import = bring(jsonl(*rows))
    assert (data_import.run.status, data_import.accepted, data_import.rejected) == ("succeeded", 200, 1200)
    assert data_import.issues.count() == 1200


def test_a_line_of_ten_megabytes_is_listed_and_the_rest_comes_in(bring: Bring):
    data_import = bring(jsonl(pair(1), '{"prompt": "' + "x" * 10_000_000 + '"}', pair(2)))
    assert (data_import.accepted, data_import.rejected) == (2, 1)
    assert "10.0 MB long" in data_import.issues.get().reason


def test_a_truncated_last_line_is_listed_and_the_rest_comes_in(bring: Bring):
    data_import = bring(jsonl(pair(1), pair(2))[:-9])
    assert (data_import.accepted, data_import.rejected) == (1, 1)
    assert "cut off" in data_import.issues.get().reason


@pytest.mark.parametrize("text", ["\x00", "\u202e\x07", "=HYPERLINK()", "<script>", "💥" * 200])
def test_lines_with_odd_characters_can_be_listed(bring: Bring, text: str):
    data_import = bring(jsonl(pair(1), json.dumps({"messages": text}, ensure_ascii=False), text))
    assert (data_import.accepted, data_import.rejected) == (1, 2)


def test_empty_and_oversized_files_are_refused_at_upload(bring: Bring, settings: Any):
    with pytest.raises(Invalid, match="empty"):
        bring(b"")
    settings.IMPORT_MAX_BYTES = 10
    with pytest.raises(Invalid, match="at most"):
        bring(jsonl(pair(1)))
    assert not DataImport.objects.exists()
    assert not Run.objects.exists()


def test_an_unknown_destination_is_refused(bring: Bring):
    with pytest.raises(Invalid, match="destination"):
        bring(jsonl(pair(1)), destination="retired")


# --- failures, cancellation, races -------------------------------------------------------------------------
def test_a_failure_in_the_middle_leaves_nothing(bring: Bring, monkeypatch: pytest.MonkeyPatch):
    real, calls = Store.add, []

    def breaks(store: Store, batch: PreparedBatch) -> None:
        calls.append(len(batch))
        if len(calls) == 2:
            raise ZeroDivisionError
        real(store, batch)

    monkeypatch.setattr(Store, "add", breaks)
    data_import = bring(jsonl(*(pair(n, source="desk") for n in range(2500))))
    assert len(calls) == 2
    assert (data_import.run.status, data_import.run.error_code) == ("failed", "unexpected")
    assert nothing_is_stored()
    assert not AuditEntry.objects.filter(action="import.stored").exists()


def test_cancelled_in_the_middle_it_leaves_nothing(
    bring: Bring, world: World, monkeypatch: pytest.MonkeyPatch
):
    real = Store.add

    def cancels(store: Store, batch: PreparedBatch) -> None:
        real(store, batch)
        data_import = store.data_import
        thread = threading.Thread(
            target=_in_thread(lambda: request_cancel(by=world.admin, run=data_import.run))
        )
        if Run.objects.get(pk=data_import.run_id).status == "running":
            thread.start()
            thread.join()

    monkeypatch.setattr(Store, "add", cancels)
    data_import = bring(jsonl(*(pair(n) for n in range(30))))
    assert data_import.run.status == "cancelled"
    assert nothing_is_stored()
    monkeypatch.setattr(Store, "add", real)
    start_again(by=world.admin, run=data_import.run)
    execute_run(data_import.run_id)
    data_import = settled(data_import)
    assert (data_import.run.status, data_import.lines, data_import.accepted) == ("succeeded", 30, 30)
    assert Example.objects.count() == Revision.objects.count() == 30


def test_started_again_after_a_refused_file_it_lists_each_bad_line_once(
    bring: Bring, world: World, monkeypatch: pytest.MonkeyPatch
):
    data = jsonl(*(pair(n) for n in range(20)), *({"prompt": ""} for _ in range(30)))
    monkeypatch.setattr(runner, "GIVE_UP_AFTER", 5)
    monkeypatch.setattr(runner, "GOOD_IN", 1)
    data_import = bring(data)
    assert data_import.run.status == "failed"
    assert ImportIssue.objects.filter(data_import=data_import).count() == 30
    monkeypatch.undo()
    start_again(by=world.admin, run=data_import.run)
    assert not ImportIssue.objects.filter(data_import=data_import).exists()
    execute_run(data_import.run_id)
    data_import = settled(data_import)
    assert (data_import.run.status, data_import.accepted, data_import.rejected) == ("succeeded", 20, 30)
    lines = list(ImportIssue.objects.filter(data_import=data_import).values_list("line", flat=True))
    assert sorted(lines) == list(range(21, 51))


def test_a_removed_import_is_not_started_again(bring: Bring, world: World):
    data_import = bring(jsonl(*(pair(n) for n in range(3))))
    Run.objects.filter(pk=data_import.run_id).update(status="cancelled")
    DataImport.objects.filter(pk=data_import.pk).update(removed_at=timezone.now())
    with pytest.raises(Conflict, match="removed"):
        start_again(by=world.admin, run=Run.objects.get(pk=data_import.run_id))


def test_two_imports_of_one_file_at_once_store_nothing_twice(bring: Bring):
    data = jsonl(*(pair(n) for n in range(1500)))
    data_imports = [bring(data, run=False), bring(data, run=False)]
    threads = [
        threading.Thread(target=_in_thread(execute_run, data_import.run_id)) for data_import in data_imports
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = [settled(data_import) for data_import in data_imports]
    assert [data_import.run.status for data_import in ended] == ["succeeded", "succeeded"]
    assert sorted((data_import.accepted, data_import.repeated) for data_import in ended) == [
        (0, 1500),
        (1500, 0),
    ]
    assert Example.objects.count() == Revision.objects.count() == 1500


def test_a_run_that_another_worker_holds_by_now_stores_nothing(bring: Bring, monkeypatch: pytest.MonkeyPatch):
    real = runner.store

    def overtaken(data_import: DataImport, **rest: Any) -> None:
        real(data_import, **rest)
        take = "UPDATE core_run SET claim = '00000000-0000-0000-0000-000000000001' WHERE id = %s"

        def other_worker() -> None:
            with connection.cursor() as cursor:
                cursor.execute(take, [data_import.run_id])

        thread = threading.Thread(target=_in_thread(other_worker))
        thread.start()
        thread.join()

    monkeypatch.setattr(runner, "store", overtaken)
    data_import = bring(jsonl(pair(1)))
    assert data_import.stored_at is None
    assert nothing_is_stored()


def test_killed_in_the_middle_it_starts_over_cleanly(bring: Bring):
    data_import = bring(jsonl(*(pair(n) for n in range(40_000))), run=False)
    worker = os.fork()
    if worker == 0:  # a worker of its own, with connections of its own
        try:
            connections["default"].connection = None
            execute_run(data_import.run_id)
        finally:
            os._exit(0)

    def storing() -> bool:
        assert os.waitpid(worker, os.WNOHANG) == (0, 0), "it ended before it could be killed"
        return Run.objects.get(pk=data_import.run_id).message.startswith("Row")

    wait_for(storing, "the first lines being stored", 60)
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    assert nothing_is_stored()
    Run.objects.filter(pk=data_import.run_id).update(heartbeat_at=timezone.now() - timedelta(hours=1))
    sweep_runs()
    execute_run(data_import.run_id)
    again = settled(data_import)
    assert (again.run.status, again.run.attempt, again.accepted) == ("succeeded", 2, 40_000)
    assert Example.objects.count() == Revision.objects.count() == 40_000


def test_a_worker_that_dies_after_storing_does_not_store_again(bring: Bring):
    data_import = bring(jsonl(pair(1)))
    Run.objects.filter(pk=data_import.run_id).update(status="queued", claim=None)
    execute_run(data_import.run_id)
    again = settled(data_import)
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
    data_import, later = bring(data), bring(jsonl(pair(2), pair(3)))
    assert remove_import(by=world.admin, data_import=data_import) == 2
    assert list(Example.objects.values_list("import_id", flat=True)) == [later.pk]
    gone = settled(data_import)
    assert gone.removed_by == world.admin
    assert gone.removed_at
    assert later.issues.get().repeats is None
    assert AuditEntry.objects.get(action="import.removed").detail["examples"] == 2
    with pytest.raises(Conflict, match="removed before"):
        remove_import(by=world.admin, data_import=data_import)
    assert bring(data).accepted == 2


def test_examples_that_are_on_the_map_and_were_read_for_coverage_can_be_removed(bring: Bring, world: World):
    data_import = bring(jsonl(pair(1), pair(2)))
    for example in Example.objects.filter(import_id=data_import.pk):
        ExamplePlace.objects.create(example=example, project=world.project, x=0, y=0, intent=0)
        check_and_store(example, example.content(), world.project)
    assert remove_import(by=world.admin, data_import=data_import) == 2


def _edit(example: Example, world: World) -> None:
    Example.objects.filter(pk=example.pk).update(revision=2)


def _approve(example: Example, world: World) -> None:
    Example.objects.filter(pk=example.pk).update(status="approved")


def _open(example: Example, world: World) -> None:
    Lease.objects.create(
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
    data_import = bring(jsonl(pair(1), pair(2)))
    work(Example.objects.earliest("pk"), world)
    with pytest.raises(Conflict, match="cannot be removed now"):
        remove_import(by=world.admin, data_import=data_import)
    assert Example.objects.count() == Revision.objects.count() == 2
    assert settled(data_import).removed_at is None


def test_an_import_that_failed_has_nothing_to_remove(bring: Bring, world: World):
    with pytest.raises(Conflict, match="has added no examples"):
        remove_import(by=world.admin, data_import=bring(b"hello"))


def test_removing_deletes_bad_lines_of_nobody_else(bring: Bring, world: World):
    data_import, other = bring(jsonl(pair(1), "bad")), bring(jsonl(pair(2), "bad"))
    remove_import(by=world.admin, data_import=data_import)
    assert ImportIssue.objects.filter(data_import=other).count() == 1
    assert Example.objects.get().import_id == other.pk


# --- keys --------------------------------------------------------------------------------------------------
def test_keys_that_were_not_taken_are_counted_and_told(bring: Bring, world: World):
    rows = [pair(n, contxt=["x"], tag="eta", **({"a\x00\ud800": 1} if n == 2 else {})) for n in range(4)]
    data_import = bring(jsonl(*rows, pair(9, label=False)), destination="approved")
    assert (data_import.lines, data_import.accepted, data_import.rejected) == (5, 4, 1)
    assert data_import.keys == [
        {"key": "contxt", "what": "ignored", "count": 4, "line": 1, "says": "Did you mean “context”?"},
        {"key": "tag", "what": "read_as", "count": 4, "line": 1, "says": "tags"},
        {"key": "a\ufffd?", "what": "ignored", "count": 1, "line": 3, "says": ""},
    ]
    assert "marks this answer as a bad one" in data_import.issues.get().reason


def test_a_file_with_values_for_keys_tells_so_many_and_counts_the_rest(bring: Bring):
    data_import = bring(jsonl(*(pair(n, **{f"key {n}": 1}) for n in range(205))))
    assert len(data_import.keys) == 201
    assert data_import.keys[-1] | {"says": ""} == {
        "key": "",
        "what": "ignored",
        "count": 5,
        "line": 0,
        "says": "",
    }


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
