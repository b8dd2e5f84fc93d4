"""What the project's first screen and its API tell: the stages, what to do next, what happened lately."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from core.access import Access
from core.errors import ExpectedError
from core.queries import visible_audit
from core.sentences import digest
from core.stages import NextItem, Stage, StageCard, loop_back, stages

log = logging.getLogger(__name__)
LATELY = 8
LOOKED_AT = 200  # entries that are put together into those lines
NEXT = 6


@dataclass(frozen=True)
class DrawnStage:
    """A stage as this person sees it; `card` is None where the person's roles do not reach."""

    stage: Stage
    card: StageCard | None


def _card(stage: Stage, access: Access) -> StageCard | None:
    if not access.has(*stage.roles):
        return None
    try:
        return stage.card(access)
    except ExpectedError as error:
        # One part that is away must not take the whole first screen with it.
        log.warning("Stage %s of %s cannot tell: %s", stage.key, access.project, error)
        return StageCard("–", error.message)


def _next(access: Access) -> list[NextItem]:
    found: list[NextItem] = []
    for stage in stages():
        if access.has(*stage.roles):
            try:
                found.extend(stage.next_items(access))
            except ExpectedError as error:
                log.warning("Stage %s of %s cannot tell: %s", stage.key, access.project, error)
    return sorted(found, key=lambda item: item.order)[:NEXT]


class LoopContext(TypedDict):
    drawn: list[DrawnStage]
    back: str
    next_items: list[NextItem]
    lately: list[tuple[str, datetime]]


def loop_context(access: Access) -> LoopContext:
    """Everything the loop's fragment shows. Queries: what each stage says of itself, and two."""
    return {
        "drawn": [DrawnStage(stage, _card(stage, access)) for stage in stages()],
        "back": loop_back(access),
        "next_items": _next(access),
        "lately": digest(visible_audit(access).order_by("-pk")[:LOOKED_AT], LATELY),
    }
