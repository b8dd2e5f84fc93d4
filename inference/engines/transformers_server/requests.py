"""Bodies of requests, checked. Names and limits are OpenAI's, with what vLLM adds and Guildhall uses."""

import json
import math
from dataclasses import dataclass, field
from typing import Any

from inference.engines.transformers_server.writing import Sampling

MAX_BODY = 4 * 1024 * 1024
MAX_MESSAGES = 2000
MOST_LIKELIEST = 20


class BadRequest(Exception):
    """The body is wrong; `param` is the field. `status` is for the answer."""

    def __init__(self, message: str, param: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.message, self.param, self.status = message, param, status


@dataclass(frozen=True)
class Wanted:
    """An answer that is asked for: to `messages`, or the continuation of `text`. `most_tokens` None: what fits."""

    model: str
    messages: list[dict[str, str]] | None = None
    text: str = ""
    most_tokens: int | None = None
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()
    stream: bool = False
    include_usage: bool = False
    ignore_eos: bool = False
    likeliest: int = 0


def json_body(data: bytes) -> dict[str, Any]:
    try:
        body = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        raise BadRequest("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object.")
    return body


def text_of(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"'{name}' must be a string that is not empty.", name)
    return value


def messages_of(body: dict[str, Any]) -> list[dict[str, str]]:
    value = body.get("messages")
    if not isinstance(value, list) or not value:
        raise BadRequest("'messages' must be a non-empty array.", "messages")
    if len(value) > MAX_MESSAGES:
        raise BadRequest(f"'messages' has more than {MAX_MESSAGES} messages.", "messages")
    for at, message in enumerate(value):
        good = isinstance(message, dict) and all(
            isinstance(message.get(name), str) for name in ("role", "content")
        )
        if not good:
            raise BadRequest(f"'messages[{at}]' needs the texts 'role' and 'content'.", f"messages[{at}]")
    return [{"role": message["role"], "content": message["content"]} for message in value]


def chat_of(body: dict[str, Any]) -> Wanted:
    _refuse_unknown(body, {"messages"})
    return Wanted(messages=messages_of(body), **_shared(body))


def completion_of(body: dict[str, Any]) -> Wanted:
    _refuse_unknown(body, {"prompt", "return_tokens_as_token_ids"})
    return Wanted(text=text_of(body, "prompt"), **{"most_tokens": 16, **_shared(body)})


_KNOWN = {
    "model", "max_tokens", "max_completion_tokens", "temperature", "top_p", "presence_penalty", "frequency_penalty",
    "seed", "stop", "stream", "stream_options", "ignore_eos", "logprobs", "n", "cache_salt",
}  # fmt: skip


def _refuse_unknown(body: dict[str, Any], more: set[str]) -> None:
    """What is not supported is refused rather than ignored: the answer would be another one than asked for."""
    for name, value in body.items():
        if name not in _KNOWN | more and value is not None:
            raise BadRequest(f"'{name[:60]}' is not supported by this engine.", name[:60])
    if body.get("n") not in (None, 1):
        raise BadRequest("'n' is only supported as 1.", "n")


def _shared(body: dict[str, Any]) -> dict[str, Any]:
    options = body.get("stream_options") or {}
    if not isinstance(options, dict):
        raise BadRequest("'stream_options' must be an object.", "stream_options")
    shared: dict[str, Any] = {
        "model": text_of(body, "model"),
        "sampling": Sampling(
            temperature=_number(body, "temperature", 1.0, 0, 2),
            top_p=_number(body, "top_p", 1.0, 0, 1),
            presence_penalty=_number(body, "presence_penalty", 0.0, -2, 2),
            frequency_penalty=_number(body, "frequency_penalty", 0.0, -2, 2),
            seed=_whole(body, "seed", -(2**63), 2**63 - 1),
        ),
        "stop": _stop(body),
        "stream": _flag(body, "stream"),
        "include_usage": bool(options.get("include_usage")),
        "ignore_eos": _flag(body, "ignore_eos"),
        "likeliest": _whole(body, "logprobs", 0, MOST_LIKELIEST) or 0,
    }
    limits = [
        limit
        for name in ("max_tokens", "max_completion_tokens")
        if (limit := _whole(body, name, 1, 10_000_000)) is not None
    ]
    return shared | ({"most_tokens": min(limits)} if limits else {})


def _number(body: dict[str, Any], name: str, default: float, least: float, most: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadRequest(f"'{name}' must be a number.", name)
    if not least <= value <= most:
        raise BadRequest(f"'{name}' must be between {least} and {most}.", name)
    return float(value)


def _whole(body: dict[str, Any], name: str, least: int, most: int) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadRequest(f"'{name}' must be a whole number.", name)
    if not least <= value <= most:
        raise BadRequest(f"'{name}' must be between {least} and {most}.", name)
    return value


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadRequest(f"'{name}' must be true or false.", name)
    return bool(value)


def _stop(body: dict[str, Any]) -> tuple[str, ...]:
    value = body.get("stop")
    words = [value] if isinstance(value, str) else value or []
    if (
        not isinstance(words, list)
        or len(words) > 16
        or not all(isinstance(word, str) and word for word in words)
    ):
        raise BadRequest("'stop' must be a text or at most 16 texts.", "stop")
    return tuple(words)
