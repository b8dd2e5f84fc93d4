"""One run in two processes on gloo: the same as in one, also when one is killed; nothing is left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from datetime import timedelta

import psutil
import pytest
from django.conf import settings as live_settings
from django.utils import timezone

from core.models import Run
from core.storage import storage
from core.tasks import sweep_runs
from tests.support import waiting
from tests.support.factories import make_dataset
from training import checkpoints, preflight, services
from training.distribution import Layout, layout_of
from training.methods import METHODS, recipe_from
from training.models import ModelVersion
from training.runner import torchrun
from training.runner.database import DatabaseReporter

from .conftest import finish

pytestmark = pytest.mark.timeout(500)
with_runs = pytest.mark.django_db(transaction=True)
QUICK = {"epochs": 1.0, "batch_size": 4, "learning_rate": 0.02, "evaluations": 2}


@pytest.fixture(autouse=True)
def _float32(monkeypatch):
    """In bfloat16 the sums of other portions are rounded otherwise."""
    monkeypatch.setattr("training.runner.train.multiplies_bfloat16", lambda device: False)


@pytest.fixture
def slowly(monkeypatch):
    """Processes that save after each step and take their time, so that they can be caught."""
    monkeypatch.setattr(torchrun, "MODULE", "tests.training.slow_process")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def launch(world, base, dataset, **changes):
    return services.launch(
        by=world.admin,
        project=world.project,
        base_model=base,
        dataset=dataset,
        method="lora",
        recipe=QUICK | changes,
    )


def losses(training):
    return {(point.series, point.step): point.loss for point in training.points.all()}


def weights(training):
    from safetensors.torch import load_file

    folder = storage().local_path(training.model_version.artifact)
    (path,) = folder.glob("*.safetensors")
    return load_file(path)


def assert_same(training, other):
    import torch

    assert training.run.status == Run.Status.SUCCEEDED, training.run.error_message
    assert losses(training).keys() == losses(other).keys()
    for key, loss in losses(other).items():
        assert losses(training)[key] == pytest.approx(loss, abs=1e-5), key
    assert training.loss_after == pytest.approx(other.loss_after, abs=1e-5)
    expected, found = weights(other), weights(training)
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        assert torch.allclose(found[name], weight, atol=1e-5), name


def processes_below(parent):
    """The training processes below a process, by their number; torchrun's own is None."""
    found = {}
    for process in psutil.Process(parent).children(recursive=True):
        try:
            if "training.runner.agent" in process.cmdline():
                found[None] = process
            elif any(part.endswith("process") for part in process.cmdline()) and "RANK" in process.environ():
                found[int(process.environ()["RANK"])] = process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def still_running(processes):
    """Without those that have ended and that nobody has asked about yet."""
    found = []
    for process in processes:
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


# --- how many ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("rows", "hosts", "devices", "expected"),
    [
        (4, 1, 1, Layout(1, 1)),
        (4, 1, 2, Layout(1, 2)),
        (4, 1, 3, Layout(1, 2)),
        (4, 1, 8, Layout(1, 4)),
        (7, 1, 4, Layout(1, 1)),
        (8, 2, 4, Layout(2, 4)),
        (4, 2, 4, Layout(1, 4)),
        (3, 3, 2, Layout(3, 1)),
    ],
)
def test_as_many_processes_work_as_divide_the_rows_of_a_step(rows, hosts, devices, expected):
    assert layout_of(METHODS["lora"], rows, hosts=hosts, devices=devices) == expected
    assert layout_of(METHODS["qlora"], rows, hosts=hosts, devices=devices) == Layout()


def test_no_gpu_gets_two_processes(settings):
    from training.distribution import devices_of

    assert [devices_of(gpus) for gpus in (0, 1, 4)] == [1, 1, 4]
    settings.TRAINING_PROCESSES = 2
    assert [devices_of(gpus) for gpus in (0, 1, 4)] == [2, 1, 2]


