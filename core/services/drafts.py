"""Keeps typed text until the server has accepted the form. Every form that autosaves (gh-autosave) uses this."""

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
    """The state of a form for one person whose page was opened earlier.

    `editable`: they can save a draft. `held`: they have the lease now, until `until`. `can_open`: they can open it
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
    """Stores a draft and replaces an existing one of `owner` (the fields that make it unique).

    `writer` is the browser tab that saves. `seen` is the writer of the draft that its page started with; OtherTab when another
    tab saved another text after that: two tabs with one draft do not overwrite each other. Programs give no `seen`, and the
    last write wins.
    """
    values = dict(values) | ({"writer": writer} if writer else {})
    draft, new = model._default_manager.get_or_create(**owner, defaults=values)
    if new:
        return draft
    draft = model._default_manager.select_for_update().get(pk=draft.pk)
    if seen is not None and draft.writer not in {writer, seen} and draft.content != values["content"]:
        raise OtherTab(
            "Another tab or browser of yours saved a newer draft of this.",
            "Keep the text of this tab, or show the other one. This text is saved on this device.",
        )
    for name, value in values.items():
        setattr(draft, name, value)
    draft.save()
    return draft


@contextmanager
def kept_if_refused(save: Callable[[], object]) -> Iterator[None]:
    """Wraps the sending of typed text, in the service that takes it: when the text is refused or sending fails, `save` first
    saves it.

    All errors save the draft, wherever the person can have a draft. The error is raised again; `draft_kept` of an ExpectedError
    says whether there is a draft now.
    """
    try:
        yield
    except Exception as error:
        kept = _saved(save)
        if isinstance(error, ExpectedError):
            error.draft_kept = kept
        raise


def _saved(save: Callable[[], object]) -> bool:
    try:
        save()
    except ExpectedError:
        return False  # they cannot have a draft of it: it was sent already, or they did not have it open
    except Exception:  # the first failure is the one to report
        log.exception("The typed text could not be saved.")
        return False
    return True
