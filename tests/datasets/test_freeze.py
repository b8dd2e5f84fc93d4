"""Freezing on real PostgreSQL: what goes in, what is withheld, what never changes, and what a failure leaves."""

import hashlib
import json
import threading
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.models import Example, Revision
from annotation.services.examples import requeue, retire
from annotation.text.hashes import arrival_hash
from core.errors import Conflict, Invalid
from core.models import AuditEntry, Event, Project, Run
from core.runs.control import request_cancel, start_again
from core.storage import storage
from core.tasks import execute_run
from dataset.models import DatasetRow, DatasetVersion, GroupSplit
from dataset.queries import ready_datasets
from dataset.queries.preview import preview
from dataset.queries.versions import newest_ready, not_frozen_yet
from dataset.rows import iter_rows
from dataset.runner import freeze as runner
from dataset.services.versions import FREEZE_DEFAULTS, start_freeze
from dataset.similarity import SIMILAR, jaccard, shingles
from dataset.splits import SPLITS
from tests.datasets.desk import approve, content_hash_of, question_of, splits_of
from tests.support.factories import World, make_example, make_frozen, make_project

APPROVED = Example.Status.APPROVED
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


# --- what is frozen ----------------------------------------------------------------------------------------
def test_everything_approved_and_nothing_else_is_frozen(world: World):
    kept = approve(world.project, 20)
    make_example(world.project)
    make_example(world.project, status=Example.Status.RETIRED)
    approve(world.other, 3)
    dataset = make_frozen(world.project, world.admin)
    assert dataset.status == "ready"
    assert set(splits_of(dataset)) == {example.pk for example in kept}
    assert dataset.counts["total"] == 20
    assert {name: dataset.counts[name] for name in SPLITS} == {"train": 16, "validation": 2, "test": 2}
    assert sum(dataset.counts["slices"]["shipment status"].values()) == 20


def test_the_artifact_holds_the_rows_in_order_and_reads_back(world: World):
    example = approve(world.project, 12)[0]
    Example.objects.filter(pk=example.pk).update(tags=["b", "a"], context=["FD-1 | é"], license="internal")
    dataset = make_frozen(world.project, world.admin)
    rows = list(iter_rows(dataset))
    assert [row["position"] for row in rows] == list(range(12))
    one = next(row for row in rows if row["example"] == example.pk)
    assert one == {
        "position": one["position"], "example": example.pk, "revision": 1, "split": one["split"],
        "messages": example.messages, "context": ["FD-1 | é"], "completion": example.completion,
        "rejected": "", "slice": "shipment status", "edge": "", "tags": ["a", "b"], "group": example.group, "source": "",
        "license": "internal",
    }  # fmt: skip
    assert [row["split"] for row in iter_rows(dataset, "test")] == ["test", "test"]
    assert dataset.artifact is not None
    assert storage().verify(dataset.artifact) == []


def test_the_content_hash_is_what_its_definition_says(world: World):
    approve(world.project, 15)
    dataset = make_frozen(world.project, world.admin)
    extra = ("position", "example", "revision", "split")
    rows = [({k: v for k, v in row.items() if k not in extra}, row["split"]) for row in iter_rows(dataset)]
    assert content_hash_of(rows, dataset.settings) == dataset.content_hash
    for row in DatasetRow.objects.filter(dataset=dataset):
        body = rows[row.position][0]
        text = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        assert hashlib.sha256(text.encode()).hexdigest() == row.row_hash


def test_the_same_content_gives_the_same_hash_and_says_of_which_version(world: World):
    approve(world.project, 10)
    first = make_frozen(world.project, world.admin)
    again = make_frozen(world.project, world.admin, note="again")
    third = make_frozen(world.project, world.admin)
    assert first.content_hash == again.content_hash == third.content_hash
    assert (first.number, again.number, again.same_as, third.same_as) == (1, 2, first, first)
    assert first.same_as is None
    assert first.artifact == again.artifact


