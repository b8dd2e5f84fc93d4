"""Which keys a row of an imported file may have, and what is made of them. Tables and pure functions.

To read another shape, add its keys to `READ_AS`, or to `CHANGES_MEANING` where a row with them cannot be taken as it is.
"""

import difflib
import re
from dataclasses import dataclass
from typing import Any

from annotation.runner.json_lines import Number, shown

# The keys of Guildhall's own shape.
OWN = (
    "messages", "prompt", "completion", "context", "slice", "edge", "tags", "group", "conversation_id", "source", "license",
    "id", "system",
)  # fmt: skip
# Other names of the same things, as other tools write them; compared without case and without - _ and spaces.
READ_AS = {
    # OpenAI, TRL, ShareGPT
    "conversations": "messages", "conversation": "messages", "dialog": "messages", "dialogue": "messages", "chat": "messages",
    # question and answer tables, Alpaca
    "question": "prompt", "query": "prompt", "instruction": "prompt", "input": "prompt",
    "response": "completion", "answer": "completion", "output": "completion", "reply": "completion",
    # preference pairs (TRL, OpenAI): the better answer is the answer
    "chosen": "completion", "preferred_output": "completion",
    "system_prompt": "system", "system_message": "system",
    "record": "context", "records": "context", "contexts": "context",
    "tag": "tags", "slices": "slice",
    "licence": "license", "external_id": "id",
}  # fmt: skip
# Keys that are known and not taken, with what to say about them.
NOT_TAKEN = {
    "rejected": "The rejected answer is not kept; only the better one is.",
    "non_preferred_output": "The answer that was not preferred is not kept; only the better one is.",
    "revision": "Guildhall counts revisions anew.",
    "status": "Where rows go is chosen with the import.",
    "example": "Numbers of examples are given anew.",
    "position": "Places in a dataset are given anew.",
    "split": "Splits are decided when a dataset is frozen.",
    "history": "",
}
# A row with one of these, filled, says something that text alone does not.
CHANGES_MEANING = {
    "tools": "tools that the model may call", "tool_calls": "tool calls", "tool_choice": "a choice of tools",
    "functions": "functions that the model may call", "function_call": "a function call",
    "images": "images", "image": "an image", "audio": "audio", "audios": "audio", "video": "a video", "videos": "videos",
}  # fmt: skip
# Keys by which files say whether an answer is good.
VERDICTS = (
    "label", "approved", "accepted", "correct", "is_correct", "good", "is_good", "valid", "is_valid", "desirable", "keep",
    "status", "verdict", "feedback",
)  # fmt: skip
_BAD = {
    "false", "0", "no", "bad", "wrong", "incorrect", "invalid", "rejected", "declined", "undesirable", "negative", "down",
    "thumbs_down", "dislike", "retired", "returned", "deleted",
}  # fmt: skip
# Ways to say, of a turn or a row, that it is not to be learned, or how much: 1 or true is all of it.
_WEIGHTS = ("weight", "loss_weight", "train", "training", "train_on", "loss")
_MASKS = ("masked", "mask")
WEIGHT_KEYS = {*_WEIGHTS, *_MASKS}
SHAREGPT_ROLES = {
    "human": "user", "user": "user", "customer": "user",
    "gpt": "assistant", "assistant": "assistant", "bot": "assistant", "model": "assistant", "chatgpt": "assistant",
    "system": "system", "developer": "system",
}  # fmt: skip


@dataclass(frozen=True)
class KeyNote:
    """A key of a row that was not taken (`what` is "ignored") or was read under another name ("read_as")."""

    key: str
    what: str
    says: str = ""


def plain(key: str) -> str:
    """A key without case, spaces, - and _: Slice, slice and SLICE are one."""
    return re.sub(r"[\s_.-]+", "", key).lower()


_KNOWN = {plain(key): own for key, own in ({own: own for own in OWN} | READ_AS).items()}
_NOT_TAKEN = {plain(key): says for key, says in NOT_TAKEN.items()}
_MEANING = {plain(key): what for key, what in CHANGES_MEANING.items()}
_VERDICTS = {plain(key) for key in VERDICTS}


def own_key(key: str) -> str | None:
    """Guildhall's name for a key; None for one that it does not know."""
    return key if key in OWN else _KNOWN.get(plain(key))


def known_names() -> set[str]:
    """Every name under which a column is read, in its plain form."""
    return set(_KNOWN)


def meaning_of(key: str) -> str:
    """What a key holds that cannot be taken, in words; "" for all other keys."""
    return _MEANING.get(plain(key), "")


def is_filled(value: Any) -> bool:
    return value not in (None, "", False, [], {}, "none")


def says_bad(key: str, value: Any) -> bool:
    """Whether the value marks the row's answer as a bad one: label false, approved 0, status rejected."""
    if plain(key) not in _VERDICTS or value is None:
        return False
    if value is False:
        return True
    if isinstance(value, Number):
        return value.value <= 0
    return isinstance(value, str) and plain(value) in {plain(word) for word in _BAD}


def weight_of(key: str, value: Any) -> float | None:
    """How much of a turn or row is to be learned by one of its keys: weight 0, train false, masked true; None for others."""
    name = plain(key)
    if isinstance(value, str) and plain(value) in {"0", "1", "true", "false", "yes", "no"}:
        value = plain(value) in {"1", "true", "yes"}
    number = value.value if isinstance(value, Number) else float(value) if isinstance(value, bool) else None
    if number is None:
        return None
    if name in {plain(mask) for mask in _MASKS}:
        return 1 - number
    return number if name in {plain(weight) for weight in _WEIGHTS} else None


def note_on(key: str) -> KeyNote:
    """What to say about a key that is not taken: why, or which known key it resembles."""
    name = plain(key)
    says = _NOT_TAKEN.get(name, "")
    if not says and name:
        near = difflib.get_close_matches(name, _KNOWN, n=1, cutoff=0.75)
        says = f"Did you mean “{_KNOWN[near[0]]}”?" if near else ""
    return KeyNote(shown(key)[1:-1], "ignored", says)
