"""The five stages on a project's Home. Apps above core register theirs; core only shows them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from core.access import Access


@dataclass(frozen=True)
class StageCard:
    """What a stage shows: a figure ("1,284"), a line under it, and the address of its link ("" for none)."""

    figure: str
    line: str
    url: str = ""


@dataclass(frozen=True)
class NextItem:
    """Something for this person to do. Lower `order` comes first; `tone` copper means that it waits for them."""

    title: str
    line: str
    url: str
    action: str
    order: int = 50
    tone: Literal["accent", "copper"] = "accent"


@dataclass(frozen=True)
class Glance:
    """One stage for one person: its card, and the next steps."""

    card: StageCard
    next_items: list[NextItem] = field(default_factory=list)


@dataclass(frozen=True)
class Stage:
    """`glance` makes a constant number of queries, and reads each fact once for the card and the next steps."""

    key: str
    label: str
    order: int
    glance: Callable[[Access], Glance]
    roles: tuple[str, ...]
    url_name: str


NextItems = Callable[[Access], list[NextItem]]
_stages: dict[str, Stage] = {}
_next_items: dict[str, list[NextItems]] = {}
_partner_home: list[str] = []
_loop_back: list[Callable[[Access], str]] = []


def register_stage(stage: Stage) -> None:
    """Call from AppConfig.ready. `roles` are those that see the stage in the navigation."""
    _stages[stage.key] = stage


def register_next_items(stage: str, items: NextItems) -> None:
    """Adds what an app above has for people to do at the stage `stage` (its key). Few queries, each fact once."""
    _next_items.setdefault(stage, []).append(items)


def next_items_of(stage: Stage, access: Access) -> list[NextItem]:
    """What was registered for the stage by apps above it."""
    return [item for items in _next_items.get(stage.key, []) for item in items(access)]


def register_partner_home(url_name: str) -> None:
    """The page of a project that a partner sees in the place of Home: they see none of the stages."""
    _partner_home.append(url_name)


def partner_home() -> str:
    """The URL name of the page that a partner sees first."""
    return _partner_home[-1]


def register_loop_back(line: Callable[[Access], str]) -> None:
    """Registers the sentence about feedback from release to annotation ("3 corrected answers came back this week").

    At most one query; empty when there is nothing to show.
    """
    _loop_back.append(line)


def loop_back(access: Access) -> str:
    lines = [line(access) for line in _loop_back]
    return next(
        (line for line in lines if line), "Corrected answers and low ratings come back as new examples"
    )


def stages() -> list[Stage]:
    return sorted(_stages.values(), key=lambda stage: stage.order)