@pytest.mark.parametrize("change", ["text", "prompt", "shares", "more", "less"])
def test_other_content_gives_another_hash(world: World, change: str):
    examples = approve(world.project, 10)
    first = make_frozen(world.project, world.admin)
    options: dict[str, Any] = {}
    if change == "text":
        Example.objects.filter(pk=examples[0].pk).update(completion="Else.")
    elif change == "prompt":
        Project.objects.filter(pk=world.project.pk).update(system_prompt="Else.")
        world.project.refresh_from_db()
    elif change == "shares":
        options["test"] = 0.2
    elif change == "more":
        approve(world.project, 1)
    else:
        retire(by=world.admin, example=examples[0], reason="wrong")
    other = make_frozen(world.project, world.admin, **options)
    assert other.content_hash != first.content_hash
    assert other.same_as is None


def test_the_same_pairs_in_another_project_give_the_same_hash(world: World):
    for project in (world.project, world.other):
        Project.objects.filter(pk=project.pk).update(system_prompt="You answer.")
        project.refresh_from_db()
        for n in range(12):
            make_example(project, f"Question {n}?", f"Answer {n}.", group=f"g{n}", status=APPROVED)
    assert make_frozen(world.project).content_hash == make_frozen(world.other).content_hash


def test_the_version_keeps_the_system_prompt_it_was_frozen_with(world: World):
    approve(world.project, 3)
    dataset = make_frozen(world.project, world.admin)
    Project.objects.filter(pk=world.project.pk).update(system_prompt="Else.")
    dataset.refresh_from_db()
    assert dataset.settings["system_prompt"] == "You answer for the freight desk."


def test_filters_choose_what_goes_in(world: World):
    approve(world.project, 5, slice="customs")
    approve(world.project, 5, slice="delay")
    dataset = make_frozen(world.project, world.admin, slices=["customs"])
    assert dataset.counts["total"] == 5
    assert list(dataset.counts["slices"]) == ["customs"]


def test_the_frozen_revision_is_the_current_one(world: World):
    example = approve(world.project, 1)[0]
    content = example.content() | {"completion": "Second.", "slice": "", "edge": "", "tags": []}
    second = Revision.objects.create(example=example, number=2, reason="submitted", content=content)
    Example.objects.filter(pk=example.pk).update(revision=2, completion="Second.")
    dataset = make_frozen(world.project, world.admin)
    assert DatasetRow.objects.get(dataset=dataset).revision == second
    assert next(iter_rows(dataset))["revision"] == 2


# --- splits for good ---------------------------------------------------------------------------------------
def test_groups_are_never_divided(world: World):
    for n in range(12):
        approve(world.project, 3, group=f"conversation-{n}")
    dataset = make_frozen(world.project, world.admin, test=0.3)
    found: dict[str, set[str]] = {}
    for row in iter_rows(dataset):
        found.setdefault(row["group"], set()).add(row["split"])
    assert all(len(splits) == 1 for splits in found.values())
    assert {split for splits in found.values() for split in splits} == set(SPLITS)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moves=st.lists(
        st.tuples(st.sampled_from(["add", "retire", "back"]), st.integers(0, 40), st.integers(0, 30)),
        max_size=12,
    ),
    seeds=st.lists(st.integers(0, 3), min_size=1, max_size=3),
)
def test_what_was_test_stays_test_whatever_happens(
    moves: list[tuple[str, int, int]], seeds: list[int], world: World
):
    """Rows come, go and come back between versions with other seeds: no group ever changes its split."""
    project = make_project()
    for n in range(6):
        make_example(project, question_of(n), group=f"g{n}", status=APPROVED)
    seen: dict[str, str] = {}
    prompts_of_test: set[str] = set()
    for at, seed in enumerate([0, *seeds]):
        for kind, question, group in moves[at::2]:
            if kind == "add":
                make_example(project, question_of(question), group=f"g{group}", status=APPROVED)
            elif kind == "retire":
                Example.objects.filter(project=project, group=f"g{group}").update(status="retired")
            else:
                Example.objects.filter(project=project, group=f"g{group}").update(status="approved")
        if not Example.objects.filter(project=project, status="approved").exists():
            continue
        dataset = make_frozen(project, seed=seed, test=0.2)
        for row in iter_rows(dataset):
            assert seen.setdefault(row["group"], row["split"]) == row["split"]
        prompts_of_test |= {shingles(row["messages"]) for row in iter_rows(dataset, "test")}
        learnt = {shingles(row["messages"]) for row in iter_rows(dataset) if row["split"] != "test"}
        assert all(jaccard(one, other) < SIMILAR for one in learnt for other in prompts_of_test)


