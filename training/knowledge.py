"""Facts without support, and whether a model's answers have them. Rules without a database; no torch.

A fact counts as unknown to a base model when none of its answers to the example's prompt has it: after Gekhman et al. 2024, "Does
Fine-Tuning LLMs on New Knowledge Encourage Hallucinations?" (EMNLP), who call a fact unknown when neither the greedy answer nor any drawn
one has it. They draw 16 answers at temperature 0.5 with examples in the prompt; we draw 4, with the prompt that training uses.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from annotation.checks import SECONDS, Pair
from annotation.checks.base import OutOfTime, TimeBudget
from annotation.checks.facts import Fact, Known, facts_by_support

ASK = "ask_base_model"  # the kind of run
CHECK, KIND = "unknown-facts", "unknown-fact"  # of its findings


@dataclass(frozen=True)
class Questioning:
    """How a base model is asked: one greedy answer, and `drawn` ones at `temperature`. `most_tokens` is the longest answer; it is
    shorter where the completion is: that and `spare_tokens` more."""

    drawn: int = 4
    temperature: float = 0.5
    seed: int = 20240916
    most_tokens: int = 128
    spare_tokens: int = 24

    @property
    def answers(self) -> int:
        return 1 + self.drawn

    def tokens_for(self, completion_tokens: int) -> int:
        return min(self.most_tokens, completion_tokens + self.spare_tokens)


QUESTIONING = Questioning()


def facts_to_ask(content: Mapping[str, Any], system_prompt: str) -> list[Fact]:
    """The facts of the completion that the check of facts calls invented: references, dates, times, weekdays and numbers that are in
    neither conversation, records nor system prompt and do not follow from them. Names are not among them. Empty for a text that the
    check does not finish in its time."""
    try:
        return facts_by_support(Pair.of(content), system_prompt, TimeBudget(SECONDS))[1]
    except OutOfTime:
        return []


def answers_with(facts: Sequence[Fact], answers: Sequence[str]) -> list[int]:
    """For each fact the number of answers that state it, by the rules of the check: "14 days" is also "two weeks". What only follows
    from other facts of an answer (a sum) does not count."""
    known = []
    for answer in answers:
        stated = Known()
        stated.add(0, answer)
        known.append(stated)
    return [sum(bool(one.stated(fact)) for one in known) for fact in facts]


def digest_of(prompt: Sequence[int], facts: Sequence[Fact], questioning: Questioning = QUESTIONING) -> str:
    """SHA-256 of what is asked: with an equal one, the model need not be asked again."""
    asked = [list(prompt), [[fact.text, fact.start] for fact in facts], asdict(questioning)]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()
