"""The conversational formats of Hugging Face's TRL: prompt and completion, preference, and KTO."""

from collections.abc import Iterator
from typing import Any

from dataset.writers.base import JsonLines, LeftOut, Row, answer


def _prompt_completion(row: Row) -> Iterator[dict[str, Any]]:
    yield {"prompt": row["messages"], "completion": [answer(row["completion"])]}


def _preference(row: Row) -> Iterator[dict[str, Any]]:
    yield {
        "prompt": row["messages"],
        "chosen": [answer(row["completion"])],
        "rejected": [answer(row["rejected"])],
    }


def _has_both(row: Row) -> LeftOut | None:
    return None if row["completion"] and row["rejected"] else LeftOut.NOT_WORSE


def _kto(row: Row) -> Iterator[dict[str, Any]]:
    for text, label in ((row["completion"], True), (row["rejected"], False)):
        if text:
            yield {"prompt": row["messages"], "completion": [answer(text)], "label": label}


def _has_one(row: Row) -> LeftOut | None:
    return None if row["completion"] or row["rejected"] else LeftOut.NO_ANSWER


PROMPT_COMPLETION = JsonLines(
    name="trl",
    label="TRL prompt and completion",
    says="For supervised training with TRL: the loss counts the completion only.",
    keys={"messages": "prompt", "completion": "completion"},
    records=_prompt_completion,
)
PREFERENCE = JsonLines(
    name="preference",
    label="Preference pairs (DPO)",
    says="For training on preferences: a better and a worse answer to the same prompt. TRL's DPO and reward trainers read it.",
    keys={"messages": "prompt", "completion": "chosen", "rejected": "rejected"},
    records=_preference,
    reason=_has_both,
    left_out=(LeftOut.NOT_WORSE,),
)
KTO = JsonLines(
    name="kto",
    label="Labelled answers (KTO)",
    says="For KTO: each answer with a label, true for a good one. An example with a good and a worse answer becomes two rows.",
    keys={
        "messages": "prompt",
        "completion": "completion, where label is true",
        "rejected": "completion, where label is false",
    },
    records=_kto,
    reason=_has_one,
    left_out=(LeftOut.NO_ANSWER,),
    two_rows=True,
)
