"""Audit entries as sentences: "Mona Okafor approved example #1077". The one place that says how actions are described.

Apps add wordings of their own verbs from AppConfig.ready; a verb without one is still readable, because verbs are
`noun.past-participle`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import groupby
from string import Formatter

from core.json_types import Json
from core.models import AuditEntry, Role

# {actor}, {label} and any key of the entry's detail can be in a wording.
_wordings: dict[str, str] = {
    "project.created": "{actor} created the project",
    "project.changed": "{actor} changed the project's settings: {changed}",
    "member.added": "{actor} added {label} as {roles}",
    "member.changed": "{actor} changed the roles of {label} to {roles}",
    "member.removed": "{actor} removed {label} from the project",
    "person.created": "{actor} created an account for {label}",
    "operator.created": "An account for the operator {label} was created on the command line",
    "person.deactivated": "{actor} deactivated the account of {label}",
    "person.reactivated": "{actor} activated the account of {label} again",
    "sessions.ended": "{actor} signed {label} out of every browser",
    "person.renamed": "{was} is now called {label}",
    "password.changed": "{actor} changed their password",
    "password.reset": "{actor} gave {label} a new first password",
    "password.reissued": "{actor} gave {label} a new first password; the earlier one was not changed",
    "password.set": "The password of {label} was set on the command line",
    "api_key.taken_away": "{actor} revoked the key {token} of {label}",
    "api_key.created": "{actor} created the key {label}",
    "api_key.revoked": "{actor} revoked the key {label}",
    "run.launched": "{actor} started {label}",
    "run.succeeded": "{label} is done",
    "run.failed": "{label} failed: {error}",
    "run.cancelled": "{label} was cancelled",
    "run.cancel_requested": "{actor} cancelled {label}",
    "run.retried": "{actor} started {label} again",
    "run.resumed": "{actor} resumed {label}, which was cancelled",
    "run.handed_back": "{label} went back to the queue, because its worker was stopped",
    "run.taken_up": "{label} lost its worker and waits for another",
}

_quiet: set[str] = set()

# Participles that differ from the past tense.
_PAST = {
    "frozen": "froze", "given": "gave", "taken": "took", "withdrawn": "withdrew", "chosen": "chose", "begun": "began",
    "written": "wrote", "seen": "saw", "gone": "went", "done": "did",
}  # fmt: skip


def register_wordings(wordings: Mapping[str, str], *, quiet: Iterable[str] = ()) -> None:
    """Adds wordings, {verb: "{actor} froze {label}"}. `quiet` verbs are in the audit, but too small for Home.

    ValueError when a verb has another wording already: the result would depend on the order of apps.
    """
    if clash := [verb for verb, words in wordings.items() if _wordings.get(verb, words) != words]:
        raise ValueError(f"Worded already: {', '.join(clash)}.")
    _wordings.update(wordings)
    _quiet.update(quiet)


def quiet_verbs() -> list[str]:
    return sorted(_quiet)


def _plain(key: str, value: Json) -> str:
    if key == "roles":
        # A list of names; after a change of roles, the lists before and after.
        names = value[-1] if isinstance(value, list) and value and isinstance(value[0], list) else value
        names = names if isinstance(names, list) else [names]
        return " and ".join(str(Role(name).label).lower() for name in names if name in Role.values)
    if isinstance(value, dict):
        return ", ".join(name.replace("_", " ") for name in value)
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


class _Detail(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "–"


def actor_name(entry: AuditEntry) -> str:
    """The name without the e-mail address, which the audit page shows beside it."""
    return entry.actor.partition(" <")[0]


def _wording(verb: str) -> str:
    if verb in _wordings:
        return _wordings[verb]
    noun, _, action = verb.replace("_", " ").partition(".")
    action = " ".join(_PAST.get(word, word) for word in action.split())
    return f"{{actor}} {action} {noun} {{label}}" if action else f"{{actor}} {noun} {{label}}"


def sentence(entry: AuditEntry) -> str:
    """The entry in one plain sentence, without a full stop. It does not raise."""
    words = _Detail({key: _plain(key, value) for key, value in entry.detail.items()})
    words |= {"actor": actor_name(entry), "label": entry.object_label or "it"}
    try:
        return _wording(entry.verb).format_map(words)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return f"{words['actor']}: {entry.verb} {words['label']}"


def _people(entries: list[AuditEntry]) -> str:
    names = list(dict.fromkeys(actor_name(entry) for entry in entries))
    if len(names) <= 2:
        return " and ".join(names)
    return f"{names[0]} and {len(names) - 1} others"


def _names_in(verb: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(_wording(verb)) if name}


def counted(told: Iterable[tuple[str, datetime]]) -> list[tuple[str, datetime]]:
    """Joins equal sentences of one hour that follow each other, with the newest time: "Mo compared two answers (8 times)".
    Actions of another hour get their own line and time."""
    found = []
    for (words, _), group in groupby(told, key=lambda one: (one[0], one[1].strftime("%Y%m%d%H"))):
        moments = [at for _, at in group]
        found.append((f"{words} ({len(moments):,} times)" if len(moments) > 1 else words, moments[0]))
    return found


def digest(entries: Iterable[AuditEntry], most: int) -> list[tuple[str, datetime]]:
    """Actions, newest first, with actions of one kind in one hour joined: "Mo and 2 others wrote 38 examples".

    Only actions whose wording has just the actor and the object are joined; the others each have their own details. Actions that name no object ("Ida compared two answers") are counted instead.
    Returns at most `most` tuples of sentence and time.
    """
    groups: dict[tuple[object, ...], list[AuditEntry]] = {}
    for entry in entries:
        said = _names_in(entry.verb)
        key: tuple[object, ...] = (entry.pk,)
        if said == {"actor", "label"} and "." in entry.verb:
            key = (entry.verb, entry.at.strftime("%Y%m%d%H"))
        elif said == {"actor"}:
            key = (entry.verb, entry.actor, entry.at.strftime("%Y%m%d%H"))
        groups.setdefault(key, []).append(entry)
    told: list[tuple[str, datetime]] = []
    for group in groups.values():
        first = group[0]
        if _names_in(first.verb) == {"actor"}:
            told += [(sentence(entry), entry.at) for entry in group]
            continue
        objects = {(entry.object_type, entry.object_id) for entry in group}
        if len(objects) < 2:
            told.append((sentence(first), first.at))
            continue
        noun = first.verb.partition(".")[0].replace("_", " ")
        # A run is not only a training run: "started 5 runs" would look like five training runs.
        noun = {"run": "background job"}.get(noun, noun)
        label = f"{len(objects):,} {noun[:-1]}ies" if noun.endswith("y") else f"{len(objects):,} {noun}s"
        told.append((_wording(first.verb).format(actor=_people(group), label=label), first.at))
    return counted(told)[:most]