@with_runs
def test_the_preflight_says_how_many_processes_work_and_what_each_needs(world, tiny_base, settings):
    dataset = make_dataset(world.project, 30)

    def check(batch_size):
        return preflight.check(
            project=world.project,
            base_model=tiny_base,
            dataset=dataset,
            method="full",
            recipe=recipe_from(METHODS["full"].recipe, {"batch_size": batch_size}),
        )

    alone = check(4)
    assert (alone.estimate.processes, alone.estimate.hosts) == (1, 1)
    settings.TRAINING_PROCESSES = 3
    assert check(6).estimate.processes == 3
    assert not [finding for finding in check(6).findings if "devices" in finding.message]
    uneven = check(4)
    assert uneven.estimate.processes == 2
    (finding,) = [finding for finding in uneven.findings if "devices" in finding.message]
    assert (finding.level, finding.setting) == ("warn", "batch_size")
    assert finding.advice == "To use all, choose a multiple of 3."
    assert uneven.estimate.tokens_per_second == pytest.approx(
        alone.estimate.tokens_per_second
    )  # one processor


def test_each_of_several_devices_needs_less_memory():
    from training.estimates.memory import memory_bytes

    eight_billion = {
        "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
        "intermediate_size": 14336, "vocab_size": 128256,
    }  # fmt: skip

    def needed(processes, *, whole_first=False):
        return memory_bytes(
            architecture=eight_billion, parameters=8_030_000_000, trainable=8_030_000_000, rank=0, bytes_per_weight=4,
            rows=1, length=1024, completion=200, save_memory=True, device="cuda", bfloat16=True, dropout=False,
            processes=processes, whole_first=whole_first,
        )  # fmt: skip

    assert needed(1) > 160e9
    assert 80e9 > needed(4) > needed(8) > 20e9
    assert needed(8, whole_first=True) > 32e9  # the whole model in float32 computes the reference


# --- the same as one ---------------------------------------------------------------------------------------
@with_runs
def test_two_processes_come_to_what_one_comes_to(world, tiny_base, settings, monkeypatch):
    dataset = make_dataset(world.project, 30)
    alone = finish(launch(world, tiny_base, dataset))
    settings.TRAINING_PROCESSES = 2
    together = finish(launch(world, tiny_base, dataset))
    assert_same(together, alone)
    assert (alone.environment["processes"], together.environment["processes"]) == (1, 2)
    assert together.estimate["processes"] == 2
    assert together.peak_memory_bytes > 0
    assert together.tokens_per_second > 0
    assert together.measured.keys() == alone.measured.keys()
    assert together.counted == alone.counted | {"save": together.counted["save"]}
    answers = [list(run.samples.values_list("step", "question", "answer")) for run in (alone, together)]
    assert answers[0] == answers[1]
    assert not checkpoints.folder_of(together.pk).exists()
    assert processes_below(os.getpid()) == {}


