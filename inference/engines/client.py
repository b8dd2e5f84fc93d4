"""The HTTP API that engines have in common: vLLM's, which is OpenAI's with routes for adapters and token ids."""

import asyncio
import json
import os
import time
import uuid
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import httpx
from httpx_sse import EventSource

from annotation.text.rendering import Message
from inference.engines.base import (
    ANSWER_SECONDS,
    STALL_SECONDS,
    AnswerPiece,
    ChatRequest,
    EngineAway,
    EngineRefused,
    Served,
    TokenStep,
)

CONNECT_SECONDS = 3.0
TRANSFORMERS_OWNER = "guildhall-transformers"  # the `owned_by` of models in the transformers engine
LIKELIEST = 5  # log probabilities requested for each token; vLLM's own limit is 20

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()
_LIMITS = httpx.Limits(max_connections=500, max_keepalive_connections=50)


def _stream_timeout() -> httpx.Timeout:
    return httpx.Timeout(STALL_SECONDS, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS)


@cache
def _client_of(process_id: int) -> httpx.Client:
    return httpx.Client(limits=_LIMITS, trust_env=False)


def _client() -> httpx.Client:
    """One pool per process; a forked worker must not share its parent's connections."""
    return _client_of(os.getpid())


def _async_client() -> httpx.AsyncClient:
    """One pool of connections per event loop: making a client costs more than a short answer."""
    loop = asyncio.get_running_loop()
    client = _clients.get(loop)
    if client is None:
        client = _clients[loop] = httpx.AsyncClient(limits=_LIMITS, trust_env=False)
    return client


def _reason(body: bytes) -> str:
    """The message of an error response: {"error": {"message"}} or {"message"} or plain text."""
    try:
        answer = json.loads(body)
    except ValueError:
        return body.decode(errors="replace").strip()[:500] or "no reason given"
    if isinstance(answer, dict):
        error = answer.get("error", answer)
        if isinstance(error, dict) and error.get("message"):
            return str(error["message"])[:500]
    return str(answer)[:500]


def _check(response: httpx.Response, body: bytes) -> None:
    if response.status_code >= 400:
        raise EngineRefused(_reason(body), response.status_code)


_END = "[DONE]"


def piece_of(data: str) -> AnswerPiece | None:
    """The data of one event as a piece; None for an empty one and the closing mark.

    Raises EngineRefused for an error inside the stream, EngineAway for data that is not an event.
    """
    if not data or data == _END:
        return None
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise EngineAway("It sent data that is not an event.")
    if "error" in event:
        raise EngineRefused(_reason(data.encode()), 500)
    piece = AnswerPiece()
    for choice in event.get("choices") or []:
        piece.text += (choice.get("delta") or {}).get("content") or ""
        piece.finish_reason = choice.get("finish_reason") or ""
    usage = event.get("usage") or {}
    piece.prompt_tokens = usage.get("prompt_tokens")
    piece.completion_tokens = usage.get("completion_tokens")
    return piece


