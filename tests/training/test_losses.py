"""Losses on test rows, really measured on a tiny model: which rows, the same for both, and what happens when it stops."""

import pytest

from annotation.models import Example
from core.errors import Conflict, Refused
from core.models import AuditEntry, Run
from core.runs.control import request_cancel, start_again
from core.storage import storage
from core.tasks import execute_run
from dataset.models import DatasetRow
from dataset.rows import iter_rows
from tests.support.factories import make_training, make_version
from training import losses, services
from training.host import stopping
from training.models import LossMeasurement, ModelVersion, RowLoss
from training.runner import held_out as runner

from .trained import freeze, make_adapter

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pair(world, tiny_base, tmp_path):
    """(a trained version, its base's version), the dataset frozen with about 18 test rows."""
    dataset = freeze(world)
    return make_adapter(world, tiny_base, dataset, tmp_path), make_version(
        world.project, base_model=tiny_base
    )


def measure(world, version, against):
    found = services.measure_loss(by=world.admin, version=version, against=against)
    execute_run(found.run_id)
    return LossMeasurement.objects.select_related("run").get(pk=found.pk)


def by_row(version):
    return {row.row_hash: row for row in RowLoss.objects.filter(version=version)}


def test_both_versions_get_a_loss_of_each_test_row(world, pair):
    version, base = pair
    dataset = version.training_run.dataset
    found = measure(world, version, base)
    assert found.run.status == Run.Status.SUCCEEDED, found.run.error_message
    test = set(DatasetRow.objects.filter(dataset=dataset, split="test").values_list("row_hash", flat=True))
    assert len(test) >= 12
    assert {row["hash"] for row in found.rows} == test == set(by_row(version)) == set(by_row(base))
    assert found.run.done == found.run.total == 2 * len(test)
    assert {row["slice"] for row in found.rows} == {"shipment status", "customs"}
    assert all(row["weight"] == 1.0 and row["group"].startswith("g") for row in found.rows)
    assert found.left_out == {"trained_on": 0, "retired": 0, "unusable": 0}
    assert AuditEntry.objects.filter(action="model_version.loss_measured").count() == 1
    own, its = by_row(version), by_row(base)
    assert all(own[name].loss != its[name].loss and own[name].tokens == its[name].tokens for name in own)


