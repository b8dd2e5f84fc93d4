"""The shape of a file's rows, by the keys of its first ones: what people call the format. Pure functions."""

from collections.abc import Sequence

from dataset.runner.json_lines import Value
from dataset.runner.labelled import is_argilla, is_label_studio
from dataset.runner.shapes import own_key, plain

Row = dict[str, Value]

UNKNOWN = "Columns that are not known"


def shape_of(rows: Sequence[Row]) -> str:
    """The name of the commonest shape among the rows; "" without rows."""
    names = [_shape(row) for row in rows]
    known = [name for name in names if name != UNKNOWN] or names
    return max(known, key=known.count) if known else ""


def _shape(row: Row) -> str:
    if is_label_studio(row):
        return "Label Studio export"
    if is_argilla(row):
        return "Argilla export"
    keys = {plain(key): key for key, value in row.items() if value is not None}
    return _pairs_of_answers(keys, row) or _chat(keys, row) or _question(keys, row) or UNKNOWN


def _pairs_of_answers(keys: dict[str, str], row: Row) -> str:
    if "preferredoutput" in keys and "nonpreferredoutput" in keys:
        return "Preference pairs (OpenAI)"
    if "chosen" in keys and "rejected" in keys:
        return "Preference pairs (chosen and rejected)"
    if "prompt" in keys and "completion" in keys and isinstance(row.get(keys.get("label", "")), bool):
        return "Single answers with a label (KTO)"
    return ""


def _chat(keys: dict[str, str], row: Row) -> str:
    for name, key in keys.items():
        value = row[key]
        first = value[0] if isinstance(value, list) and value else None
        if own_key(key) == "messages" and isinstance(first, dict):
            if "from" in first:
                return "Conversations (ShareGPT)"
            if "completion" in keys or "context" in keys:
                return "Guildhall examples"
            return "Chat messages (OpenAI)" if name == "messages" else "Chat messages"
    return ""


def _question(keys: dict[str, str], row: Row) -> str:
    if "instruction" in keys and "output" in keys:
        return "Instructions (Alpaca)"
    prompt, completion = row.get(keys.get("prompt", "")), row.get(keys.get("completion", ""))
    if isinstance(prompt, list) or isinstance(completion, list):
        return "Prompts and completions as messages (TRL)"
    if "prompt" in keys and "completion" in keys:
        return "Prompts and completions"
    has = {own_key(key) for key in keys.values()}
    if {"prompt", "completion"} <= has:
        return "Questions and answers"
    return "Questions" if "prompt" in has else ""
