"""From the bytes of an uploaded file to rows, one line at a time. Pure functions: no database, bounded memory."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from annotation.cleaning import (
    MAX_ALL,
    MAX_MESSAGES,
    MAX_RECORDS,
    MAX_SLICE,
    MAX_TAG,
    MAX_TAGS,
    MAX_TEXT,
    ROLES,
    clean_text,
)
from annotation.models import Example

EXCERPT = 120
_EDGES = {
    name: value
    for value, label in Example.Edge.choices
    for name in (value, str(label).lower().replace(" ", "_"))
}
_DRAIN = 1 << 16


@dataclass(frozen=True)
class Line:
    """One line of the file. `text` is None when the line cannot be read at all; `problem` then says why."""

    number: int
    end: int  # bytes of the file up to and including this line
    text: str | None
    problem: str = ""
    excerpt: str = ""
    whole: bool = True  # False when the file ends without a line break after it


@dataclass(frozen=True)
class Issue:
    field: str
    reason: str


@dataclass
class Row:
    """A valid line, in the shapes that Example holds. `group` is empty when the line names none."""

    messages: list[dict[str, str]] = field(default_factory=list)
    context: list[str] = field(default_factory=list)
    completion: str = ""
    slice: str = ""
    edge: str = ""
    tags: list[str] = field(default_factory=list)
    group: str = ""
    source: str = ""
    license: str = ""
    external_id: str = ""


class BadField(Exception):
    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.issue = Issue(name, reason)


def wrong_format(head: bytes) -> tuple[str, str, str] | None:
    """What the first bytes give away as not UTF-8 JSON Lines: (code, what it is, what to do), or None."""
    save_as = "Save it again as UTF-8 (in a text editor: Save as, encoding UTF-8) and import that file."
    if head.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        return "wrong_encoding", "This file is encoded as UTF-32. Imports are UTF-8.", save_as
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or head[:200].count(0) > len(head[:200]) // 3 > 0:
        return "wrong_encoding", "This file looks like UTF-16. Imports are UTF-8.", save_as
    if head.startswith((b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")):
        return "compressed", "This file is compressed.", "Unpack it and import the .jsonl file inside."
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"["):
        return (
            "json_array",
            "This file is one JSON array. Imports are JSON Lines: one object per line, without brackets around them.",
            "Convert it, for example with: jq -c '.[]' file.json > file.jsonl",
        )
    return None


def read_lines(file: IO[bytes], *, max_bytes: int) -> Iterator[Line]:
    """Yields every line that is not blank. No line longer than `max_bytes` is ever held in memory."""
    number = end = 0
    while raw := file.readline(max_bytes + 1):
        number += 1
        end += len(raw)
        if number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if len(raw) > max_bytes and not raw.endswith(b"\n"):
            head = raw[: EXCERPT * 4].decode("utf-8", "replace")
            length = len(raw)
            del raw
            while rest := file.readline(_DRAIN):
                end += len(rest)
                length += len(rest)
                if rest.endswith(b"\n"):
                    break
            problem = f"The line is {length / 1e6:.1f} MB long; at most {max_bytes / (1 << 20):.0f} MB fit on one line."
            yield Line(number, end, None, problem, _excerpt(head))
            continue
        whole = raw.endswith(b"\n")
        if not raw.strip():
            continue
        try:
            yield Line(number, end, raw.decode("utf-8"), whole=whole)
        except UnicodeDecodeError as error:
            problem = f"Byte {error.start + 1} of the line is not UTF-8 (it is {raw[error.start]:#04x})."
            yield Line(number, end, None, problem, _excerpt(raw[: EXCERPT * 4].decode("utf-8", "replace")))


def parse_line(line: Line, *, needs_completion: bool) -> Row | list[Issue]:
    """The line's row, or everything that is wrong with it."""
    try:
        return _row(_object(line), needs_completion=needs_completion)
    except BadField as bad:
        return [bad.issue]


def _object(line: Line) -> dict[str, Any]:
    if line.text is None:
        raise BadField("", line.problem)
    if "\x00" in line.text:
        raise BadField("", "The line holds a NUL character.")
    try:
        data = json.loads(line.text, parse_constant=_no_constant)
    except RecursionError:
        raise BadField("", "The line is nested too deeply to be a row.") from None
    except json.JSONDecodeError as error:
        if not line.whole:
            reason = "The file ends in the middle of this line. The export or upload was cut off."
        else:
            reason = f"Not valid JSON: {error.msg} at character {error.pos + 1}."
        raise BadField("", reason) from None
    except ValueError as error:
        raise BadField("", f"Not valid JSON: {error}."[:300]) from None
    if not isinstance(data, dict):
        raise BadField("", f"A row is a JSON object; this line is {_name_of(data)}.")
    return data


def _row(data: dict[str, Any], *, needs_completion: bool) -> Row | list[Issue]:
    issues: list[Issue] = []
    row = Row()

    def take(read: Any, *args: Any) -> Any:
        try:
            return read(*args)
        except BadField as bad:
            issues.append(bad.issue)
            return None

    asked = take(_messages, data)
    if asked is not None:
        row.messages, answered = asked
        row.completion = take(_completion, data, answered, needs_completion) or ""
    row.context = take(_context, data.get("context")) or []
    row.slice = take(_label, data, "slice", MAX_SLICE) or ""
    row.edge = take(_edge, data.get("edge")) or ""
    row.tags = take(_tags, data.get("tags")) or []
    row.group = take(_label, data, "group", 200) or take(_label, data, "conversation_id", 200) or ""
    row.source = take(_label, data, "source", 120) or ""
    row.license = take(_label, data, "license", 120) or ""
    row.external_id = take(_label, data, "id", 200) or ""
    size = sum(len(m["content"]) for m in row.messages) + sum(map(len, row.context)) + len(row.completion)
    if size > MAX_ALL:
        issues.append(Issue("", f"The pair has {size:,} characters; at most {MAX_ALL:,} are taken."))
    return issues or row