def test_a_loss_is_the_textbook_one(world, pair, tiny_base):
    """-Σ log p(token) over the answer and its end, one row at a time, written out in plain torch."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from annotation.text.rendering import chat_messages

    version, base = pair
    measure(world, version, base)
    folder = storage().local_path(tiny_base.artifact)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tuned = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
        storage().local_path(version.artifact),
    )
    rows = list(iter_rows(version.training_run.dataset, split="test"))[:4]
    hashes = dict(
        DatasetRow.objects.filter(dataset=version.training_run.dataset).values_list("position", "row_hash")
    )
    for model, side in ((plain, base), (tuned, version)):
        system = losses.system_prompt_of(side)
        for row in rows:
            messages = chat_messages(messages=row["messages"], context=row["context"], system_prompt=system)
            prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            start = tokenizer(prompt, add_special_tokens=False, return_tensors="pt").input_ids
            ids = tokenizer(
                prompt + row["completion"] + "<|im_end|>", add_special_tokens=False, return_tensors="pt"
            ).input_ids
            with torch.no_grad():
                chances = model.eval()(ids).logits.log_softmax(-1)[0]
            expected = -sum(float(chances[at - 1, ids[0, at]]) for at in range(start.shape[1], ids.shape[1]))
            kept = by_row(side)[hashes[row["position"]]]
            assert kept.loss == pytest.approx(expected, rel=1e-4)
            assert kept.tokens == ids.shape[1] - start.shape[1]


def test_what_is_stored_is_not_measured_again(world, pair, tiny_base, tmp_path, monkeypatch):
    version, base = pair
    measure(world, version, base)
    second = make_adapter(world, tiny_base, version.training_run.dataset, tmp_path, seed=2)
    loaded = []
    load = runner.load_version
    monkeypatch.setattr(runner, "load_version", lambda one, **how: loaded.append(one) or load(one, **how))
    measure(world, second, base)
    assert loaded == [second]
    assert set(by_row(second)) == set(by_row(version))


def test_another_system_prompt_is_measured_again(world, pair):
    version, base = pair
    first = measure(world, version, base)
    before = {name: row.loss for name, row in by_row(base).items()}
    world.project.system_prompt = "Answer in one line, always with a date."
    world.project.save()
    again = measure(world, version, base)
    after = {name: row.loss for name, row in by_row(base).items()}
    assert again.pk == first.pk and again.run_id != first.run_id and again.prompts != first.prompts
    assert set(after) == set(before) and all(after[name] != before[name] for name in after)


def test_a_stopped_worker_keeps_what_it_has_and_another_goes_on(world, pair, monkeypatch):
    version, base = pair
    monkeypatch.setattr(runner, "TOKENS_AT_ONCE", 1)
    note, calls = runner.results.note_row_losses, []

    def stop_at_the_third(*, losses):
        calls.append(losses)
        note(losses=losses)
        if len(calls) == 3:
            stopping.ask_to_stop()

    monkeypatch.setattr(runner.results, "note_row_losses", stop_at_the_third)
    found = measure(world, version, base)
    assert found.run.status == Run.Status.QUEUED and RowLoss.objects.count() == 3
    stopping.forget()
    execute_run(found.run_id)
    found.run.refresh_from_db()
    assert found.run.status == Run.Status.SUCCEEDED
    assert len(calls) == RowLoss.objects.count() == 2 * len(found.rows) > 3


def test_a_cancelled_measurement_can_be_started_again(world, pair, monkeypatch):
    version, base = pair
    monkeypatch.setattr(runner, "TOKENS_AT_ONCE", 1)
    monkeypatch.setattr("core.runs.context.RunContext.WRITE_EVERY_SECONDS", 0.0)
    found = services.measure_loss(by=world.admin, version=version, against=base)
    with pytest.raises(Conflict, match="already"):
        services.measure_loss(by=world.admin, version=version, against=base)
    note = runner.results.note_row_losses

    def cancel_then(*, losses):
        note(losses=losses)
        request_cancel(by=world.admin, run=Run.objects.get(pk=found.run_id))

    monkeypatch.setattr(runner.results, "note_row_losses", cancel_then)
    execute_run(found.run_id)
    assert Run.objects.get(pk=found.run_id).status == Run.Status.CANCELLED
    assert RowLoss.objects.count() == 1
    monkeypatch.setattr(runner.results, "note_row_losses", note)
    first = RowLoss.objects.get()
    start_again(by=world.admin, run=Run.objects.get(pk=found.run_id))
    execute_run(found.run_id)
    assert Run.objects.get(pk=found.run_id).status == Run.Status.SUCCEEDED
    assert RowLoss.objects.get(pk=first.pk).at == first.at, "a row measured before is not measured again"


def test_a_measurement_that_another_run_took_over_is_not_started_again(world, pair):
    version, base = pair
    found = services.measure_loss(by=world.admin, version=version, against=base)
    first = request_cancel(by=world.admin, run=found.run)
    services.measure_loss(by=world.admin, version=version, against=base)
    with pytest.raises(Conflict, match="later run"):
        start_again(by=world.admin, run=first)
    first.refresh_from_db()
    assert first.status == Run.Status.CANCELLED


def test_rows_that_one_of_them_was_trained_on_are_left_out(world, pair, tiny_base, tmp_path):
    """Splits are permanent, so this takes a row put into a training split by hand: it must be noticed."""
    old, _ = pair
    dataset = freeze(world, 20, start=60)
    new = make_adapter(world, tiny_base, dataset, tmp_path, seed=2)
    shared, asked = DatasetRow.objects.filter(dataset=old.training_run.dataset, split="test").order_by(
        "position"
    )[:2]
    taught = DatasetRow.objects.filter(dataset=dataset, example=shared.example)
    assert taught.update(split="train") == 1
    # Another example that asks what a test row asks gives it away just as well.
    other = DatasetRow.objects.filter(dataset=dataset, split="train").exclude(example=shared.example).first()
    DatasetRow.objects.filter(pk=other.pk).update(prompt_hash=asked.prompt_hash)
    found = measure(world, new, old)
    hashes = {row["hash"] for row in found.rows}
    assert found.run.status == Run.Status.SUCCEEDED
    assert found.left_out["trained_on"] == 2
    assert not hashes & {shared.row_hash, asked.row_hash}
    # Of both versions' data: what is new in the second dataset's test split, too.
    datasets = {old.training_run.dataset_id, dataset.pk}
    test = DatasetRow.objects.filter(dataset__in=datasets, split="test").values("example").distinct().count()
    assert len(hashes) == test - 2


def test_a_retired_example_is_left_out(world, pair):
    version, base = pair
    row = DatasetRow.objects.filter(dataset=version.training_run.dataset, split="test").first()
    Example.objects.filter(pk=row.example_id).update(status=Example.Status.RETIRED)
    found = measure(world, version, base)
    assert found.left_out["retired"] == 1 and row.row_hash not in {one["hash"] for one in found.rows}


def test_a_row_longer_than_the_context_is_left_out_for_both(world, pair, tiny_base):
    version, base = pair
    limit = 1 + max(row.prompt_length for row in _encoded(version))
    tiny_base.context_length = limit
    tiny_base.save()
    found = measure(world, version, base)
    assert found.run.error_code == "no_test_rows" and RowLoss.objects.count() == 0
    lengths = sorted(len(row.ids) for row in _encoded(version))
    tiny_base.context_length = lengths[len(lengths) // 2]
    tiny_base.save()
    found = measure(world, version, base)
    assert found.run.status == Run.Status.SUCCEEDED
    assert found.left_out["unusable"] == len(lengths) - len(found.rows) > 0


def _encoded(version):
    from training.runner.data import TransformersTokenizer
    from training.runner.train import check_present, tokenizer_of

    encoder = runner.RowEncoder(
        TransformersTokenizer(tokenizer_of(check_present(version.base_model.artifact, "the base"))),
        stop_token=version.base_model.stop_token,
        system_prompt=losses.system_prompt_of(version),
    )
    return [encoder.encode(row) for row in iter_rows(version.training_run.dataset, split="test")]


def test_missing_files_are_named(world, pair):
    version, base = pair
    folder = storage().local_path(version.artifact)
    # The store is shared by the tests, and equal adapters lie at one address.
    (folder / "adapter_model.safetensors").rename(folder / "moved")
    try:
        found = measure(world, version, base)
    finally:
        (folder / "moved").rename(folder / "adapter_model.safetensors")
    assert (
        found.run.error_code == "artifact_missing" and "adapter_model.safetensors" in found.run.error_message
    )


def test_a_loss_that_is_no_number_is_no_result(world, pair, monkeypatch):
    import torch

    from training.runner import scoring

    version, base = pair
    monkeypatch.setattr(
        scoring, "row_losses", lambda model, batch: torch.full((len(batch["labels"]),), float("nan"))
    )
    found = measure(world, version, base)
    assert found.run.error_code == "loss_not_finite" and RowLoss.objects.count() == 0


def test_without_test_rows_nothing_starts(world, tiny_base, tmp_path):
    dataset = freeze(world, 20, test=0.0)
    version = make_adapter(world, tiny_base, dataset, tmp_path)
    base = make_version(world.project, base_model=tiny_base)
    with pytest.raises(Refused, match="no test rows"):
        services.measure_loss(by=world.admin, version=version, against=base)
    with pytest.raises(Refused, match="two different"):
        services.measure_loss(by=world.admin, version=version, against=version)
    elsewhere = make_version(world.other, base_model=tiny_base)
    with pytest.raises(Refused, match="one project"):
        services.measure_loss(by=world.admin, version=version, against=elsewhere)
    assert not LossMeasurement.objects.exists() and not Run.objects.filter(kind="test_loss").exists()


def test_a_full_fine_tune_is_measured_by_its_own_weights(world, pair, tiny_base, tmp_path):
    """A copy of the base's weights has the base's losses to the last bit."""
    _, base = pair
    training = make_training(
        world.project, world.admin, method="full", base_model=tiny_base, dataset=pair[0].training_run.dataset,
        status="succeeded",
    )  # fmt: skip
    training.dataset.settings = training.dataset.settings | {"system_prompt": world.project.system_prompt}
    training.dataset.save()
    copy = make_version(
        world.project,
        world.admin,
        training_run=training,
        kind=ModelVersion.Kind.FULL,
        artifact=tiny_base.artifact,
    )
    measure(world, copy, base)
    own, its = by_row(copy), by_row(base)
    assert own and {name: row.loss for name, row in own.items()} == {
        name: row.loss for name, row in its.items()
    }
