"""Kinds of runs: what each app registers for its long work, and what a restart means for people."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from core.models import Run, User


@dataclass(frozen=True)
class RunKind:
    """`runner` is a dotted path "package.module:function", imported in the worker only (it may need torch).

    Every runner finds its row by the row's `run`. Only where one row gets several runs one after the other (a campaign, a
    check of files), `Run.params` also names the row, so that the page of an earlier run can show its subject.

    `on_end`, a dotted path to a service too, is called with the run after it ended in any way, inside the transaction
    that ends it: a kind updates its own rows there (a cancelled import, a failed training).

    `on_again`, a dotted path to a service, is called with the run and the person who starts a failed or cancelled run again, inside
    the transaction that queues it: the kind sets its rows back to the state of an active run, or raises
    Conflict or Refused. Runners must expect data of an earlier attempt, so that nothing is done twice.
    `again_words` describes for people what starting it again does. `operators_again`: only operators may.

    `subject`, a dotted path, is called with a run of a project and gives (words, address) of the object of the run, or
    None when it was deleted.
    """

    name: str
    label: str
    queue: str
    runner: str
    on_end: str = ""
    max_attempts: int = 3
    on_again: str = ""
    again_words: str = "It starts from the beginning."
    operators_again: bool = False
    subject: str = ""


_kinds: dict[str, RunKind] = {}


def register_kind(kind: RunKind) -> None:
    _kinds[kind.name] = kind


def kind_of(name: str) -> RunKind:
    return _kinds[name]


def load_named(path: str) -> Any:
    """The object of a dotted path "package.module:name"."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


@dataclass(frozen=True)
class Again:
    """How a failed or cancelled run can be started again: the button's label, and what happens then or who can help."""

    verb: str
    words: str
    allowed: bool


def again_for(run: Run, user: User) -> Again | None:
    """For a person who can change the run; None while it is active and after success."""
    kind = _kinds.get(run.kind)
    if kind is None or run.status not in Run.UNFINISHED:
        return None
    verb = "Try again" if run.status == Run.Status.FAILED else "Resume"
    if kind.operators_again and not user.is_operator:
        return Again(verb, "Only an operator can start it again. Ask an operator.", False)
    return Again(verb, f"Choose “{verb}” to start it again. {kind.again_words}", True)


def subject_of(run: Run) -> tuple[str, str] | None:
    """(words, address) of the object of the run: an import, a dataset, a training run and so on."""
    kind = _kinds.get(run.kind)
    if kind is None or not kind.subject or run.project_id is None:
        return None
    subject: tuple[str, str] | None = load_named(kind.subject)(run)
    return subject


def kind_label(name: str) -> str:
    """The name of the kind for people; an old run can have an unknown kind, which is shown as it is."""
    return _kinds[name].label if name in _kinds else name.replace("_", " ").capitalize()
