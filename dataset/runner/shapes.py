"""The known keys of the rows of an imported file, and how they are read. Tables and pure functions.

To read another format, add its keys to `READ_AS`, or to `CHANGES_MEANING` when a row with them cannot be imported.
"""

import difflib
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from dataset.runner.json_lines import Number, Value, shown

# The keys of Guildhall's own format.
OWN = (
    "messages", "prompt", "completion", "rejected", "context", "slice", "edge", "tags", "group", "conversation_id", "source", "license",
    "id", "system",
)  # fmt: skip
# Other names of the same keys, from other tools; compared without case and without - _ and spaces.
READ_AS = {
    # OpenAI, TRL, ShareGPT
    "conversations": "messages", "conversation": "messages", "dialog": "messages", "dialogue": "messages", "chat": "messages",
    # question and answer tables, Alpaca
    "question": "prompt", "query": "prompt", "instruction": "prompt", "input": "prompt",
    "response": "completion", "answer": "completion", "output": "completion", "reply": "completion",
    # preference pairs (TRL, OpenAI): the better and the worse answer
    "chosen": "completion", "preferred_output": "completion", "non_preferred_output": "rejected",
    "rejected_response": "rejected", "rejected_answer": "rejected", "rejected_output": "rejected", "worse_answer": "rejected",
    "system_prompt": "system", "system_message": "system",
    "record": "context", "records": "context", "contexts": "context",
    "documents": "context", "docs": "context", "passages": "context", "ctx": "context",
    "tag": "tags", "slices": "slice", "edge_case": "edge",
    "licence": "license", "external_id": "id",
}  # fmt: skip
# Names for a question or an answer that in other files are an id or a note: read only when a row has no other key.
MAY_BE = {
    **dict.fromkeys(("user", "human", "customer", "inputs", "user_message", "user_input", "user_prompt"), "prompt"),
    **dict.fromkeys(
        (
            "assistant", "bot", "agent", "gpt", "target", "targets", "ideal", "expected", "expected_output", "expected_answer",
            "reference_answer", "ground_truth", "gold", "gold_answer", "correct_answer", "accepted_answer", "best_answer",
            "final_answer", "model_output", "model_response", "assistant_response", "chosen_response", "completions", "responses",
            "answers", "outputs", "replies",
        ),
        "completion",
    ),
}  # fmt: skip
# Known keys that are not imported, with the reason.
NOT_TAKEN = {
    "revision": "Revisions get new numbers.",
    "status": "The destination is chosen with the import.",
    "example": "Examples get new numbers.",
    "position": "Rows get new places in a dataset.",
    "split": "Splits are decided at a freeze.",
    "history": "",
}
# A row with one of these keys, not empty, is more than text.
CHANGES_MEANING = {
    "tools": "tools that the model may call", "tool": "a tool", "available_tools": "tools that the model may call",
    "tool_definitions": "tools that the model may call", "tool_calls": "tool calls", "tool_call": "a tool call",
    "tool_choice": "a choice of tools", "tool_results": "results of tools", "tool_result": "the result of a tool",
    "functions": "functions that the model may call", "function": "a function that the model may call",
    "function_call": "a function call", "function_calls": "function calls", "attachments": "attachments",
    "multi_modal_data": "images, audio or video",
}  # fmt: skip
_MEDIA = re.compile(
    r"(?:input)?(image|img|picture|photo|screenshot|audio|video)s?(?:urls?|paths?|files?|bytes|base64|b64|data|ids?)?"
)
_MEDIA_WORDS = {"audio": "audio", "video": "video"}
# Keys that say whether an answer is good, alone or with a word before or after it: is_good, human_label.
VERDICTS = (
    "label", "labels", "approved", "accepted", "correct", "good", "valid", "desirable", "keep", "status", "verdict", "feedback",
    "rating", "score", "reward", "grade", "vote", "thumb", "thumbs", "thumbs_up", "quality", "preferred", "liked",
    "helpful", "acceptable", "ok", "useful", "usable", "passed", "decision", "judgement", "judgment", "assessment", "stars",
)  # fmt: skip
# The same with the opposite meaning: true means that the answer is bad.
AGAINST = (
    "bad", "wrong", "incorrect", "invalid", "rejected", "declined", "undesirable", "dislike", "disliked", "flagged", "harmful",
    "toxic", "unsafe", "hallucinated", "deleted", "removed", "retired", "skip", "skipped", "exclude", "excluded", "ignore",
    "ignored", "discard", "discarded", "hidden", "thumbs_down", "downvoted", "spam",
)  # fmt: skip
_BEFORE = (
    "",
    "is",
    "was",
    "human",
    "user",
    "rater",
    "annotator",
    "reviewer",
    "answer",
    "response",
    "completion",
)
_BEHIND = ("", "answer", "response", "completion")
_BAD = {
    "false", "f", "no", "n", "bad", "wrong", "incorrect", "invalid", "rejected", "reject", "declined", "refused", "undesirable",
    "undesired", "negative", "down", "thumbs_down", "thumb_down", "downvote", "dislike", "disliked", "retired", "returned", "deleted",
    "removed", "fail", "failed", "ko", "not_ok", "unacceptable", "disapproved", "not_approved", "unapproved", "poor", "unsafe",
    "unhelpful", "unusable", "discard", "discarded", "\U0001f44e", "\u274c", "\u2717", "\u2718",
}  # fmt: skip
_YES = {"true", "t", "yes", "y", "1", "on"}
_NO = {"false", "f", "no", "n", "off"}
# Objects with data about a row.
_HOLDERS = {
    "metadata",
    "meta",
    "extra",
    "info",
    "annotation",
    "annotations",
    "evaluation",
    "review",
    "attributes",
    "properties",
}
# Keys that say whether, or how much, to train on a turn or a row: 1 or true is all of it.
_WEIGHTS = (
    "weight", "weights", "loss_weight", "sample_weight", "example_weight", "importance", "train", "training", "trainable", "train_on",
    "train_on_turn", "train_on_answer", "train_on_completion", "train_mask", "learn", "loss", "loss_mask", "compute_loss",
    "include_in_loss", "in_loss",
)  # fmt: skip
_MASKS = (
    "masked",
    "mask",
    "ignore_loss",
    "no_loss",
    "skip_loss",
    "do_not_train",
    "no_train",
    "exclude_from_training",
)
SHAREGPT_ROLES = {
    "human": "user", "user": "user", "customer": "user",
    "gpt": "assistant", "assistant": "assistant", "bot": "assistant", "model": "assistant", "chatgpt": "assistant",
    "system": "system", "developer": "system",
}  # fmt: skip