def _messages(data: dict[str, Any]) -> tuple[list[dict[str, str]], str]:
    """The chat up to the customer's last message, and the agent's answer to it where the chat includes one."""
    given, prompt = data.get("messages"), data.get("prompt")
    if given is not None and prompt is not None:
        raise BadField("prompt", "Give `messages` or `prompt`, not both.")
    if given is None:
        if prompt is None:
            raise BadField("messages", "Missing: a row needs `messages` or `prompt`.")
        if isinstance(prompt, list):
            given = prompt
        else:
            text = _text("prompt", prompt)
            if not text:
                raise BadField("prompt", "Empty: there is nothing to answer.")
            return [{"role": "user", "content": text}], ""
    if not isinstance(given, list):
        raise BadField("messages", f"Must be a list of messages; it is {_name_of(given)}.")
    if not given:
        raise BadField("messages", "Empty: there is nothing to answer.")
    if len(given) > MAX_MESSAGES:
        raise BadField("messages", f"Has {len(given):,} messages; at most {MAX_MESSAGES} are taken.")
    messages = [_message(index, message) for index, message in enumerate(given)]
    answer = ""
    if messages[-1]["role"] == "assistant" and data.get("completion") is None:
        answer = messages.pop()["content"]
    if not messages or messages[-1]["role"] != "user":
        raise BadField("messages", "Must end with a message of the user, which the completion answers.")
    return messages, answer


def _message(index: int, message: Any) -> dict[str, str]:
    name = f"messages[{index}]"
    if not isinstance(message, dict):
        raise BadField(name, f"Must be an object with role and content; it is {_name_of(message)}.")
    role = message.get("role")
    if role not in ROLES:
        raise BadField(f"{name}.role", f"Must be system, user or assistant; it is {_short(role)}.")
    text = _text(f"{name}.content", message.get("content"))
    if not text:
        raise BadField(f"{name}.content", "Empty.")
    if role == "system" and index:
        raise BadField(f"{name}.role", "A system message can only stand first.")
    return {"role": role, "content": text}


def _completion(data: dict[str, Any], answered: str, needed: bool) -> str:
    given = data.get("completion")
    text = answered if given is None else _text("completion", given)
    if not text:
        if needed:
            raise BadField(
                "completion", "Missing: only rows for the annotation queue may come without a completion."
            )
        return ""
    return text


def _context(given: Any) -> list[str]:
    if given is None:
        return []
    records = given if isinstance(given, list) else [given]
    if len(records) > MAX_RECORDS:
        raise BadField("context", f"Has {len(records):,} records; at most {MAX_RECORDS} are taken.")
    texts = []
    for index, record in enumerate(records):
        name = f"context[{index}]" if isinstance(given, list) else "context"
        nested = isinstance(record, (dict, list))
        text = _text(
            name, json.dumps(record, ensure_ascii=False, separators=(",", ":")) if nested else record
        )
        if text:
            texts.append(text)
    return texts


def _edge(given: Any) -> str:
    if given is None or given == "":
        return ""
    name = given.strip().lower().replace(" ", "_").replace("-", "_") if isinstance(given, str) else None
    if name not in _EDGES:
        known = ", ".join(value for value in Example.Edge.values if value)
        raise BadField("edge", f"{_short(given)} is not a kind of edge case. Known: {known}.")
    return _EDGES[name]


def _tags(given: Any) -> list[str]:
    if given is None:
        return []
    parts = [given] if isinstance(given, str) else given
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise BadField("tags", "Must be a list of texts.")
    tags = list(
        dict.fromkeys(filter(None, (" ".join(_text("tags", part, MAX_TAG).split()) for part in parts)))
    )
    if len(tags) > MAX_TAGS:
        raise BadField("tags", f"Has {len(tags)} tags; at most {MAX_TAGS} are taken.")
    return tags


def _label(data: dict[str, Any], name: str, limit: int) -> str:
    given = data.get(name)
    if given is None:
        return ""
    if isinstance(given, int) and not isinstance(given, bool):
        given = str(given)  # ids are often numbers
    return " ".join(_text(name, given, limit).split())


def _text(name: str, given: Any, limit: int = MAX_TEXT) -> str:
    """The text as the editor would store it (annotation.cleaning), or BadField where that would lose something."""
    if not isinstance(given, str):
        raise BadField(name, "Missing." if given is None else f"Must be a text; it is {_name_of(given)}.")
    if len(given) > limit:
        raise BadField(name, f"Has {len(given):,} characters; at most {limit:,} are taken.")
    if "\x00" in given:
        raise BadField(name, "Holds a NUL character.")
    try:
        given.encode()
    except UnicodeEncodeError:
        raise BadField(name, "Holds half a surrogate pair (a broken \\u escape).") from None
    return clean_text(given).strip()


def excerpt_of(line: Line) -> str:
    """The start of the line, fit to be shown and stored."""
    return line.excerpt or _excerpt(line.text or "")


def _excerpt(text: str) -> str:
    clean = text[: EXCERPT * 2].encode("utf-8", "replace").decode("utf-8", "replace")
    clean = "".join(letter if letter.isprintable() else "\ufffd" for letter in clean.strip())
    return clean if len(clean) <= EXCERPT else clean[: EXCERPT - 1] + "…"


def _short(value: Any) -> str:
    text = _excerpt(json.dumps(value, ensure_ascii=True)) if value is not None else "missing"
    return text if len(text) <= 40 else text[:39] + "…"


def _name_of(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")
