"""What apps above annotation add to it: where an example went, and what an example's page shows of that.

Downstream extends upstream: annotation asks what was registered and knows nothing of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from annotation.models import Example, ExampleFinding

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


# --- findings of other apps ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FindingSource:
    """An app that stores findings of its own (annotation.services.found.store_source_findings) about facts without support.

    `name` is their `check_name`, `about` what it looks for, as a sentence; `again` says what to do about a finding in an earlier text.
    """

    name: str
    about: str
    again: str


@dataclass(frozen=True)
class FindingNote:
    """What an app above knows about a finding: a sentence, and under `heading` texts to judge it by. `remedies`: the page offers to add
    a record, to rewrite the answer, or to leave the example out."""

    says: str
    heading: str = ""
    texts: Sequence[str] = ()
    remedies: bool = False


FindingNotes = Callable[[Sequence[ExampleFinding]], Mapping[int, FindingNote]]
_finding_sources: dict[str, FindingSource] = {}
_finding_notes: list[FindingNotes] = []


def register_finding_source(source: FindingSource) -> None:
    """Call from AppConfig.ready."""
    _finding_sources[source.name] = source


def finding_sources() -> Mapping[str, FindingSource]:
    """By name."""
    return _finding_sources


def register_finding_notes(notes: FindingNotes) -> None:
    """Call from AppConfig.ready. `notes` gives {finding id: note}; its number of queries does not depend on how many findings there are."""
    _finding_notes.append(notes)


def notes_of(findings: Sequence[ExampleFinding]) -> dict[int, FindingNote]:
    """The notes of all apps above, by finding id; of several about one finding, the last."""
    return {pk: note for notes in _finding_notes for pk, note in notes(findings).items()} if findings else {}


# --- before examples are deleted ---------------------------------------------------------------------------------

Forgetter = Callable[[QuerySet[Example]], None]
_forgetters: list[Forgetter] = []


def register_forgetter(forget: Forgetter) -> None:
    """Call from AppConfig.ready. `forget` deletes the app's rows about examples that are about to be deleted, in the caller's
    transaction."""
    _forgetters.append(forget)


def forget_examples(examples: QuerySet[Example]) -> None:
    """Deletes what other apps have stored about these examples."""
    for forget in _forgetters:
        forget(examples)
