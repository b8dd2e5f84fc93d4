"""What apps above annotation add to it: where an example went, and what an example's page shows of that.

Downstream extends upstream: annotation asks what was registered and knows nothing of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from annotation.models import Example, ExampleFinding
from core.models import Project


@dataclass(frozen=True)
class TokenBase:
    """A base model whose tokens lengths are told in. It travels to a second process: `folder` has its tokenizer's files, `parity` what
    proves that they are read correctly. Without a folder they cannot be read here."""

    name: str
    folder: str = ""
    parity: str = ""


FrozenCheck = Callable[[int], bool]
PageDetails = Callable[[Example], Mapping[str, Any]]
RetiredReason = Callable[[Example], str]
Rudeness = Callable[[str], str]
BaseOfProject = Callable[[Project], TokenBase | None]
TokensOf = Callable[[TokenBase, Mapping[str, Any], str], int | None]
_retired_reasons: list[RetiredReason] = []
_frozen_checks: list[FrozenCheck] = []
_page_details: list[PageDetails] = []
_rudeness: list[Rudeness] = []
_lengths: list[tuple[BaseOfProject, TokensOf]] = []
_BASE = (
    "_base_of_lengths"  # where a project in memory keeps its answer, also when it travels to another process
)


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


def register_lengths(base_of: BaseOfProject, tokens_of: TokensOf) -> None:
    """Call from AppConfig.ready. `base_of` gives the base model in whose tokens lengths of the project's examples are told, None without
    one; few queries. `tokens_of` counts the tokens of {"messages", "context", "completion"} with this system prompt, as training has
    them, without a query; None when it cannot."""
    _lengths.append((base_of, tokens_of))


def base_of_lengths(project: Project) -> TokenBase | None:
    """The base model in whose tokens lengths are told. It asks once for each project in memory; after that there is no query, also in a
    process that gets the project as a pickle."""
    kept = vars(project)
    if kept.get("id") is None:  # a project that is only in memory, as in a measurement
        return None
    if _BASE not in kept:
        kept[_BASE] = next((base for base_of, _ in _lengths if (base := base_of(project))), None)
    found: TokenBase | None = kept[_BASE]
    return found


def tokens_in(base: TokenBase, content: Mapping[str, Any], system_prompt: str) -> int | None:
    """The tokens of this text for this base model; None when nobody can count them. No query."""
    counts = (tokens_of(base, content, system_prompt) for _, tokens_of in _lengths)
    return next((count for count in counts if count is not None), None)


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


# --- the size of a project -----------------------------------------------------------------------------------------


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
