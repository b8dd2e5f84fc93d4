"""How two examples of a cluster are alike and what differs, in words. The similarity of a search looks at words alone, with all numbers
taken as one: texts with other dates have 1.0, and are not equal."""

import math
import re
from collections.abc import Sequence
from typing import Any

from annotation.models import Example
from annotation.text.hashes import loosely
from core.wording import listed
from dataset.models import DuplicateCluster
from dataset.similarity import words

Kind = DuplicateCluster.Kind
_DIGITS = re.compile(r"\d+")
_COMPARED = {Kind.PAIR: "question and answer", Kind.PROMPT: "the question", Kind.COMPLETION: "the answer"}


def question_of(messages: Sequence[Any]) -> str:
    """The turns as one text, without system messages, for comparing prompts word by word."""
    turns = [turn for turn in messages if turn["role"] != "system"]
    if len(turns) == 1:
        return str(turns[0]["content"])
    return "\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)


def likeness_words(first: Example, other: Example, *, kind: str, similarity: float) -> str:
    """What is the same and what differs between the first example of a cluster and another one, as part of a sentence: "the same
    question and records as #4; numbers or dates differ in the answer". Only texts that differ in words have a percentage, and it is
    never 100%."""
    parts = {
        "question": (question_of(first.messages), question_of(other.messages)),
        "answer": (first.completion, other.completion),
        "records": ("\n".join(first.context), "\n".join(other.context)),
    }
    parts = {name: pair for name, pair in parts.items() if any(pair)}
    by_how: dict[str, list[str]] = {}
    for name, (one, two) in parts.items():
        by_how.setdefault(_difference(one, two), []).append(name)
    same = by_how.pop("", [])
    said = [f"the same {listed(same)} as #{first.pk}"] if same else [f"compared with #{first.pk}"]
    said += [
        f"{how} {'differ' if how.endswith('s') else 'differs'} in the {listed(names)}"
        for how, names in by_how.items()
    ]
    if "words" in by_how and similarity < 1:
        said.append(f"{_COMPARED[Kind(kind)]} {math.floor(similarity * 100)}% similar")
    return "; ".join(said)


def _difference(one: str, two: str) -> str:
    """What differs: "" when nothing does."""
    if one == two:
        return ""
    if loosely(one) == loosely(two):
        return "capitals or spaces"
    plain = words(one), words(two)
    if plain[0] != plain[1]:
        return "words"
    return "numbers or dates" if _DIGITS.findall(one) != _DIGITS.findall(two) else "punctuation marks"
