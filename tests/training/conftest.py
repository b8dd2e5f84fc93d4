"""Real training on a tiny model: one base folder for all tests, prepared by the real runner."""

from pathlib import Path

import pytest

from core.models import Run
from core.tasks import execute_run
from training import services
from training.host import stopping
from training.models import BaseModel, TrainingRun

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
