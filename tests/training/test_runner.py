"""Real training of a tiny model: from launch to model version, through kills, stops, cancellations and failures."""

import json
import signal
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from core.errors import Conflict, Invalid
from core.models import Artifact, AuditEntry, Delivery, Event, Run
from core.storage import storage
from core.tasks import execute_run, sweep_runs
from tests.support import waiting
from tests.support.factories import make_base_model, make_dataset, make_training
from training import checkpoints, services
from training.host import stopping, undisturbed
from training.models import BaseModel, ModelVersion
from training.services import results

from .conftest import finish
from .tiny import ENDLESS, make_model

pytestmark = pytest.mark.django_db(transaction=True)
QUICK = {"epochs": 2.0, "batch_size": 4, "learning_rate": 0.02, "evaluations": 4, "measuring_share": 1.0}


def launch(world, base, dataset=None, **changes):
    method = changes.pop("method", "lora")
    return services.launch(
        by=world.admin,
        project=world.project,
        base_model=base,
        dataset=dataset or make_dataset(world.project, 30),
        method=method,
        recipe=QUICK | changes,
        note="a trial",
    )


def losses(training):
    return {(p.series, p.step): p.loss for p in training.points.all()}


# --- the whole way -----------------------------------------------------------------------------------------
def test_a_lora_run_ends_with_a_version_that_knows_where_it_came_from(world, tiny_base):
    training = finish(launch(world, tiny_base))
    assert training.run.status == Run.Status.SUCCEEDED, training.run.error_message
    assert training.done_steps == training.planned_steps == 12
    assert training.run.done == training.run.total == 12
    assert training.loss_after < training.loss_before
    assert training.tokens_per_second > 0
    assert training.peak_memory_bytes > 0
    assert training.train_tokens == 2 * training.data_facts["train_tokens"]
    assert training.environment["device"] in ("cpu", "cuda")
    points = losses(training)
    assert {step for series, step in points if series == "train"} == set(range(1, 13))
    assert {step for series, step in points if series == "validation"} == {0, 3, 6, 9, 12}
    assert points["validation", 0] == training.loss_before
    assert sorted(set(training.samples.values_list("step", flat=True))) == [0, 6, 12]
    assert training.samples.filter(step=0).count() == 2
    assert not checkpoints.folder_of(training.pk).exists()

    version = training.model_version
    assert (version.number, version.kind, version.adapter_rank) == (1, "adapter", 16)
    assert version.served_name.startswith(f"{world.project.slug}-v1-")
    assert version.status == ModelVersion.Status.REGISTERED
    assert {entry["path"] for entry in version.artifact.manifest} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    assert storage().verify(version.artifact) == []
    assert Event.objects.filter(kind="model_version.registered", payload={"version": version.pk}).count() == 1
    assert {"training.launched", "model_version.registered", "run.succeeded"} <= set(
        AuditEntry.objects.values_list("action", flat=True)
    )


