"""The values of a row's fields, read strictly: what is wrong with one is said with its field."""

from collections.abc import Mapping
from dataclasses import dataclass

from annotation.models import START_EDGES
from annotation.queries.categories import spelling
from annotation.text.cleaning import (
    MAX_RECORDS,
    MAX_TAG,
    MAX_TAGS,
    MAX_TEXT,
    clean_name,
)
from core.marks import Marks
from core.text import plain_line_ends
from dataset.runner.json_lines import Number, Value, write_json
from dataset.runner.reading.records import shortened, type_name
from dataset.runner.shapes import (
    SHAREGPT_ROLES,
)

# Spellings of the kinds of edge cases that every project starts with: {spelling: key}.
START_SPELLINGS = {
    spelled: key for key, name in START_EDGES for spelled in (key, name.lower().replace(" ", "_"))
}
MOST_NAMED = 20
NO_MARKS = Marks(shapes=False)
NOT_FOR_TRAINING = "The file says not to train on this answer, or only in part. Guildhall trains on every approved completion, so the row is not imported."


class BadField(Exception):
    def __init__(self, name: str, reason: str, column: int = 0) -> None:
        super().__init__(reason)
        self.issue = Issue(name, reason, column)


@dataclass(frozen=True)
class Issue:
    """What is wrong: with which field (empty for the whole row), why, and at which letter of the line (from 1; 0: not known)."""

    field: str
    reason: str
    column: int = 0


def is_nothing(value: Value) -> bool:
    return not value.strip() if isinstance(value, str) else value in (None, [], {})


def has_message(chat: Value, text: Value) -> bool:
    """Whether a text is one of the messages of a chat (UltraChat repeats the first question in its own key)."""
    if not isinstance(chat, list) or not isinstance(text, str):
        return False
    contents = (message.get("content", message.get("value")) for message in chat if isinstance(message, dict))
    return any(isinstance(content, str) and content.strip() == text.strip() for content in contents)


def ends_with_an_answer(chat: Value) -> bool:
    return isinstance(chat, list) and bool(chat) and is_answer(chat[-1])


def is_answer(message: Value) -> bool:
    if not isinstance(message, dict):
        return False
    role = message.get("role", message.get("from"))
    return isinstance(role, str) and SHAREGPT_ROLES.get(role.lower()) == "assistant"


# --- values ------------------------------------------------------------------------------------------------
def read_context(key: str, value: Value) -> list[str]:
    if value is None:
        return []
    records = value if isinstance(value, list) else [value]
    if len(records) > MAX_RECORDS:
        raise BadField(key, f"Has {len(records):,} records; at most {MAX_RECORDS} are allowed.")
    texts = []
    for index, record in enumerate(records):
        name = f"{key}[{index}]" if isinstance(value, list) else key
        text = read_text(name, write_json(record) if isinstance(record, (dict, list)) else record)
        if text.strip():
            texts.append(text)
    return texts


def read_edge(key: str, edge: Value, spellings: Mapping[str, str] = START_SPELLINGS) -> str:
    """`spellings` are those of the project (annotation.queries.categories.edge_spellings)."""
    if edge is None or edge == "":
        return ""
    name = spelling(edge) if isinstance(edge, str) else ""
    if name not in spellings:
        known = ", ".join(list(dict.fromkeys(spellings.values()))[:MOST_NAMED])
        raise BadField(key, f"{shortened(edge)} is not a kind of edge case. Known: {known}.")
    return spellings[name]


def read_tags(key: str, value: Value) -> list[str]:
    if value is None:
        return []
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise BadField(key, "Must be a list of texts.")
    tags = list(dict.fromkeys(filter(None, (_name(key, part, MAX_TAG) for part in parts))))
    if len(tags) > MAX_TAGS:
        raise BadField(key, f"Has {len(tags)} tags; at most {MAX_TAGS} are allowed.")
    return tags


def read_label(key: str, value: Value, limit: int) -> str:
    if value is None:
        return ""
    if isinstance(value, Number) and value.is_whole:
        value = value.text  # ids are often numbers
    return _name(key, value, limit)


def _name(key: str, value: Value, limit: int) -> str:
    """A name as it is stored. Some letters are two in Unicode form NFC, so its length is checked again."""
    if (
        isinstance(value, str)
        and len(value) <= limit
        and value.isascii()
        and value.isprintable()
        and " ".join(value.split()) == value
    ):
        return value  # what the rest gives for it, as for nearly every name
    return read_text(key, clean_name(read_text(key, value, limit)), limit)


def read_text(name: str, value: Value, limit: int = MAX_TEXT) -> str:
    """The text as the editor would store it (annotation.text.cleaning), or BadField when that would lose something."""
    if not isinstance(value, str):
        raise BadField(name, "Missing." if value is None else f"Must be a text; it is {type_name(value)}.")
    if len(value) > limit:
        raise BadField(name, f"Has {len(value):,} characters; at most {limit:,} are allowed.")
    if "\x00" in value:
        raise BadField(name, "Contains a NUL character, which is not allowed. Remove it.")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadField(name, "Contains half a surrogate pair (a broken \\u escape). Remove it.") from None
    # What clean_text does with a text that has neither of these.
    return plain_line_ends(value)


def filled_text(name: str, value: Value) -> str:
    text = read_text(name, value)
    if not text.strip():
        raise BadField(name, "Empty.")
    return text
