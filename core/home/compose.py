"""The data of a project's Home, for the page and the API: the stages, the next steps, recent activity."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from core.access import Access
from core.audit.sentences import digest, quiet_actions
from core.errors import ExpectedError
from core.home.stages import Glance, NextItem, Stage, StageCard, loop_back, next_items_of, stages
from core.queries import visible_audit

log = logging.getLogger(__name__)
LATELY = 8
LOOKED_AT = 200  # entries that are joined into those lines
NEXT = 6


@dataclass(frozen=True)
class DrawnStage:
    """A stage as this person sees it; `card` is None without a role for it."""

    stage: Stage
    card: StageCard | None


def _glance(stage: Stage, access: Access) -> Glance | None:
    if not access.has(*stage.roles):
        return None
    try:
        glance = stage.glance(access)
        return Glance(glance.card, [*glance.next_items, *next_items_of(stage, access)])
    except ExpectedError as error:
        # One part that is offline must not break the whole page.
        log.warning("Stage %s of %s has no data: %s", stage.key, access.project, error)
        return Glance(StageCard("–", error.message))


def _lately(access: Access) -> list[tuple[str, datetime]]:
    entries = visible_audit(access).exclude(action__in=quiet_actions()).order_by("-pk")
    return digest(entries[:LOOKED_AT], LATELY)


class LoopContext(TypedDict):
    drawn: list[DrawnStage]
    back: str
    next_items: list[NextItem]
    lately: list[tuple[str, datetime]]


def loop_context(access: Access) -> LoopContext:
    """The context of the loop fragment. Queries: those of each stage, and two."""
    glances = [(stage, _glance(stage, access)) for stage in stages()]
    to_do = [item for _, glance in glances if glance for item in glance.next_items]
    return {
        "drawn": [DrawnStage(stage, glance.card if glance else None) for stage, glance in glances],
        "back": loop_back(access),
        "next_items": sorted(to_do, key=lambda item: item.order)[:NEXT],
        "lately": _lately(access),
    }
