"""Cleans the content of an example that people and programs send, or refuses it with messages.

Text is kept as it was written: line ends become \\n, names (slice, tags) lose outer and repeated spaces, and nothing else
changes. Text of white space only counts as empty.
"""

import re
import unicodedata
from collections.abc import Container, Mapping
from typing import Any

from core.errors import Invalid
from core.marks import Marks, marks_in
from core.text import one_line, plain_line_ends, storable

_EDGE = re.compile(r"[a-z0-9_]{1,24}")
ROLES = ("system", "user", "assistant")
MAX_TEXT = 20_000  # characters of one message, record or completion
MAX_ALL = 200_000  # characters of an example
MAX_MESSAGES = 60
MAX_RECORDS = 100
MAX_TAGS = 12
MAX_TAG = 40
MAX_SLICE = 120
MAX_DRAFT = 1_000_000  # characters of a whole draft: a text too long to submit is kept, to be shortened
MAX_DRAFT_PARTS = 1_000  # turns, records or tags of a draft


def clean_text(value: object) -> str:
    """Text as it is stored: \\n for line ends, U+FFFD for NUL and half characters (PostgreSQL accepts neither)."""
    return plain_line_ends(storable(value)) if isinstance(value, str) else ""


def clean_name(value: object) -> str:
    """A name (of a slice, a tag, a source) as it is stored: on one line, single spaces, Unicode form NFC."""
    return one_line(unicodedata.normalize("NFC", clean_text(value)))


def listed(value: object) -> list[Any]:
    """A list of texts as it is; a single text becomes a list of one. Anything else becomes an empty list."""
    if isinstance(value, str):
        return [value] if value else []
    return list(value) if isinstance(value, (list, tuple)) else []


def clean_tags(value: object) -> list[str]:
    """Tags from a list or from words with commas: trimmed, each once, in the order given."""
    parts = value.split(",") if isinstance(value, str) else listed(value)
    seen: dict[str, None] = {}
    for part in parts:
        tag = clean_name(part)
        if tag:
            seen.setdefault(tag)
    return list(seen)


def clean_draft(data: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a draft, also with texts that are too long: `clean_pair` refuses those.

    Invalid only beyond MAX_DRAFT characters or MAX_DRAFT_PARTS turns, records or tags.
    """
    messages = [
        {
            "role": m["role"] if m.get("role") in ROLES else "user",
            "content": clean_text(m.get("content")),
        }
        for m in data.get("messages") or []
        if isinstance(m, Mapping)
    ]
    context = [clean_text(record) for record in listed(data.get("context"))]
    content: dict[str, Any] = {
        "messages": messages,
        "context": context,
        "completion": clean_text(data.get("completion")),
        "slice": clean_name(data.get("slice")),
        "edge": edge if isinstance(edge := data.get("edge"), str) and _EDGE.fullmatch(edge) else "",
        "tags": clean_tags(data.get("tags")),
    }
    parts = [
        *(m["content"] for m in messages),
        *context,
        content["completion"],
        content["slice"],
        *content["tags"],
    ]
    if sum(map(len, parts)) > MAX_DRAFT:
        raise Invalid(
            f"This is too long for a draft: at most {MAX_DRAFT:,} characters in all.",
            "Make it shorter.",
        )
    if max(len(messages), len(context), len(content["tags"])) > MAX_DRAFT_PARTS:
        raise Invalid(
            f"This is too much for a draft: at most {MAX_DRAFT_PARTS:,} turns, records or tags.",
            "Remove some.",
        )
    return content


def clean_in_bounds(data: Mapping[str, Any]) -> dict[str, Any]:
    """A draft that is small enough to be checked and submitted; Invalid names every field that is too large."""
    content = clean_draft(data)
    wrong = _too_large(content)
    if wrong:
        raise Invalid("This is too much for one example.", "Make it shorter.", fields=wrong)
    return content


def clean_pair(data: Mapping[str, Any], *, edges: Container[str], answered: bool = True) -> dict[str, Any]:
    """Content that can be reviewed: complete, with a conversation that ends with the customer. Invalid names every wrong field.

    `edges` are the keys of the project's kinds of edge cases. With `answered` False an empty completion is allowed (an annotator writes it later). No text may contain a
    control mark of chat templates: it would forge a turn.
    """
    content = clean_in_bounds(data)
    content["messages"] = [m for m in content["messages"] if m["content"].strip()]
    content["context"] = [record for record in content["context"] if record.strip()]
    content["completion"] = content["completion"] if content["completion"].strip() else ""
    wrong = marks_in(texts_of(content))
    messages = content["messages"]
    if not any(m["role"] == "user" for m in messages):
        wrong["messages"] = ["Write what the customer says."]
    elif messages[-1]["role"] != "user":
        wrong["messages"] = [
            "The conversation must end with the customer. The completion is the agent's next turn."
        ]
    elif any(m["role"] == "system" for m in messages[1:]):
        wrong["messages"] = ["A system turn can only be the first turn."]
    if answered and not content["completion"]:
        wrong["completion"] = ["Write the completion."]
    if data.get("edge") and data.get("edge") not in edges:
        wrong["edge"] = ["This kind of edge case does not exist."]
    if wrong:
        raise Invalid("Something is missing or wrong.", "See the messages below.", fields=wrong)
    return content


def texts_of(pair: Mapping[str, Any]) -> dict[str, Any]:
    """{field: its texts} of an example: the texts that a model sees."""
    return {
        "messages": [m["content"] for m in pair["messages"]],
        "context": pair["context"],
        "completion": pair["completion"],
    }


def mark_in_pair(pair: Mapping[str, Any], marks: Marks) -> str:
    """The first control mark in the texts of an example; "" when there is none."""
    texts = texts_of(pair)
    every = (*texts["messages"], *texts["context"], texts["completion"], pair.get("rejected", ""))
    # A mark in one of them is a mark in all of them, and nearly every example has none.
    if not marks.in_text("\n".join(every)):
        return ""
    return next((mark for text in every if (mark := marks.in_text(text))), "")


def _too_large(content: dict[str, Any]) -> dict[str, list[str]]:
    wrong: dict[str, list[str]] = {}
    texts = [m["content"] for m in content["messages"]]
    for name, parts in (
        ("messages", texts),
        ("context", content["context"]),
        ("completion", [content["completion"]]),
    ):
        if any(len(part) > MAX_TEXT for part in parts):
            wrong[name] = [f"At most {MAX_TEXT:,} characters each."]
    if len(content["messages"]) > MAX_MESSAGES:
        wrong["messages"] = [f"At most {MAX_MESSAGES} turns."]
    if len(content["context"]) > MAX_RECORDS:
        wrong["context"] = [f"At most {MAX_RECORDS} records."]
    if sum(map(len, (*texts, *content["context"], content["completion"]))) > MAX_ALL:
        wrong.setdefault("messages", [f"At most {MAX_ALL:,} characters in all."])
    if len(content["slice"]) > MAX_SLICE:
        wrong["slice"] = [f"At most {MAX_SLICE} characters."]
    if len(content["tags"]) > MAX_TAGS or any(len(tag) > MAX_TAG for tag in content["tags"]):
        wrong["tags"] = [f"At most {MAX_TAGS} tags of {MAX_TAG} characters."]
    return wrong
