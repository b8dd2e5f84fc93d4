"""What apps above training know about model versions: what is left to do when their data was withdrawn, and which are live.

Downstream extends upstream: pages show it, and training knows nothing of what it means.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from core.models import Project
from training.models import ModelVersion


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


LiveVersions = Callable[[Project], set[int]]
_live: list[LiveVersions] = []


def register_live(live: LiveVersions) -> None:
    """Call from AppConfig.ready. `live` gives the ids of the versions that applications of a project reach now, by one query."""
    _live.append(live)


def live_versions(project: Project) -> set[int]:
    return {version for live in _live for version in live(project)}