@dataclass(frozen=True)
class KeyNote:
    """A key of a row that was not imported (`what` is "ignored") or was read under another name ("read_as")."""

    key: str
    what: str
    says: str = ""


_LONGEST_KEY = 100  # letters of a key that are compared; no known key has more


def plain(key: str) -> str:
    """A key without case, spaces, - and _, and without invisible letters: Slice, slice and SLICE are one."""
    return _plain(key[:_LONGEST_KEY])


@lru_cache(maxsize=4096)
def _plain(key: str) -> str:
    seen = "".join(
        letter for letter in unicodedata.normalize("NFKC", key) if unicodedata.category(letter) != "Cf"
    )
    return re.sub(r"[\s_.-]+", "", seen).casefold()


def _plain_set(names: tuple[str, ...] | set[str]) -> set[str]:
    return {plain(name) for name in names}


def _with_words(names: tuple[str, ...]) -> set[str]:
    return {f"{before}{plain(name)}{behind}" for name in names for before in _BEFORE for behind in _BEHIND}


_KNOWN = {plain(key): own for key, own in ({own: own for own in OWN} | READ_AS).items()}
_OWN_NAMES = {plain(own): own for own in OWN}
_MAY_BE = {plain(key): own for key, own in MAY_BE.items()}
_NOT_TAKEN = {plain(key): says for key, says in NOT_TAKEN.items()}
_MEANING = {plain(key): meaning for key, meaning in CHANGES_MEANING.items()}
_FOR, _AGAINST = _with_words(VERDICTS), _with_words(AGAINST)
_WEIGHT_NAMES, _MASK_NAMES = _plain_set(_WEIGHTS), _plain_set(_MASKS)
_BAD_WORDS = _plain_set(_BAD)
_NUMBER = re.compile(r"[-+]?[0-9]{1,30}(?:\.[0-9]{1,30})?")


def _slips(name: str) -> set[str]:
    """A name with one letter removed, or two swapped; the first letter is rarely wrong."""
    left_out = {name[:at] + name[at + 1 :] for at in range(1, len(name))}
    return left_out | {name[:at] + name[at + 1] + name[at] + name[at + 2 :] for at in range(1, len(name) - 1)}


_JUDGING = _plain_set(VERDICTS) | _plain_set(AGAINST) | _WEIGHT_NAMES | _MASK_NAMES
_LEAST_FOR_A_SLIP = 5
_MISSPELT = {
    slip: name for name in sorted(_JUDGING) if len(name) >= _LEAST_FOR_A_SLIP for slip in _slips(name)
}


