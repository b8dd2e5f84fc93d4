"""What a version forgot, really measured on the tiny model: both sides, the version before it, kills, cancellation, strangers to the set."""

import signal
from datetime import timedelta

import pytest
from django.utils import timezone

from core.errors import Conflict, Refused
from core.models import AuditEntry, Event, Run
from core.runs.control import request_cancel, start_again
from core.tasks import execute_run, sweep_runs
from tests.support import waiting
from tests.support.factories import make_version
from training import services
from training.forgetting import figures_of
from training.forgotten import forgotten_of
from training.general import TASKS, GeneralSet
from training.handlers import measure_registered_version
from training.host import stopping
from training.models import ForgettingItem, ForgettingMeasurement, GeneralAnswer, RowLoss
from training.runner import forgetting as runner
from training.services.results import REGISTERED

from .trained import freeze, make_adapter, small_set

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def small(monkeypatch):
    found = small_set()
    monkeypatch.setattr(runner, "general_set", lambda: found)
    monkeypatch.setattr("training.forgotten.general_set", lambda: found)
    return found


@pytest.fixture
def version(world, tiny_base, tmp_path, small):
    return make_adapter(world, tiny_base, freeze(world), tmp_path)


def measure(world, version):
    found = services.measure_forgetting(by=world.admin, version=version)
    execute_run(found.run_id)
    return ForgettingMeasurement.objects.select_related("run").get(pk=found.pk)


def test_each_item_is_answered_by_both_and_the_figures_are_those_of_the_items(world, version, small):
    found = measure(world, version)
    assert found.run.status == Run.Status.SUCCEEDED, found.run.error_message
    assert found.run.done == found.run.total == 2 * len(small.items)
    items = list(found.items.all())
    assert {item.item for item in items} == {item.id for item in small.items}
    assert GeneralAnswer.objects.count() == len(items)
    assert all(item.base_loss != item.loss and item.tokens for item in items)
    assert any(item.answer != item.base_answer for item in items)
    prose = [item for item in items if item.task == "prose"]
    assert all(item.correct is None and not item.answer for item in prose)
    shown = {one.figures.task: one for one in forgotten_of(version).tasks}
    assert set(shown) == set(TASKS)
    worse = sum(item.loss - item.base_loss for item in prose) / sum(item.tokens for item in prose)
    assert shown["prose"].figures.loss.worse == pytest.approx(worse)
    # The tiny model knows no English, so the adapter's random weights can make it better or worse; thirty items are enough to tell.
    assert shown["prose"].verdict != "unknown"
    assert shown["facts"].verdict == "unknown"
    entry = AuditEntry.objects.get(action="model_version.forgetting_measured")
    assert entry.detail["forgot"] == sum(one.verdict == "forgot" for one in shown.values())


def test_the_losses_are_the_textbook_ones(world, version, tiny_base, small):
    import torch

    from core.storage import storage
    from training.runner.held_out import load_weights
    from training.runner.train import tokenizer_of

    measure(world, version)
    folder = storage().local_path(tiny_base.artifact)
    model, tokenizer = load_weights(folder, device="cpu", precision="float32"), tokenizer_of(folder)
    for item in small.of("prose")[:3]:
        ids = torch.tensor([tokenizer(item.reference, add_special_tokens=False)["input_ids"]])
        with torch.no_grad():
            expected = float(model(ids, labels=ids).loss) * (ids.shape[1] - 1)
        stored = GeneralAnswer.objects.get(item=item.id)
        assert (stored.loss, stored.tokens) == (pytest.approx(expected, rel=1e-4), ids.shape[1] - 1)


def test_a_base_model_is_asked_once_for_all_versions(world, version, tiny_base, tmp_path, monkeypatch):
    measure(world, version)
    other = make_adapter(world, tiny_base, version.training_run.dataset, tmp_path, seed=2)
    monkeypatch.setattr(
        runner.services, "note_general_answers", lambda **_: pytest.fail("the base model was asked again")
    )
    assert measure(world, other).run.status == Run.Status.SUCCEEDED


def test_the_rows_of_the_version_before_it_are_measured_too(world, version, tiny_base, tmp_path):
    new = make_adapter(world, tiny_base, freeze(world, start=100), tmp_path, seed=2)
    found = measure(world, new)
    assert found.previous == version
    figures = {one.figures.task: one.figures for one in forgotten_of(new).tasks}
    own = version.training_run.dataset.rows.filter(split="test")
    assert figures["previous"].n == own.count() > 10
    hashes = set(own.values_list("row_hash", flat=True))
    for side in (new, version):
        assert set(RowLoss.objects.filter(version=side).values_list("row_hash", flat=True)) == hashes
    # The first version has none before it.
    assert "previous" not in {
        one.figures.task for one in (measure(world, version), forgotten_of(version))[1].tasks
    }


