"""The transformers engine over real HTTP with a tiny model of each method: the same tokens as `generate` in this process, also while
others ask; streams; readers who leave; and what it refuses."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgiref.sync import async_to_sync
from hypothesis import given
from hypothesis import strategies as st

from inference.engines import EngineAway, EngineRefused
from inference.engines.base import AnswerPiece, ChatRequest
from inference.engines.transformers import Transformers
from inference.reconcile.probing import Probe
from tests.inference.conftest import wait_for
from tests.inference.test_real_vllm import ask_all
from tests.support.fakes.engine import Fake
from tests.training.tiny import make_model

BACKEND = Transformers()
NAME = "tiny"
LENGTH = 256
QUESTIONS = ("Where is my shipment?", "Which document waits? Customs waits.", "Records: FD-1 | at sea")


def chat(question: str) -> list[Any]:
    return [{"role": "user", "content": question}]


def make_base(folder: Path) -> Path:
    """The tiny model with larger weights: with its own it repeats the last token, whatever is attached to it."""
    import torch
    from transformers import AutoModelForCausalLM

    make_model(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    torch.manual_seed(11)
    for name, weight in model.named_parameters():
        if "proj" in name:
            torch.nn.init.normal_(weight, std=0.4)
    model.to(torch.bfloat16).save_pretrained(folder)
    return folder


def make_adapters(base: Path, folder: Path) -> dict[str, Path]:
    """An adapter of each kind by PEFT, with weights that change answers."""
    import torch
    from peft import (
        AdaptionPromptConfig,
        IA3Config,
        LoraConfig,
        OFTConfig,
        PrefixTuningConfig,
        get_peft_model,
    )
    from transformers import AutoModelForCausalLM

    linear = ["q_proj", "k_proj", "v_proj", "down_proj"]
    configs = {
        "lora": LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"),
        "ia3": IA3Config(target_modules=linear, feedforward_modules=["down_proj"], task_type="CAUSAL_LM"),
        "prefix": PrefixTuningConfig(num_virtual_tokens=6, task_type="CAUSAL_LM"),
        "oft": OFTConfig(oft_block_size=8, target_modules=linear, task_type="CAUSAL_LM"),
        "adaption": AdaptionPromptConfig(adapter_len=4, adapter_layers=2, task_type="CAUSAL_LM"),
    }
    made = {}
    for at, (kind, config) in enumerate(configs.items()):
        torch.manual_seed(at)
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), config)
        for weight in model.parameters():
            if weight.requires_grad:
                weight.data += torch.randn_like(weight) * 0.5
        made[kind] = folder / kind
        model.save_pretrained(made[kind])
    return made


@dataclass
class Tiny:
    """A served tiny model. `models` and `writer` are those of the server, in this process."""

    url: str
    folder: Path
    adapters: dict[str, Path]
    models: Any
    writer: Any
    references: dict[str, Any]

    def reference(self, name: str, ids: list[int], tokens: int) -> list[int]:
        """The greedy tokens by the libraries alone, on weights of their own."""
        import torch
        from peft import PeftModel
        from transformers import AutoModelForCausalLM

        if name not in self.references:
            model = AutoModelForCausalLM.from_pretrained(self.folder, dtype=torch.float32)
            if name != NAME:
                model = PeftModel.from_pretrained(model, self.adapters[name])
            self.references[name] = model.eval()
        prompt = torch.tensor([ids])
        out = self.references[name].generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=tokens,
            do_sample=False,
            eos_token_id=self.models.tokenizer.eos_token_id,
        )
        return [int(token) for token in out[0, len(ids) :]]

    def text(self, ids: list[int]) -> str:
        return str(self.models.tokenizer.decode(ids, skip_special_tokens=True))

    def post(self, path: str, body: Any) -> httpx.Response:
        return httpx.post(f"{self.url}{path}", json=body, timeout=60)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    import uvicorn

    from inference.engines.transformers_server.app import application
    from inference.engines.transformers_server.models import Models

    root = tmp_path_factory.mktemp("engine")
    folder = make_base(root / "tiny")
    adapters = make_adapters(folder, root)
    models = Models(folder, NAME, most_adapters=len(adapters) + 1, device="cpu", threads=1)
    app = application(models, LENGTH)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: server.started, "the engine")
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    for name, path in adapters.items():
        BACKEND.load_adapter(url, name, path, "lora")
    yield Tiny(url, folder, adapters, models, app.state.writer, {})
    server.should_exit = True
    thread.join(15)


def ask(tiny: Tiny, name: str, question: str, **params: Any) -> list[AnswerPiece]:
    params = {"temperature": 0, "max_tokens": 12} | params
    return list(BACKEND.chat(tiny.url, ChatRequest(name, chat(question), params)))


def text_of(pieces: list[AnswerPiece]) -> str:
    return "".join(piece.text for piece in pieces)


NAMES = (NAME, "lora", "ia3", "prefix", "oft", "adaption")


def expected(tiny: Tiny, name: str, question: str, tokens: int = 12) -> str:
    ids = BACKEND.tokenize(tiny.url, name, chat(question))
    return tiny.text(tiny.reference(name, ids, tokens))


@pytest.mark.parametrize("name", NAMES)
def test_greedy_answers_are_those_of_the_libraries(tiny: Tiny, name: str) -> None:
    for question in QUESTIONS:
        assert text_of(ask(tiny, name, question)) == expected(tiny, name, question)


def test_every_method_changes_the_answer(tiny: Tiny) -> None:
    """Otherwise the other tests would prove nothing."""
    told = {name: tuple(expected(tiny, name, question) for question in QUESTIONS) for name in NAMES}
    assert len(set(told.values())) == len(NAMES)


def test_answers_do_not_depend_on_who_else_asks(tiny: Tiny) -> None:
    asked = [(name, question) for question in QUESTIONS for name in NAMES] * 2
    with ThreadPoolExecutor(len(asked)) as pool:
        told = list(pool.map(lambda one: text_of(ask(tiny, *one)), asked))
    assert told == [expected(tiny, *one) for one in asked]


def test_loading_and_unloading_while_answering_changes_nothing(tiny: Tiny) -> None:
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(ask, tiny, "ia3", QUESTIONS[0], max_tokens=60)
        for _ in range(3):
            BACKEND.load_adapter(tiny.url, "another", tiny.adapters["lora"], "lora")
            assert text_of(ask(tiny, "another", QUESTIONS[1])) == expected(tiny, "lora", QUESTIONS[1])
            BACKEND.unload_adapter(tiny.url, "another")
        assert text_of(writing.result()) == expected(tiny, "ia3", QUESTIONS[0], 60)
    assert text_of(ask(tiny, NAME, QUESTIONS[0])) == expected(tiny, NAME, QUESTIONS[0])


def test_an_adapter_that_is_unloaded_ends_its_answer(tiny: Tiny) -> None:
    BACKEND.load_adapter(tiny.url, "leaving", tiny.adapters["prefix"], "lora")
    pieces = BACKEND.chat(
        tiny.url, ChatRequest("leaving", chat(QUESTIONS[0]), {"temperature": 0, "max_tokens": 100})
    )
    began = next(pieces).text + next(pieces).text
    BACKEND.unload_adapter(tiny.url, "leaving")
    assert began + text_of(list(pieces)) == expected(tiny, "prefix", QUESTIONS[0], 100)
    with pytest.raises(EngineRefused, match="does not exist"):
        ask(tiny, "leaving", QUESTIONS[0])


def test_base_weights_are_in_memory_once(tiny: Tiny) -> None:
    base = {weight.data_ptr() for weight in tiny.models.base.module.parameters()}
    for model in tiny.models.all()[1:]:
        own = {weight.data_ptr() for weight in model.module.parameters()}
        assert base <= own, model.name


def test_the_weight_check_passes(tiny: Tiny) -> None:
    result = Probe(BACKEND, tiny.url, NAME, sorted(tiny.adapters), {}).run()
    assert (result.outcome, result.reason) == ("passed", "")
    assert result.report["largest_shift"] == 0.0


# --- the protocol ------------------------------------------------------------------------------------------
def test_it_answers_the_questions_that_vllm_is_asked(tiny: Tiny, tmp_path: Path) -> None:
    """The slow test of vLLM compares a real one with the fake; here the fake stands for it."""
    shutil.copytree(tiny.adapters["lora"], tmp_path / "first")
    fake = Fake(0, NAME, str(tiny.folder))
    threading.Thread(target=fake.serve_forever, daemon=True).start()
    ours, vllm = (ask_all(url, NAME, tmp_path, method="lora") for url in (tiny.url, fake.url))
    fake.shutdown()
    fake.server_close()
    assert ours == vllm


def test_token_ids_are_the_trainers(tiny: Tiny) -> None:
    from training.runner.data import render_prompt

    conversation = [
        {"role": "system", "content": "You answer customers."},
        *chat("Ölçü 100 °C? 🚢"),
        {"role": "assistant", "content": "Yes."},
        *chat("And then?"),
    ]
    ours = render_prompt(tiny.models.tokenizer, conversation)
    assert BACKEND.tokenize(tiny.url, "prefix", conversation) == ours


def test_the_end_of_a_stream(tiny: Tiny) -> None:
    pieces = ask(tiny, "lora", QUESTIONS[0], max_tokens=3)
    assert pieces[-2].finish_reason == "length"
    assert pieces[-1].completion_tokens == 3
    assert pieces[-1].prompt_tokens == len(BACKEND.tokenize(tiny.url, "lora", chat(QUESTIONS[0])))


def test_the_stop_token_ends_an_answer(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = BACKEND.tokenize(tiny.url, NAME, chat(QUESTIONS[0]))
    written = tiny.reference(NAME, ids, 8)
    stop = (
        next(token for token in written[2:] if token not in written[:2])
        if len(set(written)) > 2
        else written[2]
    )
    first = written.index(stop)
    monkeypatch.setattr(type(tiny.models.tokenizer), "eos_token_id", property(lambda _: stop), raising=False)
    pieces = ask(tiny, NAME, QUESTIONS[0], max_tokens=50)
    assert pieces[-2].finish_reason == "stop"
    assert pieces[-1].completion_tokens == first + 1
    assert sum(1 for _ in BACKEND.keep_writing(tiny.url, NAME, "Once", 20, 30)) >= 20


def test_async_streams_are_the_same(tiny: Tiny) -> None:
    async def read() -> str:
        request = ChatRequest("prefix", chat(QUESTIONS[1]), {"temperature": 0, "max_tokens": 12})
        return "".join([piece.text async for piece in BACKEND.chat_async(tiny.url, request)])

    assert async_to_sync(read)() == expected(tiny, "prefix", QUESTIONS[1])


def test_continuations_have_the_log_probabilities_of_the_model(tiny: Tiny) -> None:
    import torch

    steps = BACKEND.continuation(tiny.url, "lora", "Where is", 4, 60)
    ids = tiny.models.tokenizer("Where is", add_special_tokens=False)["input_ids"]
    tiny.reference("lora", ids, 1)
    for step in steps:
        with torch.inference_mode():
            logits = tiny.references["lora"](input_ids=torch.tensor([ids])).logits[0, -1]
        best = int(logits.argmax())
        assert step.token == f"token_id:{best}"
        assert step.logprob == pytest.approx(float(logits.log_softmax(-1)[best]), abs=1e-4)
        assert len(step.likeliest) == 5
        ids.append(best)


def test_a_seed_repeats_an_answer_beside_others(tiny: Tiny) -> None:
    drawn = {"temperature": 1.0, "seed": 5, "max_tokens": 20}
    alone = text_of(ask(tiny, "ia3", QUESTIONS[0], **drawn))
    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(ask, tiny, "lora", QUESTIONS[1], temperature=1.0) for _ in range(3)]
        assert text_of(ask(tiny, "ia3", QUESTIONS[0], **drawn)) == alone
        [other.result() for other in others]
    assert text_of(ask(tiny, "ia3", QUESTIONS[0], **(drawn | {"seed": 6}))) != alone


def test_a_tiny_top_p_is_greedy_and_penalties_end_repetition(tiny: Tiny) -> None:
    sure = text_of(ask(tiny, NAME, QUESTIONS[0], temperature=1.5, top_p=0.0001))
    assert sure == expected(tiny, NAME, QUESTIONS[0])
    body = {
        "model": NAME,
        "prompt": "Where is",
        "max_tokens": 40,
        "temperature": 0,
        "logprobs": 1,
        "ignore_eos": True,
    }
    plain = tiny.post("/v1/completions", body).json()["choices"][0]["logprobs"]["tokens"]
    varied = tiny.post("/v1/completions", body | {"presence_penalty": 2, "frequency_penalty": 2}).json()
    tokens = varied["choices"][0]["logprobs"]["tokens"]
    assert len(set(tokens)) > len(set(plain))


def test_draws_follow_the_probabilities(tiny: Tiny) -> None:
    """Of 300 first tokens the likeliest appears as often as its probability says, to within four standard deviations."""
    step = BACKEND.continuation(tiny.url, NAME, "Where is", 1, 60)[0]
    share, n = 2.718281828**step.logprob, 300
    body = {"model": NAME, "prompt": "Where is", "max_tokens": 1, "temperature": 1, "logprobs": 1}
    with httpx.Client(base_url=tiny.url, timeout=60) as http:
        drawn = [
            http.post("/v1/completions", json=body | {"seed": seed}).json()["choices"][0]["logprobs"][
                "tokens"
            ][0]
            for seed in range(n)
        ]
    assert abs(drawn.count(step.token) - n * share) < 4 * (n * share * (1 - share)) ** 0.5 + 1


def test_stop_sequences_end_before_themselves(tiny: Tiny) -> None:
    whole = text_of(ask(tiny, "ia3", QUESTIONS[2], max_tokens=30))
    word = whole[len(whole) // 2 :][:2]
    pieces = ask(tiny, "ia3", QUESTIONS[2], max_tokens=30, stop=[word, "never there"])
    assert text_of(pieces) == whole[: whole.index(word)]
    assert pieces[-2].finish_reason == "stop"


def test_an_answer_that_is_not_streamed(tiny: Tiny) -> None:
    body = {"model": "oft", "messages": chat(QUESTIONS[0]), "max_tokens": 12, "temperature": 0}
    told = tiny.post("/v1/chat/completions", body).json()
    assert told["object"] == "chat.completion"
    assert told["choices"][0]["message"]["content"] == expected(tiny, "oft", QUESTIONS[0])
    assert told["usage"]["completion_tokens"] == 12


def test_readers_who_leave_stop_the_writing(tiny: Tiny) -> None:
    body = {"model": "lora", "messages": chat("a"), "temperature": 0, "ignore_eos": True}
    with httpx.stream("POST", f"{tiny.url}/v1/chat/completions", json=body | {"stream": True}) as answer:
        next(answer.iter_lines())
        assert tiny.writer.open == 1
    wait_for(lambda: tiny.writer.open == 0, "the end of the streamed answer", 10)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{tiny.url}/v1/completions",
            json={"model": "lora", "prompt": "a", "max_tokens": 250},
            timeout=0.01,
        )
    wait_for(lambda: tiny.writer.open == 0, "the end of the other answer", 10)


def test_a_full_queue_is_refused_and_empties(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiny.writer, "_room", threading.BoundedSemaphore(2))
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, tiny, NAME, QUESTIONS[0], max_tokens=100) for _ in range(8)]
        refused = [error for one in asked if (error := one.exception())]
    assert refused
    assert all(isinstance(error, EngineRefused) and error.status == 503 for error in refused)
    assert text_of(ask(tiny, NAME, QUESTIONS[0])) == expected(tiny, NAME, QUESTIONS[0])


def test_an_error_while_writing_reaches_the_reader(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: Any) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(tiny.models.base.module, "generate", broken)
    with pytest.raises(EngineRefused, match="out of memory"):
        ask(tiny, NAME, QUESTIONS[0])
    monkeypatch.undo()
    assert text_of(ask(tiny, NAME, QUESTIONS[0])) == expected(tiny, NAME, QUESTIONS[0])


def test_lengths(tiny: Tiny) -> None:
    long = chat("word " * 300)
    for name in (NAME, "prefix"):
        for params in ({}, {"max_tokens": 5}):
            with pytest.raises(EngineRefused, match="maximum context length"):
                list(BACKEND.chat(tiny.url, ChatRequest(name, long, params)))
        with pytest.raises(EngineRefused, match="maximum context length"):
            ask(tiny, name, "a", max_tokens=5000)
    # Without a limit an answer gets the rest of the context; the prefix takes six places of it.
    for name, taken in ((NAME, 0), ("prefix", 6)):
        body = {"model": name, "messages": chat("a"), "temperature": 0, "ignore_eos": True}
        told = tiny.post("/v1/chat/completions", body).json()["usage"]
        assert told["total_tokens"] == LENGTH - taken


GOOD = {"model": NAME, "messages": [{"role": "user", "content": "a"}], "max_tokens": 2}


@pytest.mark.parametrize(
    ("change", "status", "names"),
    [
        ({"model": "nobody"}, 404, "nobody"),
        ({"model": 7}, 400, "model"),
        ({"messages": []}, 400, "messages"),
        ({"messages": "a"}, 400, "messages"),
        ({"messages": [{"role": "user"}]}, 400, "messages[0]"),
        ({"messages": [{"role": "user", "content": ["a"]}]}, 400, "messages[0]"),
        ({"messages": [None]}, 400, "messages[0]"),
        ({"temperature": 3}, 400, "temperature"),
        ({"temperature": "hot"}, 400, "temperature"),
        ({"temperature": True}, 400, "temperature"),
        ({"top_p": 1.1}, 400, "top_p"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"max_tokens": 1.5}, 400, "max_tokens"),
        ({"seed": 2**64}, 400, "seed"),
        ({"stop": [""]}, 400, "stop"),
        ({"stop": 5}, 400, "stop"),
        ({"stream": "yes"}, 400, "stream"),
        ({"stream_options": []}, 200, ""),
        ({"stream_options": 5}, 400, "stream_options"),
        ({"n": 2}, 400, "n"),
        ({"tools": [{}]}, 400, "tools"),
        ({"logprobs": -1}, 400, "logprobs"),
    ],
)
def test_bad_requests_are_refused_by_name(tiny: Tiny, change: Any, status: int, names: str) -> None:
    answer = tiny.post("/v1/chat/completions", GOOD | change)
    assert answer.status_code == status
    if status != 200:
        error = answer.json()["error"]
        assert sorted(error) == ["code", "message", "param", "type"]
        assert names in error["message"]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"[" * 100_000, b"\xff", b'{"model": NaN}'])
def test_garbage_is_refused(tiny: Tiny, data: bytes) -> None:
    for path in (
        "/v1/chat/completions",
        "/v1/completions",
        "/tokenize",
        "/v1/load_lora_adapter",
        "/v1/unload_lora_adapter",
    ):
        answer = httpx.post(f"{tiny.url}{path}", content=data, timeout=30)
        assert answer.status_code == 400, path
        assert answer.json()["error"]["message"]


def test_a_large_body_is_refused(tiny: Tiny) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(6):
            yield b" " * 1_000_000

    assert httpx.post(f"{tiny.url}/v1/chat/completions", content=parts()).status_code == 413
    assert httpx.get(f"{tiny.url}/v1/nothing").json()["error"]["code"] == 404
    assert httpx.get(f"{tiny.url}/v1/chat/completions").json()["error"]["code"] == 405


def test_what_it_does_not_load(tiny: Tiny, tmp_path: Path) -> None:
    def load(name: str, path: Path, method: str = "lora") -> EngineRefused:
        with pytest.raises(EngineRefused) as refused:
            BACKEND.load_adapter(tiny.url, name, path, method)
        return refused.value

    (tmp_path / "adapter_config.json").write_text("{}")
    lora = tiny.adapters["lora"]
    assert "already been loaded" in load("lora", lora).message
    assert "already been loaded" in load(NAME, lora).message
    assert load("x", tmp_path / "missing").status == 404
    assert load("x", tmp_path).status == 500
    assert "No training method" in load("x", lora, "magic").message
    assert "complete weights" in load("x", tiny.folder, "full").message
    BACKEND.load_adapter(tiny.url, "last", lora, "lora")
    assert load("x", lora).status == 409
    BACKEND.unload_adapter(tiny.url, "last")
    with pytest.raises(EngineRefused, match="cannot be found"):
        BACKEND.unload_adapter(tiny.url, "last")
    served = {one.name: (one.path, one.parent) for one in BACKEND.served(tiny.url)}
    assert served == {NAME: (str(tiny.folder), "")} | {
        name: (str(path), NAME) for name, path in tiny.adapters.items()
    }


def test_an_engine_that_is_not_there(tiny: Tiny) -> None:
    assert BACKEND.healthy(tiny.url)
    assert not BACKEND.healthy("http://127.0.0.1:9")
    with pytest.raises(EngineAway):
        BACKEND.served("http://127.0.0.1:9")


# --- text out of tokens ------------------------------------------------------------------------------------
class Bytes:
    """A tokenizer with a token for each byte."""

    def decode(self, ids: list[int], **_: Any) -> str:
        return bytes(ids).decode(errors="replace")


@given(st.text(max_size=40), st.lists(st.text(min_size=1, max_size=4), max_size=3))
def test_text_comes_whole_and_without_stop_sequences(text: str, stop: list[str]) -> None:
    from inference.engines.transformers_server.text import Text

    text = text.encode(errors="ignore").decode()
    stop = [word for word in stop if word.encode(errors="ignore").decode() == word]
    written, told = Text(Bytes(), stop), ""
    for byte in text.encode():
        told += written.add(byte)
        if written.stopped:
            break
    else:
        told += written.rest()
    first = min((at for word in stop if (at := text.find(word)) >= 0), default=None)
    if first is None:
        assert told == text
    else:
        assert written.stopped
        # A shorter sequence may begin inside a longer one and be complete first.
        assert not any(word in told for word in stop)
        assert text.startswith(told)


def test_turns_go_round() -> None:
    from inference.engines.transformers_server.writing import Turns

    turns, order = Turns(), []

    def work(name: str) -> None:
        for _ in range(3):
            with turns:
                order.append(name)
                time.sleep(0.02)

    turns.take()
    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    turns.give()
    for thread in threads:
        thread.join()
    assert "".join(order) == "abcabcabc"


def test_the_process_needs_no_settings(tmp_path: Path) -> None:
    """It is started without the addresses and secrets of this program (inference.engines.process)."""
    import subprocess
    import sys

    from django.conf import settings

    code = "import inference.engines.transformers_server.app, json, sys; print(json.dumps('django.apps' in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(settings.BASE_DIR), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.strip().split("\n")[-1]) in (True, False)
