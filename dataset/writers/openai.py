"""The chat format of OpenAI's fine-tuning files, which most other trainers read too: `messages` that end with the answer."""

from collections.abc import Iterator
from typing import Any

from dataset.writers.base import JsonLines, Row, answer


def _records(row: Row) -> Iterator[dict[str, Any]]:
    yield {"messages": [*row["messages"], answer(row["completion"])]}


OPENAI = JsonLines(
    name="openai",
    label="OpenAI chat JSONL",
    says="For fine-tuning at OpenAI and for most other trainers. OpenAI accepts only the standard keys.",
    keys={"messages": "messages", "completion": "messages (the last one)"},
    records=_records,
)
