"""Kinds of runs: what each app registers for its long work, and what people are told about starting one again."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from core.models import Run, User


@dataclass(frozen=True)
class RunKind:
    """`runner` is a dotted path "package.module:function", imported in the worker only (it may need torch).

    `on_end`, a dotted path too, is called with the run after it ended in any way, inside the transaction
    that ends it: a kind settles its own rows there (a cancelled import, a failed training).

    `on_again`, a dotted path, is called with the run and the person who starts a failed or cancelled run again, inside
    the transaction that queues it: the kind puts its rows back to where they were while the run was active, or raises
    Conflict or Refused. Runners must expect what an earlier attempt left, so nothing is done twice.
    `again_words` tells people what starting it again does. `operators_again`: only operators may.

    `subject`, a dotted path, is called with a run of a project and gives (words, address) of what the run works on, or
    None when that is gone.
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
    """What a dotted path "package.module:name" names."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


@dataclass(frozen=True)
class Again:
    """How a run that ended without success can be started again: the button's word, what happens then or whom to ask."""

    verb: str
    words: str
    allowed: bool


def again_for(run: Run, user: User) -> Again | None:
    """For a person who may change the run; None while it is active and after success."""
    kind = _kinds.get(run.kind)
    if kind is None or run.status not in Run.UNFINISHED:
        return None
    verb = "Try again" if run.status == Run.Status.FAILED else "Resume"
    if kind.operators_again and not user.is_operator:
        return Again(verb, "Only those who run this deployment can start it again. Ask one of them.", False)
    return Again(verb, f"Choose “{verb}” to start it again. {kind.again_words}", True)


def subject_of(run: Run) -> tuple[str, str] | None:
    """(words, address) of the import, dataset, fine-tune and so on that the run works on."""
    kind = _kinds.get(run.kind)
    if kind is None or not kind.subject or run.project_id is None:
        return None
    found: tuple[str, str] | None = load_named(kind.subject)(run)
    return found


def kind_label(name: str) -> str:
    """What people call the kind; runs outlive the code that made them, so an unknown one is just named."""
    return _kinds[name].label if name in _kinds else name.replace("_", " ").capitalize()
