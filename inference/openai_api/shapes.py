"""OpenAI's chat shapes: the allowed fields of requests, and the format of responses and errors. Pure.

Field names and limits follow OpenAI's API reference for `POST /v1/chat/completions`.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from annotation.text.chat_shapes import Unreadable, refuse_other_content, role_of, text_of
from core.api.parsing import unstorable
from core.json_types import Json
from core.marks import Marks
from inference.models import Answer

MAX_BODY = 1024 * 1024
MAX_MESSAGES = 1000


class OpenAIError(Exception):
    """An error in OpenAI's shape. `kind` is its `type`; `retry` seconds become a Retry-After header."""

    def __init__(
        self,
        message: str,
        status: int = 400,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        retry: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.kind = message, status, kind
        self.param, self.code, self.retry = param, code, retry

    def body(self) -> dict[str, Any]:
        # Names the value that was sent, shortened.
        message, param = _cut(self.message, 500), None if self.param is None else _cut(self.param, 100)
        return {"error": {"message": message, "type": self.kind, "param": param, "code": self.code}}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


@dataclass(frozen=True)
class CompletionRequest:
    """A parsed request; `params` goes to the engine unchanged."""

    model: str
    messages: list[dict[str, str]]
    context: list[str]
    stream: bool
    include_usage: bool
    params: dict[str, Json] = field(default_factory=dict)
    user: str = ""


def _number(low: float, high: float, *, whole: bool = False) -> Callable[[str, Json], Json]:
    def check(name: str, value: Json) -> Json:
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            raise OpenAIError(
                f"Invalid type for '{name}': expected {'an integer' if whole else 'a number'}.", param=name
            )
        if not low <= value <= high:
            raise OpenAIError(f"Invalid '{name}': it must be between {low} and {high}.", param=name)
        return value

    return check


def _stop(name: str, value: Json) -> Json:
    words: Json = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
        raise OpenAIError("Invalid type for 'stop': expected a string or an array of strings.", param=name)
    if len(words) > 4:
        raise OpenAIError("Invalid 'stop': at most 4 sequences.", param=name)
    return words


_TOKENS = _number(1, 1_000_000, whole=True)
_PASSED: dict[str, Callable[[str, Json], Json]] = {
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
    "seed": _number(-(2**63), 2**63 - 1, whole=True),
    "max_tokens": _TOKENS,
    "max_completion_tokens": _TOKENS,
    "stop": _stop,
}
# Parameters that clients send but that change nothing here: only this value is possible, or any value is harmless.
_HARMLESS: dict[str, tuple[Any, ...] | type] = {
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "store": (False,),
    "tools": ([],),
    "functions": ([],),
    "tool_choice": ("none", "auto"),
    "parallel_tool_calls": bool,
    "service_tier": ("auto", "default"),
    "metadata": dict,
    "user": str,  # chooses the adapter of the person that an admin has named for it
    "safety_identifier": str,
    "prompt_cache_key": str,
}
_TYPES = {bool: "a boolean", dict: "an object", str: "a string"}
_OWN = {"model", "messages", "stream", "stream_options", "context"}


def _messages(value: Json) -> list[dict[str, str]]:
    if not isinstance(value, list) or not value:
        raise OpenAIError("'messages' must be a non-empty array.", param="messages")
    if len(value) > MAX_MESSAGES:
        raise OpenAIError(f"'messages' has more than {MAX_MESSAGES} messages.", param="messages")
    read = []
    for at, message in enumerate(value):
        where = f"messages[{at}]"
        if not isinstance(message, dict):
            raise OpenAIError(f"Invalid type for '{where}': expected an object.", param=where)
        role = role_of(message.get("role"))
        if role is None:
            raise OpenAIError(
                f"Invalid value for '{where}.role'. It may be system, developer, user or assistant.",
                param=where,
            )
        try:
            refuse_other_content(message)
            text = text_of(message.get("content"))
        except Unreadable as error:
            raise OpenAIError(
                f"'{where}.{error.field}' is not supported: {error.reason}", param=where
            ) from None
        if text is None:
            raise OpenAIError(f"Invalid type for '{where}.content': expected a string.", param=where)
        _refuse_unknown_fields(where, message)
        read.append({"role": role, "content": text})
    if read[-1]["role"] != "user":
        raise OpenAIError("The last of 'messages' must be from the user.", param="messages")
    return read


def _refuse_unknown_fields(where: str, message: dict[str, Json]) -> None:
    """Clients send answers back with all their fields, most of them empty. A filled field that is not supported is an
    error, so that it is not lost."""
    for name, value in message.items():
        if name in ("role", "content") or value is False or value in (None, "", [], {}):
            continue
        if name != "name":
            raise OpenAIError(f"Unrecognized field of '{where}': {name}", param=where)
        if not isinstance(value, str):
            raise OpenAIError(f"Invalid type for '{where}.name': expected a string.", param=where)


def refuse_marks(chat_request: CompletionRequest, marks: Marks) -> None:
    """Raises OpenAIError for a control token of a chat template in text for a model: it would act as a turn."""
    texts = {f"messages[{at}]": message["content"] for at, message in enumerate(chat_request.messages)}
    texts |= {f"context[{at}]": record for at, record in enumerate(chat_request.context)}
    for where, text in texts.items():
        if mark := marks.in_text(text):
            raise OpenAIError(
                f"'{where}' contains '{mark}', a control token of chat templates. A model would read it as the start "
                "or end of a turn. Remove it or write it in another way.",
                param=where,
                code="control_mark",
            )


def _context(value: Json) -> list[str]:
    if value is None:
        return []
    lines = [line for line in value if isinstance(line, str)] if isinstance(value, list) else []
    if not isinstance(value, list) or len(lines) < len(value):
        raise OpenAIError("'context' must be an array of strings, one record each.", param="context")
    return lines


def _include_usage(body: dict[str, Json], stream: bool) -> bool:
    options = body.get("stream_options")
    if options is None:
        return False
    if not stream:
        raise OpenAIError("'stream_options' is only allowed when 'stream' is true.", param="stream_options")
    known = ("include_usage", "include_obfuscation")
    if not isinstance(options, dict) or not all(
        name in known and isinstance(value, bool) for name, value in options.items()
    ):
        raise OpenAIError(
            "Invalid 'stream_options': expected {\"include_usage\": boolean}.", param="stream_options"
        )
    return bool(options.get("include_usage", False))


def _refuse_unsupported(body: dict[str, Json]) -> None:
    for name, value in body.items():
        if value is None or name in _OWN or name in _PASSED:
            continue
        if name not in _HARMLESS:
            raise OpenAIError(f"Unrecognized request argument supplied: {name}", param=name)
        allowed = _HARMLESS[name]
        if isinstance(allowed, type):
            if not isinstance(value, allowed):
                raise OpenAIError(f"Invalid type for '{name}': expected {_TYPES[allowed]}.", param=name)
        # 1 == True in Python, so the types are compared too.
        elif not any(value == option and type(value) is type(option) for option in allowed):
            only = " or ".join(json.dumps(option) for option in allowed if option)
            message = f"{name} is only supported as {only}." if only else f"{name} is not supported."
            raise OpenAIError(message, param=name, code="unsupported_value")


def read_request(body: Json) -> CompletionRequest:
    """Checks a decoded body. Raises OpenAIError, status 400, that names the parameter."""
    if not isinstance(body, dict):
        raise OpenAIError("The body must be a JSON object.")
    for path in unstorable(body):
        where = re.sub(r"\.(\d+)", r"[\1]", path)
        raise OpenAIError(
            f"'{where}' contains a NUL character or half a character (a broken \\u escape).", param=where
        )
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise OpenAIError("you must provide a model parameter", param="model")
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise OpenAIError("Invalid type for 'stream': expected a boolean.", param="stream")
    _refuse_unsupported(body)
    params = {name: check(name, body[name]) for name, check in _PASSED.items() if body.get(name) is not None}
    if params.get("top_p") == 0:
        raise OpenAIError("Invalid 'top_p': it must be above 0.", param="top_p")
    if "max_tokens" in params and "max_completion_tokens" in params:
        raise OpenAIError("Give 'max_tokens' or 'max_completion_tokens', not both.", param="max_tokens")
    return CompletionRequest(
        model=model,
        messages=_messages(body.get("messages")),
        context=_context(body.get("context")),
        stream=bool(stream),
        include_usage=_include_usage(body, bool(stream)),
        params=params,
        user=str(body.get("user") or ""),
    )


# --- answers -----------------------------------------------------------------------------------------------
def answer_id(answer: Answer) -> str:
    """The id that an application gets. Its last 32 characters identify the answer page."""
    return f"chatcmpl-{answer.public_id.hex}"


def usage(answer: Answer) -> dict[str, int]:
    prompt, completion = answer.prompt_tokens or 0, answer.completion_tokens or 0
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def fingerprint(answer: Answer) -> str:
    """OpenAI's `system_fingerprint`, which changes when answers can change: the permanent name of the version that
    answered."""
    own = answer.adapter.version if answer.adapter else None
    return (own or answer.version).served_name


def version_headers(answer: Answer) -> dict[str, str]:
    """The version that answered: its short name ("v3", "base") and its permanent name; with a personal adapter on top, the permanent
    name is the adapter's, and its number is named."""
    number = answer.version.number
    headers = {
        "X-Guildhall-Version": f"v{number}" if number else "base",
        "X-Guildhall-Model": fingerprint(answer),
    }
    return headers | (
        {"X-Guildhall-Adapter": f"personal adapter {answer.adapter.number}"} if answer.adapter else {}
    )


def whole(answer: Answer, model: str) -> dict[str, Any]:
    """A finished answer. `model` is the name from the request, not the engine's name."""
    message = {"role": "assistant", "content": answer.text, "refusal": None}
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": answer.finish_reason or "stop",
    }
    return {
        "id": answer_id(answer),
        "object": "chat.completion",
        "created": int(answer.created_at.timestamp()),
        "model": model,
        "system_fingerprint": fingerprint(answer),
        "choices": [choice],
        "usage": usage(answer),
    }


def chunk(
    answer: Answer,
    model: str,
    delta: dict[str, str] | None,
    *,
    finish: str | None = None,
    include_usage: bool = False,
    last: bool = False,
) -> dict[str, Any]:
    """One event of a stream; without `delta` it is the one with usage only."""
    event: dict[str, Any] = {
        "id": answer_id(answer),
        "object": "chat.completion.chunk",
        "created": int(answer.created_at.timestamp()),
        "model": model,
        "system_fingerprint": fingerprint(answer),
        "choices": []
        if delta is None
        else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
    }
    if include_usage:
        event["usage"] = usage(answer) if last else None
    return event


def model_card(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "guildhall"}
