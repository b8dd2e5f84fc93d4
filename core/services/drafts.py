"""Keeping what people type until the server has said yes to it. Every form that autosaves (gh-autosave) uses this."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.db import transaction

from core.errors import Conflict, ExpectedError
from core.models.drafts import DraftBase

log = logging.getLogger(__name__)

Kept = TypeVar("Kept", bound=DraftBase)


@dataclass(frozen=True)
class FormState:
    """How a form stands for one person whose page was opened earlier.

    `editable`: a draft of theirs is taken. `held`: the item is theirs now, until `until`. `can_open`: they may open it
    again. `detail` and `advice` say what happened and what to do.
    """

    editable: bool
    held: bool
    can_open: bool
    until: datetime | None = None
    detail: str = ""
    advice: str = ""


class OtherTab(Conflict):
    """Another tab of the same person saved a newer draft."""

    code = "other_tab"


@transaction.atomic
def keep(
    model: type[Kept],
    *,
    owner: Mapping[str, Any],
    values: Mapping[str, Any],
    writer: str = "",
    seen: str | None = None,
) -> Kept:
    """Stores a draft, over the one that `owner` (the fields that make it unique) may have already.

    `writer` names the browser tab that saves. With `seen`, the writer of the draft that its page began with, OtherTab when
    somebody else saved another text since: two tabs with one draft do not write over each other. Programs give no `seen`,
    and the last one to write keeps the draft.
    """
    values = dict(values) | ({"writer": writer} if writer else {})
    draft, new = model._default_manager.get_or_create(**owner, defaults=values)
    if new:
        return draft
    draft = model._default_manager.select_for_update().get(pk=draft.pk)
    if seen is not None and draft.writer not in {writer, seen} and draft.content != values["content"]:
        raise OtherTab(
            "Another tab or browser of yours saved a newer draft of this.",
            "Keep the text of this tab, or show the other one. This text stays on this device.",
        )
    for name, value in values.items():
        setattr(draft, name, value)
    draft.save()
    return draft


@dataclass
class Words:
    """Whether what was typed was kept as a draft when it could not be sent."""

    kept: bool = False


@contextmanager
def kept_if_refused(save: Callable[[], object]) -> Iterator[Words]:
    """Around sending what a person typed: whatever refuses it or breaks, `save` keeps the words first.

    This is the one rule about which errors keep a draft: all of them, wherever the person may have a draft at all. The
    error goes on to the caller.
    """
    words = Words()
    try:
        yield words
    except Exception:
        try:
            save()
            words.kept = True
        except ExpectedError:
            pass  # they may not have a draft of it: it was sent already, or never theirs
        except Exception:  # the first failure is the one to report
            log.exception("What was typed could not be kept.")
        raise