# --- around it ---------------------------------------------------------------------------------------------
def test_what_happened_is_published_to_the_other_apps(world: World):
    approve(world.project, 3)
    dataset = make_frozen(world.project, world.admin)
    event = Event.objects.get(kind="dataset.frozen")
    assert (event.project, event.payload) == (world.project, {"dataset": dataset.pk})
    assert AuditEntry.objects.get(action="dataset.frozen").detail["content_hash"] == dataset.content_hash
    assert list(ready_datasets(world.project)) == [dataset]
    assert list(ready_datasets(world.other)) == []


def test_nothing_approved_is_said_before_anything_starts(world: World):
    make_example(world.project)
    with pytest.raises(Invalid, match="No approved example"):
        start_freeze(by=world.admin, project=world.project)
    assert not DatasetVersion.objects.exists()


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"test": -0.1}, "test"),
        ({"validation": 0.6}, "validation"),
        ({"validation": 0.3, "test": 0.3}, "test"),
        ({"sources": ["nowhere"]}, "sources"),
    ],
)
def test_wrong_settings_are_named(world: World, options: dict[str, Any], field: str):
    approve(world.project, 3)
    with pytest.raises(Invalid) as caught:
        start_freeze(by=world.admin, project=world.project, **options)
    assert list(caught.value.fields) == [field]


def test_the_preview_counts_by_slice_and_what_is_new(world: World):
    approve(world.project, 4, slice="customs")
    assert preview(world.project, FREEZE_DEFAULTS).slices == [("customs", 4, 4)]
    dataset = make_frozen(world.project, world.admin)
    approve(world.project, 2, slice="delay")
    found = preview(world.project, FREEZE_DEFAULTS)
    assert (found.total, found.new, found.since) == (6, 2, dataset)
    assert found.slices == [("customs", 4, 0), ("delay", 2, 2)]


def test_what_waits_to_be_frozen_counts_edits_too(world: World):
    examples = approve(world.project, 5)
    assert not_frozen_yet(world.project, None) == 5
    make_frozen(world.project, world.admin)
    newest = newest_ready(world.project)
    assert not_frozen_yet(world.project, newest) == 0
    requeue(by=world.admin, example=examples[0])
    assert not_frozen_yet(world.project, newest) == 0
    Example.objects.filter(pk=examples[0].pk).update(status="approved", revision=2)
    assert not_frozen_yet(world.project, newest) == 1


def test_rows_of_an_unfinished_version_cannot_be_read(world: World):
    approve(world.project, 3)
    with pytest.raises(ValueError, match="not ready"):
        next(iter_rows(start_freeze(by=world.admin, project=world.project)))


# --- as a run: failure, cancellation, races ----------------------------------------------------------------
def _nothing_was_decided() -> bool:
    return not (GroupSplit.objects.exists() or DatasetRow.objects.exists() or Event.objects.exists())


@pytest.mark.django_db(transaction=True)
def test_the_run_freezes_and_ends(world: World):
    approve(world.project, 5)
    dataset = start_freeze(by=world.admin, project=world.project)
    execute_run(dataset.run_id)
    dataset.refresh_from_db()
    assert dataset.run is not None
    assert (dataset.status, dataset.run.status, dataset.run.percent) == ("ready", "succeeded", 100)
    Run.objects.filter(pk=dataset.run_id).update(status="queued", claim=None)
    execute_run(dataset.run_id)  # a worker that died between the commit and the end of its run
    assert DatasetRow.objects.filter(dataset=dataset).count() == 5


