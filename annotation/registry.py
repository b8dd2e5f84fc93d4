"""What apps above annotation add to it: where an example went, and what an example's page shows of that.

Downstream extends upstream: annotation asks what was registered and knows nothing of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotation.models import Example
from core.models import Project

FrozenCheck = Callable[[int], bool]
PageDetails = Callable[[Example], Mapping[str, Any]]
RetiredReason = Callable[[Example], str]
Rudeness = Callable[[str], str]
_retired_reasons: list[RetiredReason] = []
_frozen_checks: list[FrozenCheck] = []
_page_details: list[PageDetails] = []
_rudeness: list[Rudeness] = []


def register_frozen_check(check: FrozenCheck) -> None:
    """Call from AppConfig.ready. `check` says whether a revision, given by its id, can no longer be undone. One query."""
    _frozen_checks.append(check)


def is_frozen(revision_id: int) -> bool:
    """Whether something permanent was made from this revision."""
    return any(check(revision_id) for check in _frozen_checks)


def register_retired_reason(reason: RetiredReason) -> None:
    """Call from AppConfig.ready. `reason` says as a sentence why a retired example must stay retired; empty when it need not. Few
    queries."""
    _retired_reasons.append(reason)


def must_stay_retired(example: Example) -> str:
    """Why nobody can bring this example back now, as a sentence; empty when they can."""
    return next((words for reason in _retired_reasons if (words := reason(example))), "")


def register_page_details(details: PageDetails) -> None:
    """Call from AppConfig.ready. `details` gives names and values for the template of an example's page; few queries."""
    _page_details.append(details)


def page_details(example: Example) -> dict[str, Any]:
    """Everything that was registered for this example's page."""
    return {name: value for details in _page_details for name, value in details(example).items()}


def register_rudeness(scorer: Rudeness) -> None:
    """Call from AppConfig.ready. `scorer` says as a sentence why a completion is rude, empty when it is not; without queries, and fast:
    it runs for every text that the word list has nothing against."""
    _rudeness.append(scorer)


def rudeness_of(text: str) -> str:
    """What a registered scorer says of this text."""
    return next((says for scorer in _rudeness if (says := scorer(text))), "")


@dataclass(frozen=True)
class SizeNote:
    """What is known about how many examples the project needs: sentences, where they come from, and (label, address, roles) of pages
    for those who have one of the roles."""

    says: Sequence[str]
    about: str = ""
    links: Sequence[tuple[str, str, tuple[str, ...]]] = ()


SizeNotes = Callable[[Project], SizeNote]
_size_notes: list[SizeNotes] = []


def register_size_note(note: SizeNotes) -> None:
    """Call from AppConfig.ready. `note` gives what the page Coverage shows beside the size; few queries."""
    _size_notes.append(note)


def size_notes(project: Project) -> list[SizeNote]:
    """Everything that was registered."""
    return [note(project) for note in _size_notes]