class HTTPEngine:
    """The requests of a Backend. Subclasses say how their process is started.

    Both kinds of engine serve a base model under the same name. `by_transformers` tells them apart, also at a URL where
    another kind was expected.
    """

    by_transformers = False

    def _call(
        self, method: str, url: str, *, seconds: float, body: dict[str, Any] | None = None
    ) -> httpx.Response:
        try:
            response = _client().request(
                method, url, json=body, timeout=httpx.Timeout(seconds, connect=CONNECT_SECONDS)
            )
        except httpx.HTTPError as error:
            raise EngineAway(str(error) or type(error).__name__) from error
        _check(response, response.content)
        return response

    def healthy(self, url: str) -> bool:
        try:
            self._call("GET", f"{url}/health", seconds=5)
        except (EngineAway, EngineRefused):
            return False
        return True

    def served(self, url: str) -> list[Served]:
        cards = self._call("GET", f"{url}/v1/models", seconds=10).json().get("data", [])
        return [
            Served(str(card["id"]), str(card.get("root") or ""), str(card.get("parent") or ""))
            for card in cards
            if (card.get("owned_by") == TRANSFORMERS_OWNER) == self.by_transformers
        ]

    def load_adapter(self, url: str, name: str, path: Path, method: str = "") -> None:
        """Not in place: an adapter loaded over another under the same name answers from a stale prefix cache."""
        body = {"lora_name": name, "lora_path": str(path)}
        self._call("POST", f"{url}/v1/load_lora_adapter", seconds=120, body=body)

    def unload_adapter(self, url: str, name: str) -> None:
        self._call("POST", f"{url}/v1/unload_lora_adapter", seconds=30, body={"lora_name": name})

    def tokenize(self, url: str, model: str, messages: list[Message]) -> list[int]:
        body = {"model": model, "messages": messages, "add_generation_prompt": True}
        tokens = self._call("POST", f"{url}/tokenize", seconds=30, body=body).json()["tokens"]
        return [int(token) for token in tokens]

    def _text_body(self, model: str, text: str, tokens: int) -> dict[str, Any]:
        # A unique salt keeps every request out of the prefix cache, where an earlier answer would hide a change.
        return {
            "model": model,
            "prompt": text,
            "max_tokens": tokens,
            "temperature": 0,
            "ignore_eos": True,
            "cache_salt": uuid.uuid4().hex,
        }

    def continuation(self, url: str, model: str, text: str, tokens: int, seconds: float) -> list[TokenStep]:
        options = {"logprobs": LIKELIEST, "return_tokens_as_token_ids": True}
        body = self._text_body(model, text, tokens) | options
        answer = self._call("POST", f"{url}/v1/completions", seconds=seconds, body=body).json()
        try:
            logprobs = answer["choices"][0]["logprobs"]
            steps = [
                TokenStep(
                    str(token), float(logprob), {str(key): float(value) for key, value in likeliest.items()}
                )
                for token, logprob, likeliest in zip(
                    logprobs["tokens"], logprobs["token_logprobs"], logprobs["top_logprobs"], strict=True
                )
            ]
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise EngineRefused("Its answer has no log probabilities.", 500) from error
        if len(steps) != tokens:
            raise EngineRefused(f"It returned {len(steps)} tokens instead of {tokens}.", 500)
        return steps

    def keep_writing(self, url: str, model: str, text: str, tokens: int, seconds: float) -> Iterator[None]:
        body = self._text_body(model, text, tokens) | {"stream": True}
        timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS)
        try:
            with _client().stream("POST", f"{url}/v1/completions", json=body, timeout=timeout) as response:
                if response.status_code >= 400:
                    _check(response, response.read())
                for event in EventSource(response).iter_sse():
                    if event.data and event.data != _END:
                        yield
        except httpx.HTTPError as error:
            raise EngineAway(_away(error)) from error

    def _chat_body(self, request: ChatRequest) -> dict[str, Any]:
        return {
            **request.params,
            "model": request.model,
            "messages": request.messages,
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    def chat(self, url: str, request: ChatRequest) -> Iterator[AnswerPiece]:
        body = self._chat_body(request)
        deadline = time.monotonic() + ANSWER_SECONDS
        try:
            with _client().stream(
                "POST", f"{url}/v1/chat/completions", json=body, timeout=_stream_timeout()
            ) as response:
                if response.status_code >= 400:
                    _check(response, response.read())
                for event in EventSource(response).iter_sse():
                    _in_time(deadline)
                    piece = piece_of(event.data)
                    if piece is not None:
                        yield piece
        except httpx.HTTPError as error:
            raise EngineAway(_away(error)) from error

    async def chat_async(self, url: str, request: ChatRequest) -> AsyncGenerator[AnswerPiece, None]:
        body = self._chat_body(request)
        # Not asyncio.timeout: another task than the one that asked may read the rest of the answer.
        deadline = time.monotonic() + ANSWER_SECONDS
        try:
            async with _async_client().stream(
                "POST", f"{url}/v1/chat/completions", json=body, timeout=_stream_timeout()
            ) as response:
                if response.status_code >= 400:
                    _check(response, await response.aread())
                async with aclosing(EventSource(response).aiter_sse()) as events:
                    async for event in events:
                        _in_time(deadline)
                        piece = piece_of(event.data)
                        if piece is not None:
                            yield piece
        except httpx.HTTPError as error:
            raise EngineAway(_away(error)) from error


def _in_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise EngineAway(f"It did not finish within {ANSWER_SECONDS:.0f} seconds.")


def _away(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.ReadTimeout):
        return f"It sent nothing for {STALL_SECONDS:.0f} seconds."
    if isinstance(error, (httpx.RemoteProtocolError, httpx.ReadError)):
        return "It stopped in the middle of the answer."
    return str(error) or type(error).__name__
