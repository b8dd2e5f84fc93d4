"""The middleware for prompt tuning around a small stand-in for vLLM's routes, which shows what reaches vLLM."""

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgiref.sync import async_to_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from tests.training.tiny import make_model

LENGTH = 40
VECTORS = 4
TOKENS = [5, 7, 9]


class Inner:
    """Stands for vLLM: keeps each `/v1/completions` it gets, and answers with three pieces."""

    def __init__(self, folder: Path) -> None:
        from starlette.applications import Starlette
        from starlette.routing import Route

        self.folder = folder
        self.asked: list[dict[str, Any]] = []
        self.plain: list[tuple[str, Any]] = []
        self.began, self.ended = asyncio.Event(), asyncio.Event()
        self.endless = False
        others = ("/v1/chat/completions", "/v1/load_lora_adapter", "/v1/unload_lora_adapter")
        self.app = Starlette(
            routes=[
                Route("/v1/models", self.models),
                Route("/tokenize", self.tokenize, methods=["POST"]),
                Route("/v1/completions", self.completions, methods=["POST"]),
                *(Route(path, self.other, methods=["POST"]) for path in others),
            ]
        )

    async def models(self, request: Request) -> Response:
        card = {
            "id": "base",
            "root": str(self.folder),
            "parent": None,
            "max_model_len": LENGTH,
            "owned_by": "vllm",
        }
        return JSONResponse({"object": "list", "data": [card]})

    async def tokenize(self, request: Request) -> Response:
        body = await request.json()
        if body.get("messages") == []:
            return JSONResponse({"error": {"message": "Nothing to render."}}, 400)
        return JSONResponse({"tokens": TOKENS, "asked": body})

    async def pieces(self) -> AsyncIterator[str]:
        try:
            for text in ("One", " two", "."):
                choice = {"index": 0, "text": text, "finish_reason": "stop" if text == "." else None}
                told = f"data: {json.dumps({'model': 'base', 'choices': [choice]})}\n\n"
                # Cut anywhere, as networks do.
                yield told[:9]
                yield told[9:]
            while self.endless:
                await asyncio.sleep(0.01)
                yield f"data: {json.dumps({'choices': [{'index': 0, 'text': '!'}]})}\n\n"
            usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
            yield f"data: {json.dumps({'model': 'base', 'choices': [], 'usage': usage})}\n\n"
            yield "data: [DONE]\n\n"
        finally:
            self.ended.set()

    async def completions(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append(body)
        self.began.set()
        if body.get("temperature") == 9:
            return JSONResponse({"error": {"message": "temperature must be in [0, 2]"}}, 400)
        if body.get("stream"):
            return StreamingResponse(self.pieces(), media_type="text/event-stream")
        if self.endless:
            assert (await request.receive())["type"] == "http.disconnect"
            self.ended.set()
            return JSONResponse(None)  # as vLLM
        choice = {"index": 0, "text": "One two.", "finish_reason": "stop", "logprobs": {"tokens": ["a"]}}
        usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        return JSONResponse({"id": "cmpl-1", "model": "base", "choices": [choice], "usage": usage})

    async def other(self, request: Request) -> Response:
        self.plain.append((request.url.path, await request.json()))
        return JSONResponse({"plain": True})


class Asked:
    """The middleware around `inner`, asked in this process."""

    def __init__(self, inner: Inner, soft: Path) -> None:
        from inference.engines.soft_prompts import SoftPrompts

        self.inner, self.soft = inner, soft
        self.app = SoftPrompts(inner.app)

    def post(self, path: str, body: Any) -> httpx.Response:
        return self.send("POST", path, body)

    def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://engine") as http:
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                return await http.request(method, path, content=data)

        return async_to_sync(ask)()

    def load(self, name: str = "soft") -> httpx.Response:
        return self.post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(self.soft)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("soft") / "tiny")


