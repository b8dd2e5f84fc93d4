"""Unsent corrections in chat. Only their writer sees them."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from annotation.text.cleaning import clean_text
from core.errors import Conflict, Invalid
from core.models import User
from core.services import drafts
from inference.models import Answer, CorrectionDraft

LONGEST = 200_000  # characters of one text: a text too long to send is kept, so that it can be shortened
FIELDS = ("completion", "topic", "edge")


@transaction.atomic
def save_correction_draft(
    *, by: User, answer: Answer, content: Mapping[str, Any], writer: str = "", seen: str | None = None
) -> CorrectionDraft:
    """Saves an unsent correction. With `seen`, see core.services.drafts.keep.

    Conflict unless the conversation is the person's own; Invalid when a text is too long to be saved.
    """
    if answer.conversation is None or answer.conversation.user_id != by.pk:
        raise Conflict("This is not your conversation.", "Copy your text.")
    kept = {name: clean_text(content.get(name)) for name in FIELDS}
    if max(map(len, kept.values())) > LONGEST:
        raise Invalid(
            f"The text is too long to be saved: at most {LONGEST:,} characters.", "Make it shorter."
        )
    owner = {"answer": answer, "user": by}
    return drafts.keep(CorrectionDraft, owner=owner, values={"content": kept}, writer=writer, seen=seen)