@lru_cache(maxsize=4096)
def _meant(name: str) -> str:
    """The known name for a misspelled key (lable, weigth, aproved, raiting); the key itself when there is none."""
    if name in _KNOWN or name in _FOR or name in _AGAINST or name in _JUDGING or name in _MAY_BE:
        return name
    if name in _MISSPELT:
        return _MISSPELT[name]
    one_less = (name[:at] + name[at + 1 :] for at in range(1, len(name)))
    return next(
        (shorter for shorter in one_less if len(shorter) >= _LEAST_FOR_A_SLIP and shorter in _JUDGING), name
    )


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What a key alone says of its value. `name` is its plain form, `own` Guildhall's name for it (None: unknown), `may_be` the
    Guildhall key that it can be when a row has no other for it, `meaning` content that cannot be imported, in words ("" for
    other keys). `judges`: the value can say that the answer is bad, or not to train on it."""

    name: str
    own: str | None
    may_be: str | None
    meaning: str
    judges: bool


def key_facts(key: str) -> KeyFacts:
    return _key_facts(key[:_LONGEST_KEY])


@lru_cache(maxsize=4096)  # the same few keys are in every row of a file
def _key_facts(key: str) -> KeyFacts:
    name = _plain(key)
    meant = _meant(name)
    media = _MEDIA.fullmatch(name)
    return KeyFacts(
        name=name,
        own=key if key in OWN else _KNOWN.get(name),
        may_be=_MAY_BE.get(name),
        meaning=_MEDIA_WORDS.get(media[1], "images") if media else _MEANING.get(name, ""),
        judges=name in _HOLDERS or meant in _JUDGING or meant in _FOR or meant in _AGAINST,
    )


def own_key(key: str) -> str | None:
    """Guildhall's name for a key; None for an unknown key."""
    return key_facts(key).own


def known_names() -> set[str]:
    """Every name under which a column is read, in its plain form."""
    return set(_KNOWN)


def meaning_of(key: str) -> str:
    """The content of a key that cannot be imported, in words; "" for all other keys."""
    return key_facts(key).meaning


def is_filled(value: Value) -> bool:
    if isinstance(value, str):
        return value.strip().lower() not in ("", "[]", "{}", "null", "none", "auto")
    return value not in (None, False, [], {})


def _as_number(value: Value) -> float | None:
    """The number of a value or its text, 1 or 0 for true and false; None for other values."""
    if isinstance(value, Number):
        return value.value
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return None
    text = value.strip().replace("\u2212", "-")
    if _NUMBER.fullmatch(text):
        return float(text)
    word = plain(value)
    return 1.0 if word in _YES else 0.0 if word in _NO else None


def says_bad(key: str, value: Value, *, within: int = 3) -> bool:
    """Whether the value marks the row's answer as a bad one: label false, approved 0, status rejected, is_bad true."""
    name = _meant(plain(key))
    if isinstance(value, dict) and within and (name in _FOR or name in _HOLDERS):
        return any(
            says_bad(
                key if name in _FOR and plain(part) in ("value", "name", "type", "choice") else part,
                inner,
                within=within - 1,
            )
            for part, inner in value.items()
        )
    if name in _AGAINST:
        return _as_number(value) == 1
    if name not in _FOR:
        return False
    if isinstance(value, list):
        return bool(value) and within > 0 and all(says_bad(key, inner, within=within - 1) for inner in value)
    number = _as_number(value)
    if number is not None:
        return number < 0 if name.endswith("vote") else number <= 0
    # A thumb emoji can be followed by a skin colour.
    return (
        isinstance(value, str)
        and plain(value).rstrip("\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff\ufe0f") in _BAD_WORDS
    )


def weight_of(key: str, value: Value) -> float | None:
    """How much of a turn or row to train on, by one of its keys: weight 0, train false, masked true; None for others.

    Of a list, one for each turn or token, the last counts: it is the answer's.
    """
    name = _meant(plain(key))
    if name not in _WEIGHT_NAMES and name not in _MASK_NAMES:
        return None
    number = _as_number(value[-1] if isinstance(value, list) and value else value)
    if number is None:
        return None
    return 1 - number if name in _MASK_NAMES else number


def says_not_to_train(key: str, value: Value) -> bool:
    """Whether a key of a row says not to train on it, directly or in an object with data about the row."""
    if isinstance(value, dict) and plain(key) in _HOLDERS:
        return any(
            says_not_to_train(part, inner) for part, inner in value.items() if not isinstance(inner, dict)
        )
    return (weight := weight_of(key, value)) is not None and weight <= 0


def note_on(key: str) -> KeyNote:
    """The note for a key that is not imported: the reason, or a similar known key."""
    return KeyNote(shown(key)[1:-1], "ignored", _says_of(plain(key)))


@lru_cache(maxsize=4096)
def _says_of(name: str) -> str:
    if not name or name in _NOT_TAKEN:
        return _NOT_TAKEN.get(name, "")
    if name in _WEIGHT_NAMES:
        return "Every approved row counts once."
    meant = _meant(name)
    if meant != name:
        return f"Did you mean “{meant}”?"
    if name in _FOR or name in _AGAINST:
        return ""
    # Guildhall's names first: "massages" is nearer to messages than to passages, another name of context.
    near = _near(name, _OWN_NAMES) or _near(name, _KNOWN)
    return f"Did you mean “{near}”?" if near else ""


def _near(name: str, known: dict[str, str]) -> str:
    return next((known[near] for near in difflib.get_close_matches(name, known, n=1, cutoff=0.75)), "")