def test_many_rows_are_compared_in_another_process_with_the_same_result(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """A question asked by several, in two projects: one is frozen as large ones are."""
    for project in (world.project, world.other):
        for number in range(30):
            approve(project, 1, question=f"Where is the crate number {number % 7} that was sent on Monday?")
    monkeypatch.setattr(runner, "_ELSEWHERE_FROM", 1)
    there = make_frozen(world.project, world.admin)
    monkeypatch.setattr(runner, "_ELSEWHERE_FROM", 1000)
    here = make_frozen(world.other, world.admin)
    assert there.counts["near"]["clusters"] == 1
    assert {name: there.counts[name] for name in ("total", "near", "withheld_near")} == {
        name: here.counts[name] for name in ("total", "near", "withheld_near")
    }


@pytest.mark.django_db(transaction=True)
def test_a_failure_in_the_middle_decides_nothing(world: World, monkeypatch: pytest.MonkeyPatch):
    approve(world.project, 5)

    def full(*args: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.storage.folder.FolderStorage.put", full)
    dataset = start_freeze(by=world.admin, project=world.project)
    execute_run(dataset.run_id)
    dataset.refresh_from_db()
    assert dataset.run is not None
    assert (dataset.status, dataset.run.status) == ("failed", "failed")
    assert _nothing_was_decided()


@pytest.mark.django_db(transaction=True)
def test_what_was_approved_when_it_started_may_be_gone_by_then(world: World):
    example = approve(world.project, 1)[0]
    dataset = start_freeze(by=world.admin, project=world.project)
    retire(by=world.admin, example=example, reason="wrong")
    execute_run(dataset.run_id)
    dataset.refresh_from_db()
    assert dataset.run is not None
    assert (dataset.status, dataset.run.error_code) == ("failed", "nothing_approved")


@pytest.mark.django_db(transaction=True)
def test_cancelled_in_the_middle_it_decides_nothing(world: World, monkeypatch: pytest.MonkeyPatch):
    approve(world.project, 5)
    dataset = start_freeze(by=world.admin, project=world.project)
    real = runner._write

    def cancels(*args: Any) -> Any:
        thread = threading.Thread(target=cancel)
        thread.start()
        thread.join()
        return real(*args)

    def cancel() -> None:
        try:
            request_cancel(by=world.admin, run=Run.objects.get(pk=dataset.run_id))
        finally:
            connection.close()

    monkeypatch.setattr(runner, "_write", cancels)
    execute_run(dataset.run_id)
    dataset.refresh_from_db()
    assert dataset.run is not None
    assert (dataset.status, dataset.run.status) == ("failed", "cancelled")
    assert _nothing_was_decided()
    monkeypatch.setattr(runner, "_write", real)
    approve(world.project, 2)
    start_again(by=world.admin, run=dataset.run)
    dataset.refresh_from_db()
    assert dataset.status == "freezing"
    execute_run(dataset.run_id)
    dataset.refresh_from_db()
    assert (dataset.status, dataset.run.status, dataset.number) == ("ready", "succeeded", 1)
    assert dataset.counts["total"] == DatasetRow.objects.filter(dataset=dataset).count() == 7
    with pytest.raises(Conflict):
        start_again(by=world.admin, run=dataset.run)


@pytest.mark.django_db(transaction=True)
def test_freezes_at_the_same_time_get_numbers_of_their_own_and_agree_on_splits(world: World):
    approve(world.project, 30)
    started: list[DatasetVersion] = []

    def start(seed: int) -> None:
        try:
            started.append(start_freeze(by=world.admin, project=world.project, seed=seed))
        finally:
            connection.close()

    def run(dataset: DatasetVersion) -> None:
        try:
            execute_run(dataset.run_id)
        finally:
            connection.close()

    for call, things in ((start, [1, 2, 3, 4]), (run, started)):
        threads = [threading.Thread(target=call, args=(thing,)) for thing in things]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    versions = list(ready_datasets(world.project))
    assert [version.number for version in versions] == [4, 3, 2, 1]
    assert all(splits_of(version) == splits_of(versions[0]) for version in versions)
    assert GroupSplit.objects.count() == 30


def test_arrival_hashes_are_no_part_of_a_dataset(world: World):
    """Two ways of coming in, one content: how a pair arrived does not change what is frozen."""
    example = approve(world.project, 3)[0]
    first = make_frozen(world.project, world.admin)
    Example.objects.filter(pk=example.pk).update(arrival_hash=arrival_hash(**example.content()))
    assert make_frozen(world.project, world.admin).content_hash == first.content_hash


def test_a_row_must_name_a_revision_of_its_own_example(world: World):
    one, other = approve(world.project, 2)
    dataset = make_frozen(world.project, world.admin)
    wrong = other.revisions.get()
    with pytest.raises(IntegrityError, match="row_revision_of_example"), transaction.atomic():
        DatasetRow.objects.filter(dataset=dataset, example=one).update(revision=wrong)
        _check_constraints_now()
    with pytest.raises(IntegrityError, match="row_revision_of_example"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM annotation_revision WHERE example_id = %s", [one.pk])
        _check_constraints_now()


def _check_constraints_now() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
