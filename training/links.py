"""Links that apps above training add to a model version's page (chat with it, compare it, release it).

Downstream apps extend upstream ones: training shows the registered links and knows nothing about them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from core.access import Access
from training.models import ModelVersion


@dataclass(frozen=True)
class VersionLink:
    label: str
    url: str


LinkMaker = Callable[[Access, ModelVersion], list[VersionLink]]
_makers: dict[str, LinkMaker] = {}


def register_version_links(name: str, maker: LinkMaker) -> None:
    """Call from AppConfig.ready. `maker` makes few queries and returns only links that this person can open."""
    _makers[name] = maker


def version_links(access: Access, version: ModelVersion) -> list[VersionLink]:
    return [link for maker in _makers.values() for link in maker(access, version)]
