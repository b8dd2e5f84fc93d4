"""Prompt tuning in vLLM: an ASGI middleware inside vLLM's own web server (its option `--middleware`).

vLLM has no soft prompts, but with `--enable-prompt-embeds` its `/v1/completions` takes the embeddings of a prompt. So a chat for
a version trained by prompt tuning becomes one for the base model: vLLM's own `/tokenize` renders it, the tokens' embeddings come
from the base model's stored weights, the trained vectors are put before them, and the answer is given the chat's form again.
All other requests pass through unchanged. Soft prompts are loaded, unloaded and listed at vLLM's routes for adapters.
"""

import asyncio
import base64
import io
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MAX_BODY = 4 * 1024 * 1024
ROUTES = {
    "/v1/models", "/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/tokenize", "/v1/chat/completions", "/v1/completions",
}  # fmt: skip
# Models that scale their token embeddings: the stored table is not what enters their first layer.
SCALED = ("gemma",)


class Refused(Exception):
    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class SoftPrompt:
    """`vectors`: (virtual tokens, hidden size)."""

    path: str
    vectors: Any


@dataclass(frozen=True)
class Inner:
    """A complete answer of vLLM."""

    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class SoftPrompts:
    def __init__(self, app: App) -> None:
        self.app = app
        self.prompts: dict[str, SoftPrompt] = {}
        self._table: Any = None  # (vocabulary, hidden size), mapped from the file

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in ROUTES:
            await self.app(scope, receive, send)
            return
        if scope["path"] == "/v1/models":
            await self._models(scope, send)
            return
        try:
            data = await _read(receive)
        except Refused as error:
            await _refuse(send, error)
            return
        body = _object(data)
        name = body.get("lora_name") if "lora_adapter" in scope["path"] else body.get("model")
        try:
            if scope["path"] == "/v1/load_lora_adapter" and is_soft_prompt(body.get("lora_path")):
                await self._load(scope, send, str(name), str(body["lora_path"]))
            elif name not in self.prompts:
                await self.app(scope, _again(data, receive), send)
            elif scope["path"] == "/v1/unload_lora_adapter":
                del self.prompts[name]
                await _respond(send, 200, f"Success: soft prompt '{name}' removed successfully.")
            elif scope["path"] == "/tokenize":
                await _pass_on(
                    send, await self._ask(scope, "/tokenize", body | {"model": await self._base(scope)})
                )
            else:
                await self._answer(scope, receive, send, name, body)
        except Refused as error:
            await _refuse(send, error)

    # --- names ---------------------------------------------------------------------------------------------
    async def _cards(self, scope: Message) -> Inner:
        return await self._ask(scope, "/v1/models", None)

    async def _card(self, scope: Message) -> dict[str, Any]:
        """The base model's card."""
        cards = (await self._cards(scope)).json()["data"]
        return next(card for card in cards if not card.get("parent"))

    async def _base(self, scope: Message) -> str:
        return str((await self._card(scope))["id"])

    async def _models(self, scope: Message, send: Send) -> None:
        answer = await self._cards(scope)
        if answer.status == 200:
            told = answer.json()
            base = next((card for card in told["data"] if not card.get("parent")), {})
            told["data"] += [
                base | {"id": name, "root": prompt.path, "parent": base.get("id")}
                for name, prompt in self.prompts.items()
            ]
            answer = Inner(200, json.dumps(told).encode())
        await _pass_on(send, answer)

    async def _load(self, scope: Message, send: Send, name: str, path: str) -> None:
        card = await self._card(scope)
        if name in self.prompts or name in {one["id"] for one in (await self._cards(scope)).json()["data"]}:
            raise Refused(f"The soft prompt '{name}' has already been loaded.")
        try:
            if self._table is None:
                self._table = await asyncio.to_thread(embedding_table, Path(card["root"]))
            vectors = await asyncio.to_thread(read_vectors, Path(path), self._table.shape[1])
        except Refused:
            raise
        except Exception as error:  # each library has its own errors for files that do not fit
            raise Refused(f"Loading {name} failed: {type(error).__name__}: {error}", 500) from error
        self.prompts[name] = SoftPrompt(path, vectors)
        await _respond(send, 200, f"Success: soft prompt '{name}' added successfully.")

    # --- answers -------------------------------------------------------------------------------------------
    async def _answer(
        self, scope: Message, receive: Receive, send: Send, name: str, body: dict[str, Any]
    ) -> None:
        card = await self._card(scope)
        is_chat = scope["path"] == "/v1/chat/completions"
        question = (
            {"messages": body.get("messages"), "add_generation_prompt": True}
            if is_chat
            else {"prompt": body.get("prompt"), "add_special_tokens": False}
        )
        rendered = await self._ask(scope, "/tokenize", {"model": card["id"], **question})
        if rendered.status != 200:
            await _pass_on(send, rendered)
            return
        tokens = rendered.json()["tokens"]
        prompt = self.prompts[name]
        asked = as_completion(
            body, len(tokens), len(prompt.vectors), int(card["max_model_len"]), is_chat=is_chat
        )
        asked |= {"model": card["id"], "prompt_embeds": await asyncio.to_thread(self._embeds, prompt, tokens)}
        form = Form(name, len(tokens), is_chat=is_chat)
        gone = asyncio.Event()
        watch = asyncio.create_task(_watch(receive, gone))
        try:
            if body.get("stream"):
                await self._stream(scope, send, asked, form, gone)
            else:
                answer = await self._ask(scope, "/v1/completions", asked, gone)
                if answer.status == 200:
                    answer = Inner(200, json.dumps(form.whole(answer.json())).encode())
                await _pass_on(send, answer)
        finally:
            gone.set()
            watch.cancel()

    def _embeds(self, prompt: SoftPrompt, tokens: list[int]) -> str:
        import torch

        own = self._table[torch.tensor(tokens, dtype=torch.long)]
        file = io.BytesIO()
        torch.save(torch.cat([prompt.vectors.to(own.dtype), own]), file)
        return base64.b64encode(file.getvalue()).decode()

    async def _stream(
        self, scope: Message, send: Send, asked: dict[str, Any], form: "Form", gone: asyncio.Event
    ) -> None:
        async with aclosing(self._parts(scope, "/v1/completions", asked, gone)) as parts:
            start = await anext(parts)
            await send(start)
            if start["status"] != 200:
                async for part in parts:
                    await send(part)
                return
            for event in form.first():
                await send({"type": "http.response.body", "body": event, "more_body": True})
            rest = b""
            async for part in parts:
                *events, rest = (rest + part.get("body", b"")).split(b"\n\n")
                told = b"".join(form.event(event) for event in events)
                await send(
                    {"type": "http.response.body", "body": told, "more_body": part.get("more_body", False)}
                )

    # --- requests to vLLM in this process -------------------------------------------------------------------
    async def _ask(
        self, scope: Message, path: str, body: dict[str, Any] | None, gone: asyncio.Event | None = None
    ) -> Inner:
        status, data = 500, b""
        async with aclosing(self._parts(scope, path, body, gone or asyncio.Event())) as parts:
            async for part in parts:
                status = part.get("status", status)
                data += part.get("body", b"")
        return Inner(status, data)

    async def _parts(
        self, scope: Message, path: str, body: dict[str, Any] | None, gone: asyncio.Event
    ) -> AsyncIterator[Message]:
        """The messages of vLLM's response. `gone` tells vLLM that the reader left."""
        data = b"" if body is None else json.dumps(body).encode()
        told: asyncio.Queue[Message | None] = asyncio.Queue()

        async def receive() -> Message:
            nonlocal data
            if data is not None:
                whole, data = data, None  # type: ignore[assignment]
                return {"type": "http.request", "body": whole, "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
        request = {
            **scope,
            "method": "GET" if body is None else "POST",
            "path": path,
            "raw_path": path.encode(),
            "headers": headers,
            "state": dict(scope.get("state", {})),
        }

        async def work() -> None:
            try:
                await self.app(request, receive, told.put)
            finally:
                await told.put(None)

        task = asyncio.create_task(work())
        try:
            while (part := await told.get()) is not None:
                yield part
            await task  # raises what vLLM raised
        finally:
            gone.set()
            task.cancel()


class Form:
    """Gives answers of `/v1/completions` the name of the version, and the form of a chat if one was asked for. The count of
    prompt tokens is the chat's own, without the trained vectors, as for every other version."""

    def __init__(self, name: str, prompt_tokens: int, *, is_chat: bool) -> None:
        self.name, self.prompt_tokens, self.is_chat = name, prompt_tokens, is_chat
        self.id, self.created = f"chatcmpl-{uuid.uuid4().hex}", int(time.time())

    def first(self) -> list[bytes]:
        if not self.is_chat:
            return []
        choice = {
            "index": 0,
            "delta": {"role": "assistant", "content": ""},
            "logprobs": None,
            "finish_reason": None,
        }
        head = {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.name}
        return [_event(head | {"choices": [choice]})]

    def event(self, event: bytes) -> bytes:
        data = event.removeprefix(b"data: ")
        if not event.startswith(b"data: ") or data == b"[DONE]":
            return event + b"\n\n"
        told = json.loads(data)
        if "error" in told:
            return event + b"\n\n"
        return _event(self._named(told, self._delta, "chat.completion.chunk"))

    def whole(self, told: dict[str, Any]) -> dict[str, Any]:
        return self._named(told, self._message, "chat.completion")

    def _named(
        self, told: dict[str, Any], choice: Callable[[dict[str, Any]], dict[str, Any]], kind: str
    ) -> dict[str, Any]:
        named = told | {"model": self.name}
        if usage := told.get("usage"):
            written = usage.get("completion_tokens") or 0
            named["usage"] = {
                "prompt_tokens": self.prompt_tokens,
                "completion_tokens": written,
                "total_tokens": self.prompt_tokens + written,
            }
        if self.is_chat:
            named |= {"id": self.id, "object": kind, "choices": [choice(one) for one in told["choices"]]}
        return named

    def _delta(self, choice: dict[str, Any]) -> dict[str, Any]:
        return self._choice(choice) | {"delta": {"content": choice.get("text") or ""}}

    def _message(self, choice: dict[str, Any]) -> dict[str, Any]:
        return self._choice(choice) | {"message": {"role": "assistant", "content": choice.get("text") or ""}}

    def _choice(self, choice: dict[str, Any]) -> dict[str, Any]:
        return {"index": choice["index"], "logprobs": None, "finish_reason": choice.get("finish_reason")}


def as_completion(
    body: dict[str, Any], tokens: int, vectors: int, context_length: int, *, is_chat: bool
) -> dict[str, Any]:
    """The fields of a request for `/v1/completions`, without model and prompt. A chat without a limit gets the rest of the
    context."""
    kept = {
        name: value
        for name, value in body.items()
        if name not in ("model", "messages", "prompt", "max_completion_tokens", "add_generation_prompt")
    }
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    room = context_length - vectors - tokens
    if room < 1 or (isinstance(most, int) and most > room):
        raise Refused(
            f"This model's maximum context length is {context_length - vectors} tokens. The prompt has {tokens}, and "
            f"{most or 'at least 1'} more were requested."
        )
    if most is not None:
        kept["max_tokens"] = most
    elif is_chat:
        kept["max_tokens"] = room
    return kept


# --- files -------------------------------------------------------------------------------------------------
def is_soft_prompt(path: Any) -> bool:
    """Whether the folder has an adapter of PEFT's prompt tuning."""
    try:
        config = json.loads((Path(path) / "adapter_config.json").read_text())
    except (OSError, ValueError, TypeError):
        return False
    return isinstance(config, dict) and config.get("peft_type") == "PROMPT_TUNING"


def read_vectors(folder: Path, hidden: int) -> Any:
    from safetensors.torch import load_file

    weights = load_file(folder / "adapter_model.safetensors")
    vectors = weights["prompt_embeddings"]
    if vectors.dim() != 2 or vectors.shape[1] != hidden:
        raise Refused(f"Its vectors have the shape {tuple(vectors.shape)}; the model needs width {hidden}.")
    return vectors


def embedding_table(folder: Path) -> Any:
    """The token embeddings of the stored model, mapped from their file, in its precision."""
    import torch
    from safetensors import safe_open
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    embedding = model.get_input_embeddings()
    if type(embedding) is not torch.nn.Embedding or config.model_type.startswith(SCALED):
        raise Refused(
            f"Models of type {config.model_type} scale their embeddings; prompt tuning is not served for them."
        )
    name = next(key for key, module in model.named_modules() if module is embedding) + ".weight"
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as weights:
            if name in weights.keys():  # noqa: SIM118 (not a dict)
                return weights.get_tensor(name)
    raise Refused(f"The stored model has no weight named {name}.")


# --- HTTP --------------------------------------------------------------------------------------------------
async def _read(receive: Receive) -> bytes:
    data = bytearray()
    while True:
        message = await receive()
        data += message.get("body", b"")
        if len(data) > MAX_BODY:
            raise Refused(f"The body is larger than {MAX_BODY} bytes.", 413)
        if not message.get("more_body"):
            return bytes(data)


def _object(data: bytes) -> dict[str, Any]:
    """The body, or {} for one that vLLM will refuse itself."""
    try:
        body = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _again(data: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once more."""
    given = False

    async def once_more() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": data, "more_body": False}

    return once_more


async def _watch(receive: Receive, gone: asyncio.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    gone.set()


def _event(body: Any) -> bytes:
    return f"data: {json.dumps(body)}\n\n".encode()


async def _respond(send: Send, status: int, body: bytes | str, kind: str = "text/plain") -> None:
    data = body.encode() if isinstance(body, str) else body
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


async def _pass_on(send: Send, answer: Inner) -> None:
    await _respond(send, answer.status, answer.body, "application/json")


async def _refuse(send: Send, error: Refused) -> None:
    told = {"message": str(error), "type": "BadRequestError", "param": None, "code": error.status}
    await _respond(send, error.status, json.dumps({"error": told}), "application/json")
