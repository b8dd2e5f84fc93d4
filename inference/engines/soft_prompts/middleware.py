"""The middleware: decides which requests are for soft prompts."""

import asyncio
import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

from inference.engines.soft_prompts.answer_forms import Form, as_completion
from inference.engines.soft_prompts.asgi import (
    App,
    Inner,
    InnerApp,
    Message,
    NotServed,
    Receive,
    Send,
    again,
    json_object,
    pass_on,
    read,
    refuse,
    respond,
    watch,
)
from inference.engines.soft_prompts.vectors import (
    SoftPrompt,
    embedding_table,
    is_soft_prompt,
    prompt_embeds,
    read_vectors,
)

ROUTES = {
    "/v1/models", "/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/tokenize", "/v1/chat/completions", "/v1/completions",
}  # fmt: skip


class SoftPrompts:
    def __init__(self, app: App) -> None:
        self.app = app
        self.inner = InnerApp(app)
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
            data = await read(receive)
        except NotServed as error:
            await refuse(send, error)
            return
        body = json_object(data)
        told = body.get("lora_name") if "lora_adapter" in scope["path"] else body.get("model")
        name = told if isinstance(told, str) else ""
        loads = scope["path"] == "/v1/load_lora_adapter"
        known = name in self.prompts
        try:
            if loads and (known or is_soft_prompt(body.get("lora_path"))):
                await self._load(scope, send, name, str(body.get("lora_path")))
            elif not known:
                await self.app(scope, again(data, receive), send)
            elif scope["path"] == "/v1/unload_lora_adapter":
                del self.prompts[name]
                await respond(send, 200, f"Success: soft prompt '{name}' removed successfully.")
            elif scope["path"] == "/tokenize":
                await pass_on(
                    send, await self.inner.ask(scope, "/tokenize", body | {"model": await self._base(scope)})
                )
            else:
                await self._answer(scope, receive, send, name, body)
        except NotServed as error:
            await refuse(send, error)

    # --- names ---------------------------------------------------------------------------------------------
    async def _cards(self, scope: Message) -> Inner:
        return await self.inner.ask(scope, "/v1/models", None)

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
            base: dict[str, Any] = next((card for card in told["data"] if not card.get("parent")), {})
            told["data"] += [
                base | {"id": name, "root": prompt.path, "parent": base.get("id")}
                for name, prompt in self.prompts.items()
            ]
            answer = Inner(200, json.dumps(told).encode())
        await pass_on(send, answer)

    async def _load(self, scope: Message, send: Send, name: str, path: str) -> None:
        if not name:
            raise NotServed("'lora_name' must be a text that is not empty.")
        card = await self._card(scope)
        if name in self.prompts or name in {one["id"] for one in (await self._cards(scope)).json()["data"]}:
            raise NotServed(f"The soft prompt '{name}' has already been loaded.")
        try:
            if self._table is None:
                self._table = await asyncio.to_thread(embedding_table, Path(card["root"]))
            vectors = await asyncio.to_thread(read_vectors, Path(path), self._table.shape[1])
        except NotServed:
            raise
        except Exception as error:  # each library has its own errors for files that do not fit
            raise NotServed(f"Loading {name} failed: {type(error).__name__}: {error}", 500) from error
        self.prompts[name] = SoftPrompt(path, vectors)
        await respond(send, 200, f"Success: soft prompt '{name}' added successfully.")

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
        rendered = await self.inner.ask(scope, "/tokenize", {"model": card["id"], **question})
        if rendered.status != 200:
            await pass_on(send, rendered)
            return
        tokens = rendered.json()["tokens"]
        prompt = self.prompts[name]
        asked = as_completion(
            body, len(tokens), len(prompt.vectors), int(card["max_model_len"]), is_chat=is_chat
        )
        asked |= {
            "model": card["id"],
            "prompt_embeds": await asyncio.to_thread(prompt_embeds, self._table, prompt, tokens),
        }
        form = Form(name, len(tokens), is_chat=is_chat)
        gone = asyncio.Event()
        watching = asyncio.create_task(watch(receive, gone))
        try:
            if body.get("stream"):
                await self._stream(scope, send, asked, form, gone)
            else:
                answer = await self.inner.ask(scope, "/v1/completions", asked, gone)
                if watching.done():
                    return  # the reader left; vLLM then answers null
                if answer.status == 200:
                    answer = Inner(200, json.dumps(form.whole(answer.json())).encode())
                await pass_on(send, answer)
        finally:
            gone.set()
            watching.cancel()

    async def _stream(
        self, scope: Message, send: Send, asked: dict[str, Any], form: Form, gone: asyncio.Event
    ) -> None:
        async with aclosing(self.inner.parts(scope, "/v1/completions", asked, gone)) as parts:
            start = await anext(parts, None)
            if start is None:
                return  # the reader left before vLLM began
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
