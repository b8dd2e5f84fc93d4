"""Audit entries as sentences: "Mona Okafor approved example #1077"."""

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from string import Formatter

from core.audit.actions import AuditAction, CoreAction
from core.json_types import Json
from core.models import AuditEntry, Role

_actions: dict[str, AuditAction] = {str(action): action for action in CoreAction}

# Participles that differ from the past tense.
_PAST = {
    "frozen": "froze", "given": "gave", "taken": "took", "withdrawn": "withdrew", "chosen": "chose", "begun": "began",
    "written": "wrote", "seen": "saw", "gone": "went", "done": "did",
}  # fmt: skip


def register_actions(actions: type[AuditAction]) -> None:
    """Adds an app's actions. ValueError when another app has one of that name: the result would depend on the order of apps."""
    if clash := [str(action) for action in actions if _actions.get(str(action), action) is not action]:
        raise ValueError(f"Described already: {', '.join(clash)}.")
    _actions.update({str(action): action for action in actions})


def quiet_actions() -> list[str]:
    """What Home leaves out."""
    return sorted(name for name, action in _actions.items() if action.quiet)


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


def _wording(action: str) -> str:
    if action in _actions:
        return _actions[action].wording
    # Entries outlive the code that wrote them.
    noun, _, participle = action.replace("_", " ").partition(".")
    past = " ".join(_PAST.get(word, word) for word in participle.split())
    return f"{{actor}} {past} {noun} {{label}}" if past else f"{{actor}} {noun} {{label}}"


def sentence(entry: AuditEntry) -> str:
    """The entry in one plain sentence, without a full stop. It does not raise."""
    words = _Detail({key: _plain(key, value) for key, value in entry.detail.items()})
    words |= {"actor": actor_name(entry), "label": entry.object_label or "it"}
    try:
        return _wording(entry.action).format_map(words)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return f"{words['actor']}: {entry.action} {words['label']}"


def _people(entries: list[AuditEntry]) -> str:
    names = list(dict.fromkeys(actor_name(entry) for entry in entries))
    if len(names) <= 2:
        return " and ".join(names)
    return f"{names[0]} and {len(names) - 1} others"


def _names_in(action: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(_wording(action)) if name}


def counted(sentences: Iterable[tuple[str, datetime]]) -> list[tuple[str, datetime]]:
    """Joins equal sentences of one hour that follow each other, with the newest time: "Mo compared two answers (8 times)".
    Actions of another hour get their own line and time."""
    joined = []
    for (words, _), group in groupby(sentences, key=lambda entry: (entry[0], entry[1].strftime("%Y%m%d%H"))):
        moments = [at for _, at in group]
        joined.append((f"{words} ({len(moments):,} times)" if len(moments) > 1 else words, moments[0]))
    return joined


def digest(entries: Iterable[AuditEntry], most: int) -> list[tuple[str, datetime]]:
    """Actions, newest first, with actions of one kind in one hour joined: "Mo and 2 others wrote 38 examples".

    Only actions whose wording has just the actor and the object are joined; the others each have their own details. Actions that name no object ("Ida compared two answers") are counted instead.
    Returns at most `most` tuples of sentence and time.
    """
    groups: dict[tuple[object, ...], list[AuditEntry]] = {}
    for entry in entries:
        names = _names_in(entry.action)
        key: tuple[object, ...] = (entry.pk,)
        if names == {"actor", "label"} and "." in entry.action:
            key = (entry.action, entry.at.strftime("%Y%m%d%H"))
        elif names == {"actor"}:
            key = (entry.action, entry.actor, entry.at.strftime("%Y%m%d%H"))
        groups.setdefault(key, []).append(entry)
    sentences: list[tuple[str, datetime]] = []
    for group in groups.values():
        first = group[0]
        if _names_in(first.action) == {"actor"}:
            sentences += [(sentence(entry), entry.at) for entry in group]
            continue
        objects = {(entry.object_type, entry.object_id) for entry in group}
        if len(objects) < 2:
            sentences.append((sentence(first), first.at))
            continue
        noun = first.action.partition(".")[0].replace("_", " ")
        # A run is not only a training run: "started 5 runs" would look like five training runs.
        noun = {"run": "background job"}.get(noun, noun)
        label = f"{len(objects):,} {noun[:-1]}ies" if noun.endswith("y") else f"{len(objects):,} {noun}s"
        sentences.append((_wording(first.action).format(actor=_people(group), label=label), first.at))
    return counted(sentences)[:most]
