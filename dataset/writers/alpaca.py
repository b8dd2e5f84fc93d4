"""Alpaca: an instruction with its output. Earlier turns are in `history`, as LLaMA-Factory reads them."""

import re
from collections.abc import Iterator
from typing import Any

from dataset.writers.base import JsonLines, LeftOut, Row, answered

# The roles of a conversation that Alpaca can hold: the customer asks last, and each earlier question has one answer.
ROLES = re.compile(r"(?:system )?(?:user assistant )*user")


def _reason(row: Row) -> LeftOut | None:
    if reason := answered(row):
        return reason
    roles = " ".join(message["role"] for message in row["messages"])
    return None if ROLES.fullmatch(roles) else LeftOut.TURNS


def _records(row: Row) -> Iterator[dict[str, Any]]:
    system = "".join(message["content"] for message in row["messages"][:1] if message["role"] == "system")
    turns = [message["content"] for message in row["messages"] if message["role"] != "system"]
    yield {
        "instruction": turns[-1],
        "input": "",
        "output": row["completion"],
        "system": system,
        "history": [[question, said] for question, said in zip(turns[:-1:2], turns[1:-1:2], strict=True)],
    }


ALPACA = JsonLines(
    name="alpaca",
    label="Alpaca JSONL",
    says="For trainers that read instruction, input and output, for example LLaMA-Factory and Axolotl.",
    keys={"messages": "instruction, system, history", "completion": "output"},
    records=_records,
    reason=_reason,
    left_out=(LeftOut.UNANSWERED, LeftOut.TURNS),
)
