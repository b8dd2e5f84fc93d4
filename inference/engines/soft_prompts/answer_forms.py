"""Between chats and `/v1/completions`: the fields of the request, and the form of the answer."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

from inference.engines.soft_prompts.asgi import NotServed, event_of


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
        return [event_of(head | {"choices": [choice]})]

    def event(self, event: bytes) -> bytes:
        data = event.removeprefix(b"data: ")
        if not event.startswith(b"data: ") or data == b"[DONE]":
            return event + b"\n\n"
        told = json.loads(data)
        if "error" in told:
            return event + b"\n\n"
        return event_of(self._named(told, self._delta, "chat.completion.chunk"))

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
        raise NotServed(
            f"This model's maximum context length is {context_length - vectors} tokens. The prompt has {tokens}, and "
            f"{most or 'at least 1'} more were requested."
        )
    if most is not None:
        kept["max_tokens"] = most
    elif is_chat:
        kept["max_tokens"] = room
    return kept
