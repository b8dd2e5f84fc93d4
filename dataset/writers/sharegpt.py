"""ShareGPT: `conversations` of `from` and `value`."""

from collections.abc import Iterator
from typing import Any

from dataset.writers.base import JsonLines, Row

_FROM = {"system": "system", "user": "human", "assistant": "gpt"}


def _records(row: Row) -> Iterator[dict[str, Any]]:
    turns = [{"from": _FROM[message["role"]], "value": message["content"]} for message in row["messages"]]
    yield {"conversations": [*turns, {"from": "gpt", "value": row["completion"]}]}


SHAREGPT = JsonLines(
    name="sharegpt",
    label="ShareGPT JSONL",
    says="For trainers that read conversations of from and value, for example FastChat and Unsloth.",
    keys={"messages": "conversations", "completion": "conversations (the last one)"},
    records=_records,
)