@pytest.fixture(scope="module")
def soft(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A soft prompt as PEFT stores it."""
    import torch
    from peft import PromptTuningConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
        PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=VECTORS),
    )
    path = tmp_path_factory.mktemp("soft") / "prompt"
    model.save_pretrained(path)
    return path


@pytest.fixture
def engine(folder: Path, soft: Path) -> Asked:
    return Asked(Inner(folder), soft)


@pytest.fixture
def loaded(engine: Asked) -> Asked:
    assert engine.load().status_code == 200
    return engine


CHAT = {"model": "soft", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0, "max_tokens": 5}


def test_the_vectors_stand_before_the_embeddings_of_the_chat(loaded: Asked, folder: Path, soft: Path) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    told = loaded.post("/v1/chat/completions", CHAT).json()
    assert told["model"] == "soft"
    assert told["object"] == "chat.completion"
    assert told["choices"][0]["message"] == {"role": "assistant", "content": "One two."}
    assert told["choices"][0]["finish_reason"] == "stop"
    assert told["usage"] == {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}
    asked = loaded.inner.asked[0]
    sent = torch.load(io.BytesIO(base64.b64decode(asked.pop("prompt_embeds"))), weights_only=True)
    table = AutoModelForCausalLM.from_pretrained(folder).get_input_embeddings().weight
    vectors = load_file(soft / "adapter_model.safetensors")["prompt_embeddings"]
    assert sent.dtype == torch.bfloat16
    assert torch.equal(sent, torch.cat([vectors.to(torch.bfloat16), table[TOKENS].to(torch.bfloat16)]))
    assert asked == {"model": "base", "temperature": 0, "max_tokens": 5}


def test_streams_have_the_form_of_a_chat(loaded: Asked) -> None:
    options = {"stream": True, "stream_options": {"include_usage": True}}
    answer = loaded.post("/v1/chat/completions", CHAT | options)
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in answer.text.split("\n\n") if line]
    assert lines[-1] == "data: [DONE]"
    events = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    assert {event["model"] for event in events} == {"soft"}
    deltas = [event["choices"][0]["delta"] for event in events if event["choices"]]
    assert deltas == [
        {"role": "assistant", "content": ""},
        {"content": "One"},
        {"content": " two"},
        {"content": "."},
    ]
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    assert events[-1]["usage"] == {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}


def test_continuations_keep_their_form(loaded: Asked) -> None:
    body = {
        "model": "soft",
        "prompt": "Once",
        "max_tokens": 3,
        "logprobs": 5,
        "cache_salt": "x",
        "ignore_eos": True,
    }
    told = loaded.post("/v1/completions", body).json()
    assert told["choices"][0]["logprobs"] == {"tokens": ["a"]}
    assert told["model"] == "soft"
    asked = loaded.inner.asked[0]
    assert {"logprobs", "cache_salt", "ignore_eos"} < set(asked)
    assert "prompt" not in asked


@pytest.mark.parametrize("stream", [True, False])
def test_readers_who_leave_end_the_answer(loaded: Asked, stream: bool) -> None:
    loaded.inner.endless = True

    async def leave() -> list[Any]:
        loaded.inner.began, loaded.inner.ended = asyncio.Event(), asyncio.Event()
        body = json.dumps(CHAT | {"stream": stream}).encode()
        gone = asyncio.Event()
        unread = [{"type": "http.request", "body": body}]
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            if unread:
                return unread.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)
            if b"two" in message.get("body", b""):
                gone.set()

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/chat/completions",
            "query_string": b"",
            "headers": [],
        }
        work = asyncio.create_task(loaded.app(scope, receive, send))
        if not stream:
            await asyncio.wait_for(loaded.inner.began.wait(), 20)
            gone.set()
        await asyncio.wait_for(loaded.inner.ended.wait(), 20)
        await asyncio.wait_for(work, 20)
        return sent

    sent = async_to_sync(leave)()
    assert bool(sent) == stream


def test_other_models_pass_unchanged(loaded: Asked) -> None:
    for path in ("/v1/chat/completions", "/v1/unload_lora_adapter", "/v1/load_lora_adapter"):
        body = {"model": "base", "lora_name": "lora", "lora_path": "/somewhere", "more": ["a"]}
        assert loaded.post(path, body).json() == {"plain": True}
        assert loaded.inner.plain[-1] == (path, body)
    for odd in (["soft"], {"soft": 1}, None, 5):
        assert loaded.post("/v1/chat/completions", {"model": odd}).json() == {"plain": True}


def test_names(loaded: Asked) -> None:
    cards = loaded.send("GET", "/v1/models").json()["data"]
    assert [(card["id"], card["root"], card["parent"]) for card in cards][1] == (
        "soft",
        str(loaded.soft),
        "base",
    )
    assert cards[1]["owned_by"] == "vllm"
    assert loaded.load().status_code == 400
    assert loaded.load("base").status_code == 400
    assert loaded.post("/v1/load_lora_adapter", {"lora_name": "soft", "lora_path": "/x"}).status_code == 400
    asked = loaded.post("/tokenize", {"model": "soft", "messages": CHAT["messages"]}).json()
    assert asked == {"tokens": TOKENS, "asked": {"model": "base", "messages": CHAT["messages"]}}
    assert loaded.post("/v1/unload_lora_adapter", {"lora_name": "soft"}).status_code == 200
    assert len(loaded.send("GET", "/v1/models").json()["data"]) == 1
    assert loaded.post("/v1/unload_lora_adapter", {"lora_name": "soft"}).json() == {"plain": True}


def test_limits_and_refusals(loaded: Asked) -> None:
    def error(**fields: Any) -> str:
        answer = loaded.post("/v1/chat/completions", CHAT | fields)
        assert answer.status_code == 400
        return str(answer.json()["error"]["message"])

    most = LENGTH - VECTORS - len(TOKENS)
    assert "maximum context length is 36 tokens" in error(max_tokens=most + 1)
    assert error(temperature=9) == "temperature must be in [0, 2]"
    assert error(messages=[]) == "Nothing to render."
    body = {name: value for name, value in CHAT.items() if name != "max_tokens"}
    loaded.post("/v1/chat/completions", body)
    assert loaded.inner.asked[-1]["max_tokens"] == most
    loaded.post("/v1/chat/completions", body | {"max_completion_tokens": 2})
    assert loaded.inner.asked[-1]["max_tokens"] == 2
    assert loaded.post("/v1/chat/completions", b" " * 5_000_000).status_code == 413


def _damage(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(path / "adapter_model.safetensors")
    change(weights)
    save_file(weights, path / "adapter_model.safetensors")


def test_soft_prompts_that_do_not_fit_are_refused(engine: Asked, tmp_path: Path) -> None:
    import shutil

    narrow, empty = tmp_path / "narrow", tmp_path / "empty"
    for path in (narrow, empty):
        shutil.copytree(engine.soft, path)
    _damage(
        narrow,
        lambda weights: weights.update(prompt_embeddings=weights["prompt_embeddings"][:, :8].contiguous()),
    )
    (empty / "adapter_model.safetensors").write_bytes(b"")
    for path, status in ((narrow, 400), (empty, 500)):
        refused = engine.post("/v1/load_lora_adapter", {"lora_name": "x", "lora_path": str(path)})
        assert refused.status_code == status
        assert refused.json()["error"]["message"]
    assert len(engine.send("GET", "/v1/models").json()["data"]) == 1
