"""The token check: trainer and engine must render the same ids. Pure; no engine, no database."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from annotation.text.rendering import Message

# Enough differing prompts to find the cause; the report is stored and shown.
SHOWN = 5
AROUND = 8


def first_difference(ours: list[int], theirs: list[int]) -> int | None:
    """The first position at which two id lists differ; None when they are equal."""
    for position, (a, b) in enumerate(zip(ours, theirs, strict=False)):
        if a != b:
            return position
    return None if len(ours) == len(theirs) else min(len(ours), len(theirs))


def compare(
    prompts: list[dict[str, Any]],
    tokenize: Callable[[list[Message]], list[int]],
    *,
    engine: str,
    at: datetime,
) -> dict[str, Any]:
    """Renders each of `prompts` ([{messages, token_ids}]) by `tokenize` and compares.

    Returns {checked, differing: [{prompt, position, trainer, engine, trainer_length, engine_length}], at, engine};
    `trainer` and `engine` are the ids around the first difference. `differing` lists at most SHOWN prompts,
    `differing_count` counts them all.
    """
    differing = []
    for prompt in prompts:
        ours = [int(token) for token in prompt["token_ids"]]
        theirs = tokenize(prompt["messages"])
        position = first_difference(ours, theirs)
        if position is None:
            continue
        window = slice(max(0, position - AROUND), position + AROUND)
        differing.append(
            {
                "prompt": str(prompt["messages"][-1]["content"])[:200] if prompt["messages"] else "",
                "position": position,
                "trainer": ours[window],
                "engine": theirs[window],
                "trainer_length": len(ours),
                "engine_length": len(theirs),
            }
        )
    return {
        "checked": len(prompts),
        "differing": differing[:SHOWN],
        "differing_count": len(differing),
        "at": at.isoformat(),
        "engine": engine,
    }


def sentence(report: dict[str, Any]) -> str:
    """The report in one sentence, both id lists shown for the first difference."""
    checked, count = report["checked"], report["differing_count"]
    if not count:
        return f"Token ids of {checked} prompts are the same in trainer and engine."
    difference = report["differing"][0]
    return (
        f"Token ids of {count} of {checked} prompts differ between trainer and engine. First at position "
        f"{difference['position']} of “{difference['prompt'][:60]}”: trainer {difference['trainer']}, engine {difference['engine']}."
    )
