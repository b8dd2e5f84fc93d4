"""Changes a project's lexicons. The shipped one is copied when it is first changed."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from annotation.text.cleaning import clean_text
from core.audit.entries import record
from core.errors import Conflict, Invalid
from core.models import Project, User
from core.text import one_line
from dataset.actions import DatasetAction
from dataset.fairness.words import PARTS, SHIPPED, shipped
from dataset.models import BiasLexicon
from dataset.queries.lexicons import ProjectLexicon, lexicon_of

MOST_GROUPS, MOST_WORDS, LONGEST_WORD, LONGEST_LABEL = 30, 2000, 80, 80
_NOT_KEY = re.compile(r"[^a-z0-9]+")


@transaction.atomic
def change_lexicon(
    *,
    by: User,
    project: Project,
    characteristic: str,
    groups: Sequence[Mapping[str, Any]],
    revision: int | None = None,
) -> BiasLexicon:
    """Replaces the groups of a characteristic: [{"key" (empty for a new one), "label", "target", names, pronouns, terms}], where each
    part is {kind: [word]}. Earlier audits keep the words that they used.

    Raises Invalid for values that are wrong, Conflict when the lexicon is not at `revision` any more (0: still the shipped one).
    """
    project = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    now = _known(project, characteristic)
    if revision is not None and revision != now.revision:
        raise Conflict(
            "Somebody changed this lexicon before you.", "Reload the page. Your changes are not saved."
        )
    content = {"label": now.characteristic.label, "groups": _checked(groups)}
    lexicon, made = BiasLexicon.objects.get_or_create(
        project=project, characteristic=characteristic, defaults={"content": content, "changed_by": by}
    )
    if not made:
        lexicon.content, lexicon.changed_by, lexicon.revision = content, by, lexicon.revision + 1
        lexicon.save()
    label = now.characteristic.label
    record(by=by, project=project, action=DatasetAction.LEXICON_CHANGED, obj=lexicon, lexicon=label)
    return lexicon


@transaction.atomic
def reset_lexicon(*, by: User, project: Project, characteristic: str) -> None:
    """The project uses the shipped lexicon again. Conflict when it does already."""
    own = _known(project, characteristic).own
    if own is None:
        raise Conflict("This is the lexicon that comes with Guildhall.", "There is nothing to take back.")
    label = shipped(characteristic).label
    record(by=by, project=project, action=DatasetAction.LEXICON_RESET, obj=own, lexicon=label)
    own.delete()


def _known(project: Project, characteristic: str) -> ProjectLexicon:
    found = lexicon_of(project, characteristic)
    if found is None:
        raise Invalid("This characteristic does not exist.", f"There are {', '.join(SHIPPED)}.")
    return found


def _checked(groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The groups as they are stored."""
    if not 1 <= len(groups) <= MOST_GROUPS:
        raise _wrong("groups", f"A lexicon has 1 to {MOST_GROUPS} groups.")
    out: list[dict[str, Any]] = []
    for given in groups:
        label = one_line(clean_text(given.get("label", "")))
        if not label or len(label) > LONGEST_LABEL:
            raise _wrong("label", f"Each group needs a name of at most {LONGEST_LABEL} characters.")
        key = (
            str(given.get("key") or "")
            or _NOT_KEY.sub("_", label.lower()).strip("_")[:40]
            or f"group_{len(out) + 1}"
        )
        if key in {one["key"] for one in out} or label.lower() in {one["label"].lower() for one in out}:
            raise _wrong("label", f"There are two groups named “{label}”.")
        parts = {part: _words(given.get(part) or {}, label) for part in PARTS}
        out.append({"key": key, "label": label, "target": _target(given.get("target"), label), **parts})
    return out


def _words(kinds: Mapping[str, Sequence[str]], label: str) -> dict[str, list[str]]:
    clean = {
        one_line(clean_text(kind))[:40]: [
            word for word in (one_line(clean_text(one)) for one in words) if word
        ]
        for kind, words in kinds.items()
    }
    every = [word for words in clean.values() for word in words]
    if len(every) > MOST_WORDS:
        raise _wrong("words", f"“{label}” has {len(every):,} words. At most {MOST_WORDS:,} are allowed.")
    if wrong := next(
        (word for word in every if len(word) > LONGEST_WORD or not re.search(r"[^\W_]", word)), None
    ):
        raise _wrong(
            "words", f"“{wrong[:40]}” in “{label}” is not a word of at most {LONGEST_WORD} characters."
        )
    return {kind: words for kind, words in clean.items() if words}


def _target(value: Any, label: str) -> float | None:
    if value is None or value == "":
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1:
        raise _wrong("target", f"The target of “{label}” is a share between 0% and 100%.")
    return float(value)


def _wrong(field: str, message: str) -> Invalid:
    return Invalid("The lexicon was not changed.", message, fields={field: [message]})
