"""Real training on a tiny model: one base folder for all tests, prepared by the real runner."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as live_settings
from django.db import connection

from core.models import Run
from core.tasks import execute_run
from tests.support.factories import make_base_model, make_dataset, make_training, make_version
from training import services
from training.host import stopping
from training.models import BaseModel, MetricPoint, SampleAnswer, TrainingRun
from training.runner import asking

from .tiny import make_model


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "tiny-chat")


@pytest.fixture(autouse=True)
def _no_stop_left_over(settings):
    # Threads that wait for each other are slow on a busy machine, and a tiny model has nothing to share out.
    settings.TRAINING_THREADS = 1
    stopping.forget()
    yield
    stopping.forget()


@pytest.fixture
def tiny_base(db, settings, tiny_folder, sent) -> BaseModel:
    """The tiny model as a ready base model."""
    settings.MODEL_FOLDERS = [tiny_folder.parent]
    base = services.register_base_model(
        by=None, name="Tiny chat", kind=BaseModel.Kind.FOLDER, location=str(tiny_folder)
    )
    execute_run(base.run.pk)
    base.refresh_from_db()
    assert base.status == BaseModel.Status.READY, base.run.error_message
    return base


def finish(training: TrainingRun) -> TrainingRun:
    """Does the run as a worker would and gives it back fresh."""
    execute_run(training.run_id)
    training.refresh_from_db()
    training.run = Run.objects.get(pk=training.run_id)
    return training


@pytest.fixture
def worker():
    """worker(training, ...) is a process that does the run as a worker would; it is gone when the test ends."""
    started = []

    def start(training, *, pause=0.15, every=0.3, processes=1):
        name = connection.settings_dict["NAME"]
        command = [
            sys.executable,
            "-m",
            "tests.training.driver",
            name,
            str(training.run_id),
            str(pause),
            str(every),
            str(processes),
        ]
        started.append(subprocess.Popen(command, cwd=live_settings.BASE_DIR))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def scene(world, sent):
    """A project in mid-work: a finished run with its version, a running one, one that waits, one that failed."""
    base = make_base_model(name="SmolLM2 135M", slug="smollm2-135m")
    dataset = make_dataset(world.project, 60, note="first freeze")
    common = {"base_model": base, "dataset": dataset}
    done = make_training(
        world.project,
        world.admin,
        status=Run.Status.SUCCEEDED,
        loss_before=3.05,
        loss_after=1.84,
        done_steps=100,
        planned_steps=100,
        tokens_per_second=262.0,
        peak_memory_bytes=3_100_000_000,
        train_rows=48,
        measured={"load": 10.0, "train": 170.0, "evaluate": 20.0, "sample": 15.0},
        data_facts={"train_rows": 48, "validation_rows": 12, "train_tokens": 8000, "completion_tokens": 2400,
                    "longest": 220, "shortened": 1, "max_length": 1024, "validation_tokens": 2000},
        environment={"device_name": "CPU, 2 threads", "torch": "2.13.0", "transformers": "5.19.0", "peft": "0.21.2"},
        **common,
    )  # fmt: skip
    for step in range(1, 101):
        MetricPoint.objects.create(
            training_run=done, series="train", step=step, epoch=step / 50, loss=3.0 - step / 90
        )
    for step in (0, 25, 50, 75, 100):
        MetricPoint.objects.create(
            training_run=done, series="validation", step=step, epoch=step / 50, loss=3.05 - step / 85
        )
    for step, answer in (
        (0, "I’m sorry for any confusion."),
        (50, "Customs holds it."),
        (100, "Customs holds it: send the invoice."),
    ):
        SampleAnswer.objects.create(
            training_run=done,
            step=step,
            question="Is it the carrier or is it customs?",
            answer=answer,
            reference="Customs holds FD-7.",
        )
    version = make_version(world.project, world.admin, training_run=done, base_model=base)
    running = make_training(
        world.project, world.admin, status=Run.Status.RUNNING, planned_steps=100, **common
    )
    Run.objects.filter(pk=running.run_id).update(done=62, total=100, message="Step 62 of 100, epoch 1.2.")
    waiting = make_training(world.project, world.admin, **common)
    failed = make_training(world.project, world.admin, status=Run.Status.FAILED, **common)
    Run.objects.filter(pk=failed.run_id).update(
        error_code="diverged", error_message="The loss became NaN or infinite at step 7.", error_advice="Lower the learning rate."
    )  # fmt: skip
    world.base, world.dataset, world.done, world.version = base, dataset, done, version
    world.running, world.waiting, world.failed = running, waiting, failed
    return world


@pytest.fixture
def saying(monkeypatch):
    """Makes the model say a text, in the greedy answer or in one drawn one; and counts the prompts that it got."""

    class Said:
        def __init__(self):
            self.greedy = self.drawn = "I do not know."
            self.prompts = 0

    said = Said()

    def answers(model, prompts, *, samples=0, **how):
        from transformers import AutoTokenizer

        ids = AutoTokenizer.from_pretrained(model.name_or_path)
        encode = lambda text: ids(text, add_special_tokens=False)["input_ids"]  # noqa: E731
        if samples:
            return [[encode("I do not know.")] * (samples - 1) + [encode(said.drawn)] for _ in prompts]
        said.prompts += len(prompts)
        return [[encode(said.greedy)] for _ in prompts]

    monkeypatch.setattr(asking, "answers", answers)
    return said