def test_the_adapter_is_the_model_that_was_measured(world, tiny_base):
    """Loaded anew from the artifact it has the loss that the run ended with."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from dataset.rows import iter_rows
    from training.runner.data import collate, encode_rows
    from training.runner.scoring import row_losses

    training = finish(launch(world, tiny_base))
    base_folder = storage().local_path(tiny_base.artifact)
    adapter = storage().local_path(training.model_version.artifact)
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] is None
    model = AutoModelForCausalLM.from_pretrained(base_folder, dtype=torch.float32)
    model = PeftModel.from_pretrained(model, adapter).eval()
    data = encode_rows(
        iter_rows(training.dataset),
        AutoTokenizer.from_pretrained(base_folder),
        stop_token=tiny_base.stop_token,
        system_prompt=training.dataset.settings["system_prompt"],
        max_length=1024,
    )
    with torch.no_grad():
        total = row_losses(model, collate(data.validation, 0)).sum()
    tokens = sum(row.answer_tokens for row in data.validation)
    assert float(total / tokens) == pytest.approx(training.loss_after, rel=1e-3)


def test_parity_prompts_are_what_the_trainer_saw(world, tiny_base):
    from transformers import AutoTokenizer

    version = finish(launch(world, tiny_base)).model_version
    tokenizer = AutoTokenizer.from_pretrained(storage().local_path(tiny_base.artifact))
    assert 2 <= len(version.parity_prompts) <= 8
    for prompt in version.parity_prompts:
        text = tokenizer.apply_chat_template(prompt["messages"], tokenize=False, add_generation_prompt=True)
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == prompt["token_ids"]
        assert prompt["messages"][0]["content"].startswith("You answer customers of a freight forwarder.")


def test_a_full_run_makes_a_whole_model(world, tiny_base):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    training = finish(launch(world, tiny_base, method="full", learning_rate=0.01))
    assert training.run.status == Run.Status.SUCCEEDED, training.run.error_message
    version = training.model_version
    assert (version.kind, version.adapter_rank) == ("full", None)
    folder = storage().local_path(version.artifact)
    assert AutoModelForCausalLM.from_pretrained(folder).dtype == torch.bfloat16  # as its base is served
    base = AutoTokenizer.from_pretrained(storage().local_path(tiny_base.artifact))
    assert AutoTokenizer.from_pretrained(folder).chat_template == base.chat_template
    assert training.loss_after < training.loss_before


def test_the_same_recipe_seed_and_data_give_the_same_weights_and_two_versions(world, tiny_base):
    dataset = make_dataset(world.project, 30)
    first, second = (finish(launch(world, tiny_base, dataset, epochs=1.0)) for _ in range(2))
    assert losses(first) == losses(second)
    a, b = first.model_version, second.model_version
    assert a.artifact_id == b.artifact_id  # one artifact, kept once
    assert (a.number, b.number) == (1, 2)
    assert a.served_name != b.served_name


def test_portions_change_nothing_but_memory(world, tiny_base, monkeypatch):
    # In float32: bfloat16 sums of other portions are rounded otherwise.
    monkeypatch.setattr("training.runner.train.multiplies_bfloat16", lambda device: False)
    dataset = make_dataset(world.project, 30)
    whole = finish(launch(world, tiny_base, dataset, rows_at_once=4))
    portions = finish(launch(world, tiny_base, dataset, rows_at_once=1, save_memory=True))
    for key, loss in losses(whole).items():
        assert losses(portions)[key] == pytest.approx(loss, rel=2e-3), key


@pytest.mark.parametrize(
    "changes",
    [
        {"rslora": True, "targets": "attention"},
        {"schedule": "constant"},
        {"epochs": 0.05},
        {"batch_size": 7, "rows_at_once": 4},
    ],
)
def test_other_recipes_run_too(world, tiny_base, changes):
    training = finish(launch(world, tiny_base, **changes))
    assert training.run.status == Run.Status.SUCCEEDED, training.run.error_message
    assert training.done_steps == training.planned_steps >= 1


# --- killed, stopped, cancelled ----------------------------------------------------------------------------
# Importing torch in a process of its own takes a minute where many share the processors.
apart = pytest.mark.timeout(400)


def wait_for(condition, process, seconds=240):
    def working():
        assert process.poll() is None, "the worker ended too early"
        return condition()

    waiting.wait_for(working, "what the worker was to do", seconds)


def checkpoint_steps(training):
    return [step for step, _ in checkpoints.complete(training.pk)]


@apart
def test_a_killed_run_goes_on_from_its_checkpoint_and_ends_as_if_nothing_had_been(
    world, tiny_base, worker, sent
):
    dataset = make_dataset(world.project, 30)
    # With dropout, so that the order of random numbers counts as well.
    undisturbed = finish(launch(world, tiny_base, dataset, dropout=0.05))
    training = launch(world, tiny_base, dataset, dropout=0.05)
    process = worker(training)
    wait_for(lambda: any(step >= 4 for step in checkpoint_steps(training)), process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    reached = max(checkpoint_steps(training))
    assert 4 <= reached < 12
    run = Run.objects.get(pk=training.run_id)
    assert run.status == Run.Status.RUNNING
    # What a worker killed in mid-write leaves behind is ignored.
    torn = checkpoints.folder_of(training.pk) / ".writing-x"
    torn.mkdir()
    (torn / "adapter_model.safetensors").write_bytes(b"half")

    Run.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    sweep_runs()
    assert ("core.tasks.execute_run", run.pk) in sent
    training = finish(training)

    assert training.run.status == Run.Status.SUCCEEDED, training.run.error_message
    assert training.run.attempt == 2
    assert training.resumes[0]["from_step"] == reached
    assert training.done_steps == training.planned_steps == 12
    assert training.train_tokens == undisturbed.train_tokens
    assert losses(training).keys() == losses(undisturbed).keys()
    for key, loss in losses(undisturbed).items():
        assert losses(training)[key] == pytest.approx(loss, rel=1e-4), key
    assert training.model_version.artifact_id == undisturbed.model_version.artifact_id  # equal to the byte
    assert not checkpoints.folder_of(training.pk).exists()


def test_a_stopped_worker_saves_and_hands_the_run_back(world, tiny_base, sent, monkeypatch):
    training = launch(world, tiny_base)
    from training.runner import loop

    finish_step = loop._Watch.on_step_end

    def stop_at_five(self, args, state, control, **rest):
        if state.global_step == 5:
            stopping.ask_to_stop()
        finish_step(self, args, state, control, **rest)

    monkeypatch.setattr(loop._Watch, "on_step_end", stop_at_five)
    sent.clear()
    training = finish(training)
    assert training.run.status == Run.Status.QUEUED
    assert training.run.attempt == 0  # being stopped is no failure
    assert checkpoint_steps(training) == [5]
    assert ("core.tasks.execute_run", training.run_id) in sent
    assert not ModelVersion.objects.filter(training_run=training).exists()
    stopping.forget()
    monkeypatch.setattr(loop._Watch, "on_step_end", finish_step)
    training = finish(training)
    assert training.run.status == Run.Status.SUCCEEDED
    assert training.resumes[0]["from_step"] == 5
    assert training.done_steps == 12


@apart
def test_a_worker_process_that_gets_sigterm_hands_the_run_back_and_then_ends(world, tiny_base, worker):
    training = launch(world, tiny_base)
    process = worker(training, pause=0.3, every=60)
    wait_for(lambda: training.points.filter(series="train", step=2).exists(), process)
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=120)
    training.run.refresh_from_db()
    assert training.run.status == Run.Status.QUEUED
    assert training.run.attempt == 0
    (step,) = checkpoint_steps(training)
    assert 2 <= step < 12
    assert finish(training).resumes[0]["from_step"] == step


@apart
def test_a_cancelled_run_goes_on_from_its_last_checkpoint_and_comes_to_the_same_weights(
    world, tiny_base, worker
):
    dataset = make_dataset(world.project, 30)
    training = launch(world, tiny_base, dataset)
    process = worker(training, pause=0.3, every=0.2)
    wait_for(lambda: bool(checkpoint_steps(training)), process)
    services.cancel(by=world.admin, training_run=training)
    assert process.wait(timeout=120) == 0
    training.run.refresh_from_db()
    assert training.run.status == Run.Status.CANCELLED
    assert training.run.cancel_requested_by == world.admin
    assert not ModelVersion.objects.filter(training_run=training).exists()
    kept = checkpoint_steps(training)[0]
    training.refresh_from_db()
    assert training.checkpoint_step == kept < training.planned_steps
    with pytest.raises(Conflict):
        services.cancel(by=world.admin, training_run=training)
    training = finish(services.retry(by=world.admin, training_run=training))
    assert training.run.status == Run.Status.SUCCEEDED
    assert [resume["from_step"] for resume in training.resumes] == [kept]
    # Nothing twice: one point a step, one version, and what an uninterrupted run comes to.
    steps = list(training.points.filter(series="train").order_by("step").values_list("step", flat=True))
    assert len(steps) == len(set(steps))
    undisturbed = finish(launch(world, tiny_base, dataset))
    assert training.model_version.artifact == undisturbed.model_version.artifact
    assert training.checkpoint_step is None
    assert not checkpoints.folder_of(training.pk).exists()
    with pytest.raises(Conflict):
        services.retry(by=world.admin, training_run=training)


def test_a_run_cancelled_while_it_waits_never_starts(world, tiny_base):
    training = launch(world, tiny_base)
    services.cancel(by=world.admin, training_run=training)
    training = finish(training)
    assert training.run.status == Run.Status.CANCELLED
    assert training.done_steps == 0
    assert finish(services.retry(by=world.admin, training_run=training)).run.status == Run.Status.SUCCEEDED


def test_a_version_that_was_made_is_not_made_again(world, tiny_base):
    """The sweep ended the run as cancelled after its worker had stored the version."""
    training = finish(launch(world, tiny_base))
    Run.objects.filter(pk=training.run_id).update(status=Run.Status.CANCELLED)
    training.run.refresh_from_db()
    with pytest.raises(Conflict, match="has made its model version"):
        services.retry(by=world.admin, training_run=training)


def test_checkpoints_of_runs_that_ended_long_ago_are_removed(world, tiny_base, settings, tmp_path):
    settings.STATE_DIR = tmp_path
    long_ago = timezone.now() - timedelta(days=results.CHECKPOINT_DAYS + 1)
    ended = {}
    for name, status, at in (
        ("old", "cancelled", long_ago),
        ("new", "cancelled", timezone.now()),
        ("active", "queued", long_ago),  # it was resumed
    ):
        training = make_training(world.project, world.admin, base_model=tiny_base, checkpoint_step=4)
        Run.objects.filter(pk=training.run_id).update(status=status, finished_at=at)
        (checkpoints.folder_of(training.pk) / "step-00000004").mkdir(parents=True)
        ended[name] = training
    (tmp_path / "checkpoints" / "999999" / "step-00000004").mkdir(parents=True)
    (tmp_path / "checkpoints" / ".removing-half" / "step-00000004").mkdir(parents=True)
    assert results.drop_old_checkpoints() == sorted([ended["old"].pk, 999999])
    left = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert left == {str(ended["new"].pk), str(ended["active"].pk)}
    for name, step in (("old", None), ("new", 4), ("active", 4)):
        ended[name].refresh_from_db()
        assert ended[name].checkpoint_step == step


def test_two_launches_queue_and_two_messages_start_one_run_once(world, tiny_base, sent):
    dataset = make_dataset(world.project, 30)
    first, second = launch(world, tiny_base, dataset), launch(world, tiny_base, dataset)
    assert [training.run.status for training in (first, second)] == [Run.Status.QUEUED] * 2
    assert (first.number, second.number) == (1, 2)
    threads = [threading.Thread(target=_execute, args=(first.run_id,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first.run.refresh_from_db()
    assert first.run.status == Run.Status.SUCCEEDED
    assert first.run.attempt == 1
    assert finish(second).model_version.number == 2


def _execute(run_id):
    try:
        execute_run(run_id)
    finally:
        connection.close()


def test_numbers_are_given_out_once_when_many_launch_together(world, tiny_base, sent):
    dataset = make_dataset(world.project, 30)
    made, errors = [], []

    def one():
        try:
            made.append(launch(world, tiny_base, dataset).number)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(made) == [1, 2, 3, 4, 5, 6]


# --- failures ----------------------------------------------------------------------------------------------
def test_a_store_that_fails_leaves_no_version_and_the_run_can_be_tried_again(world, tiny_base, monkeypatch):
    from core.storage.folder import FolderStorage

    training = launch(world, tiny_base)
    put = FolderStorage.put

    def full(self, path, *, kind):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FolderStorage, "put", full)
    before, events = Artifact.objects.count(), Event.objects.count()
    training = finish(training)
    assert training.run.status == Run.Status.FAILED
    assert training.run.error_code == "storage_full"
    assert "disk is full" in training.run.error_message
    assert not ModelVersion.objects.filter(training_run=training).exists()
    assert Event.objects.count() == events
    assert Artifact.objects.count() == before
    monkeypatch.setattr(FolderStorage, "put", put)
    training = finish(services.retry(by=world.admin, training_run=training))
    assert training.run.status == Run.Status.SUCCEEDED
    assert training.model_version.number == 1


def test_a_registration_that_fails_leaves_nothing_behind(world, tiny_base, monkeypatch):
    def broken(**kwargs):
        raise RuntimeError("the broker said no")

    monkeypatch.setattr(results, "publish", broken)
    training = finish(launch_without_base_version(world, tiny_base, monkeypatch))
    assert training.run.status == Run.Status.FAILED
    assert training.run.error_code == "unexpected"
    assert not ModelVersion.objects.filter(training_run=training).exists()
    assert not AuditEntry.objects.filter(action="model_version.registered", object_label="v1").exists()


def launch_without_base_version(world, tiny_base, monkeypatch):
    from training.services import runs

    monkeypatch.setattr(runs, "make_base_version", lambda **kwargs: None)
    return launch(world, tiny_base)


def test_a_run_whose_worker_died_after_registering_ends_well(world, tiny_base):
    training = finish(launch(world, tiny_base))
    version = training.model_version
    Run.objects.filter(pk=training.run_id).update(status=Run.Status.QUEUED, finished_at=None)
    training = finish(training)
    assert training.run.status == Run.Status.SUCCEEDED
    assert ModelVersion.objects.get(training_run=training) == version
    deliveries = Delivery.objects.filter(event__payload={"version": version.pk})
    assert len(set(deliveries.values_list("subscriber", flat=True))) == deliveries.count()


def test_a_learning_rate_that_breaks_it_is_told_as_such(world, tiny_base, monkeypatch):
    from training.runner import loop

    def nothing(model, batch):
        return real(model, batch) * float("nan")

    real = loop.row_losses
    monkeypatch.setattr(loop, "row_losses", nothing)
    training = finish(launch(world, tiny_base))
    assert training.run.status == Run.Status.FAILED
    assert training.run.error_code == "diverged"
    assert "learning rate" in training.run.error_advice.lower()
    assert not training.points.filter(loss__isnull=True).exists()


def test_running_out_of_memory_says_what_to_lower(world, tiny_base, monkeypatch):
    from training.runner import loop

    def hungry(model, batch):
        raise RuntimeError(
            "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"
        )

    monkeypatch.setattr(loop, "row_losses", hungry)
    training = finish(launch(world, tiny_base))
    assert training.run.error_code == "out_of_memory"
    assert "Rows in memory at once" in training.run.error_advice


def test_a_dataset_whose_file_is_gone_is_told_by_name(world, tiny_base):
    training = launch(world, tiny_base)
    folder = storage().local_path(training.dataset.artifact)
    name = training.dataset.artifact.manifest[0]["path"]
    (folder / name).rename(folder / "elsewhere")
    training = finish(training)
    assert training.run.error_code == "artifact_missing"
    assert name in training.run.error_message
    (folder / "elsewhere").rename(folder / name)
    assert finish(services.retry(by=world.admin, training_run=training)).run.status == Run.Status.SUCCEEDED


def test_a_checkpoint_that_cannot_be_written_leaves_none(tmp_path, settings):
    settings.STATE_DIR = tmp_path

    def torn(folder: Path) -> None:
        (folder / "optimizer.pt").write_bytes(b"x")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        checkpoints.write(5, 10, torn)
    assert list(checkpoints.folder_of(5).iterdir()) == []
    for step in (10, 20, 30):
        checkpoints.write(5, step, lambda folder: (folder / "a").write_text("x") and None)
    assert [step for step, _ in checkpoints.complete(5)] == [30, 20]


# --- launching ---------------------------------------------------------------------------------------------
def test_a_launch_that_the_preflight_stops_leaves_nothing(world, tiny_base, sent):
    before = (Run.objects.count(), AuditEntry.objects.count())
    thin = make_dataset(world.project, 3)
    with pytest.raises(Invalid) as refused:
        launch(world, tiny_base, thin, rank=128)
    assert set(refused.value.fields) == {"dataset", "rank"}
    assert (Run.objects.count(), AuditEntry.objects.count()) == before


def test_an_unknown_method_is_refused(world, tiny_base):
    with pytest.raises(Invalid):
        launch(world, tiny_base, method="magic")


def test_a_second_run_is_estimated_from_the_first(world, tiny_base, monkeypatch):
    # Nothing else computes, and short steps are judged as they come.
    monkeypatch.setattr(undisturbed, "STRETCH_SECONDS", 0.0)
    monkeypatch.setattr(undisturbed, "OTHERS_AT_MOST", 1e9)
    dataset = make_dataset(world.project, 30)
    first = finish(launch(world, tiny_base, dataset))
    assert "of this project" not in first.estimate["speed_from"]
    assert first.estimate["tokens_exact"] is True
    assert first.estimate["tokens"] == first.train_tokens
    second = launch(world, tiny_base, dataset)
    assert second.estimate["tokens_per_second"] == pytest.approx(first.undisturbed_speed)
    assert second.estimate["speed_from"] == "measured in Run 1 of this project"
    assert second.estimate["unit_seconds"]["sample"] > 0


def test_a_run_that_other_work_slowed_is_no_ones_estimate(world, tiny_base, monkeypatch):
    monkeypatch.setattr(undisturbed, "OTHERS_AT_MOST", -1.0)
    dataset = make_dataset(world.project, 30)
    first = finish(launch(world, tiny_base, dataset))
    assert first.tokens_per_second > 0
    assert first.undisturbed_speed is None
    assert "of this project" not in launch(world, tiny_base, dataset).estimate["speed_from"]


# --- base models -------------------------------------------------------------------------------------------
def prepare(location, settings, **fields):
    settings.MODEL_FOLDERS = [Path(location).parent]
    base = services.register_base_model(
        by=None, name="A base", kind=BaseModel.Kind.FOLDER, location=str(location), **fields
    )
    execute_run(base.run.pk)
    base.refresh_from_db()
    base.run.refresh_from_db()
    return base


def test_a_folder_becomes_a_base_with_all_that_is_known_of_it(tiny_base, tiny_folder):
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32)
    assert tiny_base.parameter_count == sum(weight.numel() for weight in model.parameters())
    assert tiny_base.context_length == 2048
    assert tiny_base.stop_token == "<|im_end|>"
    assert tiny_base.architecture["model_type"] == "llama"
    assert len(tiny_base.chat_template_hash) == 64
    assert len(tiny_base.parity_prompts) >= 5
    assert storage().verify(tiny_base.artifact) == []


def test_a_base_asked_for_by_a_project_becomes_its_version_when_ready(world, settings, tiny_folder, sent):
    base = prepare(tiny_folder, settings, project=world.project)
    version = ModelVersion.objects.get(project=world.project, base_model=base)
    assert (version.number, version.kind) == (0, "base")
    assert version.parity_prompts == base.parity_prompts
    assert services.ensure_base_version(by=world.admin, project=world.project, base_model=base) == version
    assert Event.objects.filter(kind="model_version.registered").count() == 1


@pytest.mark.parametrize("template", [None, ENDLESS])
def test_a_base_that_cannot_end_an_answer_is_refused_with_advice(settings, tmp_path, template, sent):
    base = prepare(make_model(tmp_path / "m" / "bad", template=template), settings)
    assert base.status == BaseModel.Status.FAILED
    assert base.run.error_code == ("no_chat_template" if template is None else "no_stop_token")
    assert "instruction-tuned" in base.run.error_advice
    assert base.artifact is None


def test_pickled_weights_and_foreign_code_are_refused(settings, tmp_path, sent):
    folder = make_model(tmp_path / "m" / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert prepare(folder, settings).run.error_code == "no_safetensors"
    (folder / "pytorch_model.bin").rename(folder / "model.safetensors")
    config = folder / "config.json"
    config.write_text(
        json.dumps(json.loads(config.read_text()) | {"auto_map": {"AutoModelForCausalLM": "evil.Model"}})
    )
    BaseModel.objects.all().delete()
    assert prepare(folder, settings).run.error_code == "remote_code"


def test_a_link_out_of_the_model_folders_is_refused(settings, tmp_path, sent):
    real = make_model(tmp_path / "outside" / "real")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "link").symlink_to(real)
    with pytest.raises(Invalid):
        prepare(tmp_path / "m" / "link", settings)
    # Swapped after the form was sent: the worker looks again.
    good = make_model(tmp_path / "m" / "good")
    settings.MODEL_FOLDERS = [tmp_path / "m"]
    base = services.register_base_model(by=None, name="Swapped", kind="folder", location=str(good))
    good.rename(tmp_path / "elsewhere")
    good.symlink_to(tmp_path / "elsewhere")
    execute_run(base.run.pk)
    base.run.refresh_from_db()
    assert base.run.error_code == "folder_not_allowed"


def test_a_failed_preparation_can_be_tried_again(world, settings, tmp_path, sent):
    folder = make_model(tmp_path / "m" / "late", template=None)
    base = prepare(folder, settings)
    assert base.status == BaseModel.Status.FAILED
    make_model(folder)
    services.prepare_again(by=world.operator, base_model=base)
    execute_run(base.run.pk)
    base.refresh_from_db()
    assert base.status == BaseModel.Status.READY
    with pytest.raises(Conflict):
        services.prepare_again(by=world.operator, base_model=base)


def test_the_hub_is_not_reached_without_a_network(world, sent):
    base = services.register_base_model(
        by=world.operator, name="Hub", kind="hub", location="owner/name", revision="a" * 40
    )
    execute_run(base.run.pk)
    base.refresh_from_db()
    base.run.refresh_from_db()
    assert base.status == BaseModel.Status.FAILED
    assert base.run.error_code == "hub_away"
    assert "HF_HUB_OFFLINE" in base.run.error_advice


def test_a_base_that_is_not_ready_is_no_version(world):
    base = make_base_model(status=BaseModel.Status.PREPARING)
    with pytest.raises(Conflict):
        services.ensure_base_version(by=world.admin, project=world.project, base_model=base)


# --- versions ----------------------------------------------------------------------------------------------
def test_the_verdict_of_the_token_check_is_kept_and_can_be_asked_for_again(world, tiny_base):
    version = services.ensure_base_version(by=world.admin, project=world.project, base_model=tiny_base)
    services.mark_ready(by=None, version=version, report={"checked": 6, "differing": []})
    assert version.ready_at is not None
    services.mark_rejected(by=None, version=version, report={"checked": 6, "differing": [{"prompt": 1}]})
    version.refresh_from_db()
    assert version.status == ModelVersion.Status.REJECTED
    assert version.ready_at is None
    services.request_check(by=world.admin, version=version)
    version.refresh_from_db()
    assert version.status == ModelVersion.Status.REGISTERED
    assert Event.objects.filter(kind="model_version.registered").count() == 2
    stale = ModelVersion.objects.get(pk=version.pk)
    services.mark_ready(by=None, version=version, report={})
    with pytest.raises(Conflict):
        services.mark_rejected(by=None, version=stale, report={})


def test_checking_files_finds_damage(world, tiny_base, sent):
    version = services.ensure_base_version(by=world.admin, project=world.project, base_model=tiny_base)
    services.check_files(by=world.admin, version=version)
    with pytest.raises(Conflict):
        services.check_files(by=world.admin, version=version)
    execute_run(version.files_check_id)
    version.refresh_from_db()
    assert version.files_report["wrong"] == []
    weights = storage().local_path(version.artifact) / "model.safetensors"
    original = weights.read_bytes()
    try:
        weights.chmod(0o644)
        weights.write_bytes(original[:-1] + b"!")
        services.check_files(by=world.admin, version=version)
        execute_run(version.files_check_id)
        version.refresh_from_db()
        assert version.files_report["wrong"] == ["model.safetensors"]
    finally:
        weights.write_bytes(original)
        weights.chmod(0o444)
