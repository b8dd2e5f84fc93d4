"""Links that apps above training add to a model version's page (chat with it, compare it, make it live).

Downstream extends upstream: training shows what was registered and knows nothing of it.
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
    """Call from AppConfig.ready. `maker` makes few queries and gives only links that this person may follow."""
    _makers[name] = maker


def version_links(access: Access, version: ModelVersion) -> list[VersionLink]:
    return [link for maker in _makers.values() for link in maker(access, version)]
