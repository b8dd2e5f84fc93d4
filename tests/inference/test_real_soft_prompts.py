"""What vLLM refuses or does not know, with the real small model: a soft prompt inside a real vLLM, and a prefix in a real
transformers process, each with the tokens of PEFT's own `generate`."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.storage import storage
from inference.engines import BACKENDS
from inference.engines.base import ChatRequest
from inference.models import Deployment, Engine
from inference.queries import serving
from inference.reconcile import loop as module
from inference.reconcile.loop import Reconciler
from tests.inference.conftest import wait_for
from tests.inference.test_real_vllm import is_loaded, make_adapter, real_base, turn_until
from tests.support.factories import make_version, make_world
from tests.support.processes import alive, family

pytestmark = [
    pytest.mark.slow,
    pytest.mark.heavy,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(2400),
]
TOKENS = 16
QUESTIONS = ("Where is my shipment FD-1?", "Is it the carrier or is it customs? " * 6)


def chat(question: str) -> list[Any]:
    return [{"role": "user", "content": question}]


def make_learned(base: Path, folder: Path, config: Any, seed: int) -> tuple[Path, dict[str, str]]:
    """An adapter of PEFT in `folder`, and its greedy answers to QUESTIONS. A soft prompt is made of vectors near those of
    random tokens; other weights are random."""
    import torch
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(base)
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    table = plain.get_input_embeddings().weight.detach()
    model = get_peft_model(plain, config)
    for weight in model.parameters():
        if weight.requires_grad and weight.shape[1] == table.shape[1]:
            near = table[torch.randint(1000, 30_000, (weight.shape[0],))]
            weight.data = near + 0.1 * table.std() * torch.randn_like(near)
        elif weight.requires_grad:
            weight.data = 0.3 * torch.randn_like(weight)
    model.eval().save_pretrained(folder)
    answers = {}
    for question in QUESTIONS:
        text = tokenizer.apply_chat_template(chat(question), tokenize=False, add_generation_prompt=True)
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
        out = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=TOKENS,
            do_sample=False,
            eos_token_id=tokenizer.eos_token_id,
        )
        answers[question] = str(tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))
    return folder, answers


def ask(version: Any, question: str, **params: Any) -> str:
    where = serving(version)
    request = ChatRequest(where.model, chat(question), {"temperature": 0, "max_tokens": TOKENS, **params})
    return "".join(piece.text for piece in BACKENDS[where.backend].chat(where.url, request))


def test_soft_prompts_and_prefixes(
    tmp_path: Path, settings: Any, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from peft import PrefixTuningConfig, PromptTuningConfig

    settings.ENGINE_PORTS_FROM = 23300
    settings.ENGINE_MAX_LORAS = 2
    monkeypatch.setattr(module, "BACKOFF", (0,))
    world = make_world()
    base, bare = real_base(world.project)
    base_path = storage().local_path(base.artifact)
    expected: dict[int, dict[str, str]] = {}

    def learned(serving_as: str, config: Any, seed: int) -> Any:
        folder, answers = make_learned(base_path, tmp_path / f"seed {seed}", config, seed)
        artifact = storage().put(folder, kind="model")
        version = make_version(
            world.project,
            world.admin,
            base_model=base,
            artifact=artifact,
            serving=serving_as,
            adapter_rank=None,
        )
        expected[version.pk] = answers
        return version

    soft = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=12)
    first, second = learned("prompt_embeds", soft, 1), learned("prompt_embeds", soft, 2)
    prefix = learned("transformers", PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=8), 3)
    lora = make_version(
        world.project,
        world.admin,
        base_model=base,
        artifact=storage().put(make_adapter(base_path, tmp_path / "lora", 4), kind="model"),
    )
    learned_ones = (first, second, prefix)
    loop = Reconciler()
    try:
        turn_until(loop, lambda: is_loaded(bare, *learned_ones), "all four", 1500)
        # Together they would end vLLM.
        assert "together" in Deployment.objects.get(version=lora).error
        vllm, other = Engine.objects.get(backend="vllm"), Engine.objects.get(backend="transformers")
        assert vllm.options["prompt_embeds"]
        assert serving(prefix).url == other.url
        assert {serving(one).url for one in (bare, first, second)} == {vllm.url}

        def all_answer_as_expected() -> None:
            for question in QUESTIONS:
                for version in learned_ones:
                    assert ask(version, question) == expected[version.pk][question], (version, question)

        plain = ask(bare, QUESTIONS[0])
        all_answer_as_expected()
        assert ask(bare, QUESTIONS[0]) == plain
        assert len({plain, *(expected[one.pk][QUESTIONS[0]] for one in learned_ones)}) == 4
        assert set(vllm.weight_checks.values_list("outcome", flat=True)) == {"passed"}
        assert set(other.weight_checks.values_list("outcome", flat=True)) == {"passed"}
        as_vllm_tells(vllm.url, first)

        # Killed, the transformers engine comes back by itself with its version, and leaves no process.
        members = family(other.pid)
        os.kill(other.pid, signal.SIGKILL)
        turn_until(
            loop, lambda: Deployment.objects.filter(version=prefix, status="waiting").exists(), "the loss"
        )
        turn_until(loop, lambda: is_loaded(prefix), "serving again")
        assert not any(map(alive, members))
        assert Engine.objects.get(backend="vllm").pid == vllm.pid
        all_answer_as_expected()
        members = [*family(vllm.pid), *family(Engine.objects.get(backend="transformers").pid)]
    finally:
        loop.shut_down()
    wait_for(lambda: not any(map(alive, members)), "the end of the engines' processes", 10)


def as_vllm_tells(url: str, version: Any) -> None:
    """Limits, sampling, refusals and readers who leave are those of vLLM for other versions."""
    name = version.served_name
    with httpx.Client(base_url=url, timeout=120) as http:

        def post(**fields: Any) -> httpx.Response:
            body = {"model": name, "messages": chat(QUESTIONS[0]), "max_tokens": 8} | fields
            return http.post("/v1/chat/completions", json=body)

        prompt = len(BACKENDS["vllm"].tokenize(url, name, chat(QUESTIONS[0])))
        told = post(temperature=0).json()
        assert told["model"] == name
        assert told["usage"] == {"prompt_tokens": prompt, "completion_tokens": 8, "total_tokens": prompt + 8}
        drawn = [post(temperature=1, seed=5).json()["choices"][0]["message"]["content"] for _ in range(2)]
        assert drawn[0] == drawn[1]
        whole = told["choices"][0]["message"]["content"]
        stopped = post(temperature=0, stop=[whole[4:7]]).json()["choices"][0]
        assert (stopped["message"]["content"], stopped["finish_reason"]) == (whole[:4], "stop")
        assert "maximum context length" in post(max_tokens=5000).json()["error"]["message"]
        assert "maximum context length" in post(messages=chat("word " * 3000)).json()["error"]["message"]
        assert post(temperature=9).status_code == post(messages=[]).status_code == 400
        again = http.post("/v1/load_lora_adapter", json={"lora_name": name, "lora_path": "/nowhere"})
        assert again.status_code >= 400

        def running() -> float:
            lines = http.get("/metrics").text.split("\n")
            return float(
                next(one for one in lines if one.startswith("vllm:num_requests_running")).split()[-1]
            )

        body = {"model": name, "messages": chat(QUESTIONS[0]), "stream": True, "ignore_eos": True}
        with http.stream("POST", "/v1/chat/completions", json=body) as answer:
            next(answer.iter_lines())
            wait_for(lambda: running() == 1, "the answer", 30)
        began = time.monotonic()
        wait_for(lambda: running() == 0, "its end", 30)
        assert time.monotonic() - began < 30
