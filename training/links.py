"""Links that apps above training add to a model version's page (chat with it, compare it, release it).

Downstream apps extend upstream ones: training shows the registered links and knows nothing about them.
"""

from collections.abc import Callable, Mapping, Sequence
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


@dataclass(frozen=True)
class UseNote:
    """What an app above knows about a model version whose data was withdrawn: a sentence, whether something is left to do because of
    it, and where that is done."""

    says: str
    is_open: bool
    label: str = ""
    url: str = ""


UseNotes = Callable[[Sequence[ModelVersion]], Mapping[int, list[UseNote]]]
_use_notes: list[UseNotes] = []


def register_use_notes(notes: UseNotes) -> None:
    """Call from AppConfig.ready. `notes` gives {version id: its notes}; its number of queries does not depend on how many versions
    there are."""
    _use_notes.append(notes)


def use_notes(versions: Sequence[ModelVersion]) -> dict[int, list[UseNote]]:
    """The notes of all apps above, by version id."""
    found: dict[int, list[UseNote]] = {}
    for notes in _use_notes:
        for version, known in notes(versions).items():
            found.setdefault(version, []).extend(known)
    return found