def test_a_stopped_worker_keeps_what_it_has_and_another_goes_on(world, version, monkeypatch):
    note, calls = runner.services.note_forgetting_items, []

    def stop_at_the_second(*, items):
        calls.append(items)
        note(items=items)
        if len(calls) == 2:
            stopping.ask_to_stop()

    monkeypatch.setattr(runner.services, "note_forgetting_items", stop_at_the_second)
    found = measure(world, version)
    assert found.run.status == Run.Status.QUEUED and found.measured_at is None
    kept = {item.pk for item in ForgettingItem.objects.all()}
    assert kept
    stopping.forget()
    monkeypatch.setattr(runner.services, "note_general_answers", lambda **_: pytest.fail("asked again"))
    execute_run(found.run_id)
    found.refresh_from_db()
    assert found.measured_at is not None
    assert kept < {item.pk for item in ForgettingItem.objects.all()}


@pytest.mark.timeout(400)
def test_a_killed_worker_loses_only_its_last_portion(world, version, worker, sent):
    found = services.measure_forgetting(by=world.admin, version=version)
    process = worker(found, pause=0.3)

    def some_answers():
        assert process.poll() is None, "the worker ended too early"
        return GeneralAnswer.objects.count() > 3

    waiting.wait_for(some_answers, "some answers", 240)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = set(GeneralAnswer.objects.values_list("pk", "answer", "loss"))
    Run.objects.filter(pk=found.run_id).update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    sweep_runs()
    assert ("core.tasks.execute_run", found.run_id) in sent
    execute_run(found.run_id)
    run = Run.objects.get(pk=found.run_id)
    assert (run.status, run.attempt) == (Run.Status.SUCCEEDED, 2), run.error_message
    after = set(GeneralAnswer.objects.values_list("pk", "answer", "loss"))
    assert before < after, "what was finished is as it was"
    assert len(after) == found.items.count() == len(small_set().items)


def test_a_cancelled_measurement_can_be_started_again(world, version, monkeypatch):
    monkeypatch.setattr("core.runs.context.RunContext.WRITE_EVERY_SECONDS", 0.0)
    found = services.measure_forgetting(by=world.admin, version=version)
    with pytest.raises(Conflict, match="already"):
        services.measure_forgetting(by=world.admin, version=version)
    note = runner.services.note_general_answers

    def cancel_then(*, answers):
        note(answers=answers)
        request_cancel(by=world.admin, run=Run.objects.get(pk=found.run_id))

    monkeypatch.setattr(runner.services, "note_general_answers", cancel_then)
    execute_run(found.run_id)
    assert Run.objects.get(pk=found.run_id).status == Run.Status.CANCELLED
    monkeypatch.setattr(runner.services, "note_general_answers", note)
    first = GeneralAnswer.objects.order_by("pk").first()
    start_again(by=world.admin, run=Run.objects.get(pk=found.run_id))
    execute_run(found.run_id)
    assert forgotten_of(version).tasks
    assert GeneralAnswer.objects.get(pk=first.pk).answer == first.answer


def test_another_set_is_measured_anew(world, version, monkeypatch):
    found = measure(world, version)
    assert not forgotten_of(version).can_measure
    changed = GeneralSet(runner.general_set().items, "1" * 64)
    monkeypatch.setattr(runner, "general_set", lambda: changed)
    monkeypatch.setattr("training.forgotten.general_set", lambda: changed)
    assert forgotten_of(version).outdated and forgotten_of(version).can_measure
    again = measure(world, version)
    assert again.pk == found.pk and again.set_version == changed.version
    assert again.items.count() == len(changed.items) and GeneralAnswer.objects.count() == 2 * len(
        changed.items
    )
    assert not forgotten_of(version).outdated


def test_registering_a_version_starts_it_once_and_only_for_trained_ones(world, version, tiny_base):
    base = make_version(world.project, base_model=tiny_base)
    for one in (version, base, version):
        measure_registered_version(Event(project=world.project, kind=REGISTERED, payload={"version": one.pk}))
    measure_registered_version(Event(project=world.project, kind=REGISTERED, payload={"version": 10**9}))
    (only,) = ForgettingMeasurement.objects.all()
    assert only.version == version and only.run.queue == "gpu"
    with pytest.raises(Refused, match="forgotten nothing"):
        services.measure_forgetting(by=world.admin, version=base)


def test_figures_of_stored_items_are_complete(world, version):
    found = measure(world, version)
    for values in found.figures:
        own = found.items.filter(task=values["task"])
        again = figures_of(
            values["task"],
            [runner.ItemResult(i.base_loss, i.loss, i.tokens, i.base_correct, i.correct) for i in own],
        )
        assert again.as_values() == values
