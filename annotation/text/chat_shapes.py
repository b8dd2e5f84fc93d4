"""Reads messages of OpenAI's chat format, for imports and for applications. Pure functions.

Accepted: the roles system (also called developer), user and assistant; content that is a text or a list of text parts.
"""

from collections.abc import Mapping
from typing import Any

ROLES = ("system", "user", "assistant")
_SAME_AS = {"developer": "system"}
# Fields that are part of the meaning of a message; without them the message would mean something else.
_CARRIES = {
    "tool_calls": "tool calls",
    "function_call": "a function call",
    "tool_call_id": "the result of a tool",
    "images": "images",
    "image": "an image",
    "audio": "audio",
    "videos": "videos",
    "refusal": "a refusal",
}


class Unreadable(ValueError):
    """A message that cannot be read; `field` is the wrong part, the message says why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field, self.reason = field, reason


def role_of(value: object) -> str | None:
    """The role as it is stored; None for an unknown role."""
    role = _SAME_AS.get(value, value) if isinstance(value, str) else None
    return role if role in ROLES else None


def text_of(content: object) -> str | None:
    """A text, or the texts of a list of text parts, one per line; None for other content.

    Raises Unreadable for parts of another type.
    """
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        return None
    texts = []
    for at, part in enumerate(content):
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind != "text":
            name = f"is of type {kind}" if isinstance(kind, str) else "has no type"
            raise Unreadable("content", f"Can contain text parts only; part {at + 1} {name[:60]}.")
        if not isinstance(part.get("text"), str):
            raise Unreadable("content", f"Part {at + 1} is of type text and has no text.")
        texts.append(part["text"])
    return "\n".join(texts)


def refuse_other_content(message: Mapping[str, Any]) -> None:
    """Raises Unreadable for a message with content that is not text: a tool call, an image."""
    for name, content in _CARRIES.items():
        if message.get(name):
            raise Unreadable(name, f"Contains {content}. Only text is possible here.")
