"""What apps above training know about model versions whose data was withdrawn.

Downstream extends upstream: the page of a withdrawal shows the notes, and training knows nothing of what they say.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

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
