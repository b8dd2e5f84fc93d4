"""The base model's own words for the experts' answers, as what is learnt (self-distillation).

Yang et al. 2024, "Self-Distillation Bridges Distribution Gap in Language Model Fine-Tuning": a model that learns an answer in words that
it would itself use changes less. A rewritten answer takes the expert's place only where it says the same facts; else the expert's own
words stay.
"""

import re
from collections.abc import Iterable
from typing import Any

from annotation.checks import Pair
from annotation.checks.facts import facts_by_support
from annotation.text.cleaning import clean_text
from training.rows import TRAIN, EncodedRow, RowEncoder
from training.runner.base_answers import BaseWriter
from training.runner.data import TransformersTokenizer

FILE = "rewritten.json"
MOST_TOKENS = 192
# Of the expert's answer, in characters: a rewriting beyond these left something out or added something.
SHORTEST, LONGEST = 0.5, 1.6
ASK = (
    "{question}\n\nA good answer is:\n{answer}\n\nWrite this answer in your own words. Keep every fact, name, number and date exactly. "
    "Write only the answer."
)
# A name: a capitalised word that does not begin a sentence.
_NAME = re.compile(r"(?<=[^\s.!?:] )[A-Z][\w-]+")


def rewritten(
    rows: Iterable[dict[str, Any]], writer: BaseWriter, *, system_prompt: str, context: int
) -> tuple[list[dict[str, Any]], int]:
    """(the rows, how many changed), those to train on with the base model's words where they keep the facts. Held-out rows stay as they are. `context` is
    the number of tokens that the base model can read."""
    everything = list(rows)
    encoder = RowEncoder(
        TransformersTokenizer(writer.tokenizer), stop_token=writer.stop_token, system_prompt=system_prompt
    )
    asked: list[tuple[int, EncodedRow]] = []
    for at, row in enumerate(everything):
        encoded = encoder.encode(_question(row)) if row["split"] == TRAIN else None
        if encoded is not None and encoded.prompt_length + MOST_TOKENS <= context:
            asked.append((at, encoded))
    written = writer.write(
        [row.prompt for _, row in asked],
        file=FILE,
        most_tokens=MOST_TOKENS,
        temperature=0.0,
        words="The base model writes answers in its own words",
    )
    changed = 0
    for (at, _), ids in zip(asked, written, strict=True):
        row = everything[at]
        text = clean_text(str(writer.tokenizer.decode(ids, skip_special_tokens=True))).strip()
        # One that was cut is not whole.
        if len(ids) < MOST_TOKENS and says_the_same(row["completion"], text):
            everything[at] = {**row, "completion": text}
            changed += 1
    return everything, changed


def _question(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its last message asking for the answer in other words."""
    *before, last = row["messages"]
    content = ASK.format(question=last["content"], answer=row["completion"])
    return {**row, "messages": [*before, {**last, "content": content}]}


def says_the_same(expert: str, text: str) -> bool:
    """Whether a rewriting of an expert's answer has all its facts and names, and no other facts."""
    if not SHORTEST * len(expert) <= len(text) <= LONGEST * len(expert):
        return False
    if not set(_NAME.findall(expert)) <= set(re.findall(r"[\w-]+", text)):
        return False
    # Facts of the rewriting need a source in the expert's answer, and the other way round.
    return not (_lacking(text, expert) or _lacking(expert, text))


def _lacking(text: str, source: str) -> bool:
    pair = Pair.of({"messages": [], "context": [source], "completion": text})
    return bool(facts_by_support(pair, "")[1])
