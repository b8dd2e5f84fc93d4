"""The loop's five stages on a project's first screen. Apps above core register theirs; core only draws them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from core.access import Access


@dataclass(frozen=True)
class StageCard:
    """What a stage shows: a figure ("1,284"), a line under it, and where a click leads ("" for nowhere)."""

    figure: str
    line: str
    url: str = ""


@dataclass(frozen=True)
class NextItem:
    """Something for this person to do. Lower `order` comes first; `tone` copper means it waits on them."""

    title: str
    line: str
    url: str
    action: str
    order: int = 50
    tone: Literal["accent", "copper"] = "accent"


@dataclass(frozen=True)
class Stage:
    """`card` and `next_items` each make a constant number of queries."""

    key: str
    label: str
    order: int
    card: Callable[[Access], StageCard]
    next_items: Callable[[Access], list[NextItem]]
    roles: tuple[str, ...]
    url_name: str


_stages: dict[str, Stage] = {}


def register_stage(stage: Stage) -> None:
    """Call from AppConfig.ready. `roles` are those that see the stage in the navigation."""
    _stages[stage.key] = stage


def stages() -> list[Stage]:
    return sorted(_stages.values(), key=lambda stage: stage.order)