def test_every_method_and_objective_is_the_same_in_two_processes(tiny_folder, tmp_path):
    """Without the database: all of them in one start of torchrun, and each row of each step in one process only."""
    found = {}
    for count in (1, 2):
        command = [
            sys.executable,
            "-m",
            "tests.training.all_methods",
            str(tiny_folder),
            str(tmp_path),
            str(count),
        ]
        if count > 1:
            command[2:3] = [
                "torch.distributed.run",
                "--standalone",
                "--nproc-per-node",
                "2",
                "-m",
                command[2],
            ]
        done = subprocess.run(
            command, cwd=live_settings.BASE_DIR, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        found[count] = json.loads((tmp_path / f"found-{count}.json").read_text())
    assert found[1].keys() == found[2].keys()
    assert len(found[1]) >= 14
    for name, alone in found[1].items():
        together = found[2][name]
        assert together["losses"] == pytest.approx(alone["losses"], abs=1e-5), name
        assert together["validation"] == pytest.approx(alone["validation"], abs=1e-5), name
        assert together["figures"] == pytest.approx(alone["figures"], abs=1e-4), name
        assert together["weights"] == pytest.approx(alone["weights"], rel=1e-5, abs=1e-5), name
        assert alone["rows"] == [sorted(alone["rows"][0])]
        first, second = together["rows"]
        assert len(first) == len(second)
        assert sorted(first + second) == alone["rows"][0], name


# --- killed, stopped, cancelled ----------------------------------------------------------------------------
@with_runs
@pytest.mark.parametrize(("number", "afterwards"), [(0, 2), (1, 1)])
def test_when_a_process_is_killed_all_end_and_the_run_goes_on(
    world, tiny_base, settings, slowly, sent, number, afterwards
):
    """Afterwards with the same number of processes, and with one alone: the checkpoint is for any number."""
    dataset = make_dataset(world.project, 30)
    alone = finish(launch(world, tiny_base, dataset))
    settings.TRAINING_PROCESSES = 2
    training = launch(world, tiny_base, dataset)
    killed = []

    def kill():
        def saved():
            return [step for step, _ in checkpoints.complete(training.pk) if step >= 2]

        waiting.wait_for(saved, "a checkpoint", 300)
        killed.extend(processes_below(os.getpid()).values())
        processes_below(os.getpid())[number].send_signal(signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    training = finish(training)
    thread.join()
    assert len(killed) == 3
    assert not still_running(killed)
    assert training.run.status == Run.Status.RUNNING  # as after the loss of a worker
    reached = max(step for step, _ in checkpoints.complete(training.pk))
    assert 2 <= reached < training.planned_steps

    Run.objects.filter(pk=training.run_id).update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    sweep_runs()
    assert ("core.tasks.execute_run", training.run_id) in sent
    settings.TRAINING_PROCESSES = afterwards
    training = finish(training)
    assert training.run.attempt == 2
    assert training.resumes[0]["from_step"] == reached
    assert training.environment["processes"] == afterwards
    assert_same(training, alone)


@with_runs
def test_a_killed_worker_leaves_no_process(world, tiny_base, worker):
    training = launch(world, tiny_base, make_dataset(world.project, 30))
    process = worker(training, processes=2)

    def training_now():
        assert process.poll() is None, "the worker ended too early"
        return bool(checkpoints.complete(training.pk))

    waiting.wait_for(training_now, "a checkpoint", 300)
    below = processes_below(process.pid)
    assert set(below) == {None, 0, 1}
    process.send_signal(signal.SIGKILL)
    process.wait()
    waiting.wait_for(lambda: not still_running(below.values()), "the end of all processes", 20)
    assert Run.objects.get(pk=training.run_id).status == Run.Status.RUNNING


@with_runs
def test_a_stopped_worker_lets_the_processes_save_and_a_cancelled_one_ends_them(
    world, tiny_base, settings, slowly, monkeypatch
):
    from training.host import stopping

    dataset = make_dataset(world.project, 30)
    alone = finish(launch(world, tiny_base, dataset))
    settings.TRAINING_PROCESSES = 2
    training = launch(world, tiny_base, dataset)
    note, does = DatabaseReporter.train_point, [stopping.ask_to_stop]

    def noted(self, *, step, **values):
        note(self, step=step, **values)
        if step >= 2 and does:
            does.pop()()

    monkeypatch.setattr(DatabaseReporter, "train_point", noted)
    training = finish(training)
    assert training.run.status == Run.Status.QUEUED
    assert training.run.attempt == 0  # being stopped is no failure
    step = max(step for step, _ in checkpoints.complete(training.pk))
    stopping.forget()

    does.append(lambda: services.cancel(by=world.admin, training_run=training))
    training = finish(training)
    assert training.run.status == Run.Status.CANCELLED
    assert processes_below(os.getpid()) == {}
    assert not ModelVersion.objects.filter(training_run=training).exists()
    assert training.resumes[0]["from_step"] == step
    settings.TRAINING_PROCESSES = 1
    assert_same(finish(services.retry(by=world.admin, training_run=training)), alone)


@with_runs
def test_an_error_is_told_as_in_one_process(world, tiny_base, settings, monkeypatch):
    settings.TRAINING_PROCESSES = 2
    monkeypatch.setattr(torchrun, "MODULE", "tests.training.broken_process")
    training = finish(launch(world, tiny_base, make_dataset(world.project, 30)))
    assert (training.run.status, training.run.error_code) == (Run.Status.FAILED, "diverged")
    assert "step 0" in training.run.error_message


# --- several hosts -----------------------------------------------------------------------------------------
@with_runs
def test_two_hosts_train_one_run(world, tiny_base, settings):
    dataset = make_dataset(world.project, 30)
    alone = finish(launch(world, tiny_base, dataset))
    settings.TRAINING_HOSTS, settings.TRAINING_RENDEZVOUS = 2, f"127.0.0.1:{free_port()}"
    training = launch(world, tiny_base, dataset)
    assert training.estimate["hosts"] == 2
    # The other host: its own process, which knows the shared folder only.
    other = subprocess.Popen(
        [sys.executable, "-m", "tests.training.other_host", str(settings.STATE_DIR)],
        cwd=live_settings.BASE_DIR,
    )
    try:
        training = finish(training)
        assert other.poll() is None
    finally:
        other.terminate()
        assert other.wait(timeout=30) == 0
    assert training.environment["hosts"] == 2
    assert_same(training, alone)
