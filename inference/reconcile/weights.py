"""Checks whether the models of one engine answer with their own weights: each must give the same answers alone and
together with the others. Pure; no engine, no database.

In a shared batch sums are added in another order, so numbers differ a little, and a greedy choice between two nearly
equal tokens may change. That is noise. A leak changes the numbers themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from inference.engines import TokenStep

# Plain text, not chats: every token costs an adapter on a CPU about 35 ms of one core, and a chat template adds thirty.
# Language models continue both with high certainty.
PROMPTS = ("The capital of France is", "Monday, Tuesday, Wednesday,")
TOKENS = 6

# Changes of a token's log probability, in nats. Each start of an engine is measured before it gets an adapter: the base
# model in a batch with itself. On a CPU (vLLM 0.32, bfloat16, 135M parameters) that is 0.000 in every round; leaks changed it by 1.34 (a
# LoRA adapter whose B weights have a standard deviation of 0.05) and by 0.18 (0.005, the weakest tried).
# NOISE_LEAST lets one rounding of a logit pass: from 16 to 32 two bfloat16 numbers differ by 0.125.
NOISE_LEAST = 0.15
NOISE_FACTOR = 3.0
NOISE_MOST = 0.5  # an engine with this much noise cannot be checked

Answers = tuple[tuple[TokenStep, ...], ...]  # one for each of PROMPTS


@dataclass(frozen=True)
class Difference:
    """Where two answers differ: by `by` nats, more than noise."""

    prompt: str
    position: int
    alone: str
    beside: str
    by: float


def limit_of(noise: float) -> float:
    """The largest change that counts as noise, in nats, for an engine with `noise` of the base model in a batch with
    itself."""
    return max(NOISE_LEAST, NOISE_FACTOR * noise)


def _change(step: TokenStep, other: TokenStep) -> float:
    """The difference of the chosen tokens' log probabilities between two answers; a lower bound if one answer does not
    list the token among its most likely ones. Near ties that change sides give almost zero."""
    return max(_from(step, other), _from(other, step))


def _from(step: TokenStep, other: TokenStep) -> float:
    if step.token in other.likeliest:
        return abs(step.logprob - other.likeliest[step.token])
    if step.token == other.token:
        return abs(step.logprob - other.logprob)
    return max(0.0, step.logprob - min(other.likeliest.values(), default=step.logprob))


def _compare(
    prompt: str, alone: Sequence[TokenStep], beside: Sequence[TokenStep], limit: float
) -> tuple[float, Difference | None]:
    largest = 0.0
    for position, (step, other) in enumerate(zip(alone, beside, strict=True), start=1):
        by = _change(step, other)
        largest = max(largest, by)
        if by > limit:
            return largest, Difference(prompt, position, step.token, other.token, round(by, 3))
        if step.token != other.token:
            break  # a near tie; after it the two texts differ and cannot be compared
    return largest, None


def compare(alone: Answers, beside: Answers, limit: float) -> tuple[float, Difference | None]:
    """The largest change in nats over all prompts, and the first difference of more than `limit` nats."""
    largest, first = 0.0, None
    for prompt, steps, other in zip(PROMPTS, alone, beside, strict=True):
        shift, difference = _compare(prompt, steps, other, limit)
        largest, first = max(largest, shift), first or difference
    return largest, first


def as_json(answers: Answers) -> list[Any]:
    return [[[step.token, step.logprob, dict(step.likeliest)] for step in steps] for steps in answers]


def from_json(stored: list[Any]) -> Answers:
    """What `as_json` wrote. Raises ValueError, TypeError or KeyError for anything else."""
    answers = tuple(
        tuple(TokenStep(str(token), float(logprob), dict(likeliest)) for token, logprob, likeliest in steps)
        for steps in stored
    )
    if len(answers) != len(PROMPTS):
        raise ValueError("Answers to other prompts.")
    return answers
