"""Drafts of examples, and the state of an example for a page that was opened earlier."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from annotation.actions import AnnotationAction
from annotation.models import Draft, Example, Lease
from annotation.services import leases
from annotation.services.examples import content_of
from annotation.services.leases import Outcome, Purpose
from annotation.text.cleaning import clean_draft, clean_text
from core.audit.entries import record
from core.errors import Conflict
from core.lists.numbers import whole_number
from core.models import Project, User
from core.services import drafts
from core.services.drafts import FormState
from core.text import one_line

COMMENT_MAX = 5000
REASON_MAX = 300


@transaction.atomic
def save_draft(
    *,
    by: User,
    example: Example,
    content: Mapping[str, Any],
    base_revision: int = 0,
    purpose: str = Purpose.ANNOTATE,
    writer: str = "",
    seen: str | None = None,
) -> Draft:
    """Saves what the person has typed, also when their lease is over.

    Conflict when they did not have the example, or have submitted it: a late draft must not appear again. For `seen`, see
    core.services.drafts.keep. Content can be incomplete; Invalid only when it is too large.
    """
    mine = leases.latest(example=example, user=by, purpose=purpose)
    if mine is None or mine.outcome == Outcome.DONE:
        state = item_state(by=by, example=example, purpose=purpose)
        raise Conflict(state.detail, state.advice or "Copy your text.")
    values = {"content": _draft_content(content), "base_revision": base_revision or example.revision}
    owner = {"user": by, "project": example.project, "example": example}
    return drafts.keep(Draft, owner=owner, values=values, writer=writer, seen=seen)


@transaction.atomic
def save_new_draft(
    *, by: User, project: Project, content: Mapping[str, Any], writer: str = "", seen: str | None = None
) -> Draft:
    """Saves the new example that the person writes; there is one per project. For `seen`, see core.services.drafts."""
    more: dict[str, Any] = {"group": clean_text(content.get("group"))[:200]}
    if task := whole_number(str(content.get("task") or "")):
        more["task"] = task
    values = {"content": {**_draft_content(content), **more}}
    owner = {"user": by, "project": project, "example": None}
    return drafts.keep(Draft, owner=owner, values=values, writer=writer, seen=seen)


@transaction.atomic
def save_comment(
    *,
    by: User,
    example: Example,
    comment: str,
    content: Mapping[str, Any],
    base_revision: int = 0,
    writer: str = "",
    seen: str | None = None,
) -> Draft:
    """Saves a reviewer's comment. A correction they have started stays in the same draft; else `content` is the example's."""
    draft = Draft.objects.filter(example=example, user=by).first()
    words = {**(draft.content if draft else content), "comment": comment}
    return save_draft(
        by=by,
        example=example,
        content=words,
        base_revision=base_revision,
        purpose=Purpose.REVIEW,
        writer=writer,
        seen=seen,
    )


def keep_decision(
    *,
    by: User,
    example: Example,
    comment: str,
    content: Mapping[str, Any] | None = None,
    revision: int = 0,
) -> None:
    """Saves what a refused decision said: the correction in `content` with the revision it is based on, and the comment."""
    if content is not None:
        # When both have a revision, the one of the text counts: an outdated correction must still show as outdated.
        base = content.get("base_revision") or revision
        words = {**content, "comment": comment}
        save_draft(by=by, example=example, content=words, base_revision=base, purpose=Purpose.REVIEW)
    elif comment.strip():
        save_comment(
            by=by, example=example, comment=comment, content=content_of(example), base_revision=revision
        )


def _draft_content(content: Mapping[str, Any]) -> dict[str, Any]:
    clean = clean_draft(content)
    comment = clean_text(content.get("comment"))
    if comment.strip():
        clean["comment"] = comment[:COMMENT_MAX]
    if reason := one_line(clean_text(content.get("reason")), most=REASON_MAX):
        clean["reason"] = reason
    return clean


@transaction.atomic
def discard_draft(*, by: User, project: Project, example: Example | None) -> None:
    """Deletes a draft at the request of its writer. The discard is audited, the text is not kept."""
    gone, _ = Draft.objects.filter(project=project, user=by, example=example).delete()
    if gone:
        action = AnnotationAction.DRAFT_DISCARDED if example else AnnotationAction.DRAFT_OF_NEW_DISCARDED
        record(by=by, project=project, action=action, obj=example)


def item_state(*, by: User, example: Example, purpose: str) -> FormState:
    """For pages that were opened before: is the lease valid, and if not, what happened? Reads only."""
    mine = Lease.objects.filter(example=example, user=by, purpose=purpose).order_by("-id").first()
    if mine is not None and mine.outcome == Outcome.OPEN and mine.expires_at > timezone.now():
        return FormState(editable=True, held=True, can_open=True, until=mine.expires_at)
    why = leases.why_not(example, by, purpose) or ""
    if mine is None:
        detail = f"You do not have #{example.pk} open. {why}".strip()
        return FormState(editable=False, held=False, can_open=not why, detail=detail)
    if mine.outcome == Outcome.DONE and why:
        return FormState(
            editable=False, held=False, can_open=False, detail=_what_you_did(example, by, purpose),
            advice="This page shows the old state.",
        )  # fmt: skip
    if mine.outcome == Outcome.DONE:
        detail = f"You finished #{example.pk}. It is open again now."
        return FormState(editable=False, held=False, can_open=True, detail=detail)
    if why:
        detail = f"Your reservation of #{example.pk} is over. {why}"
        return FormState(True, False, False, detail=detail, advice="Your text is saved as your draft.")
    detail = f"Your reservation of #{example.pk} is over. No one else has it open."
    return FormState(True, False, True, detail=detail, advice="Your text is saved as your draft.")


def _what_you_did(example: Example, user: User, purpose: str) -> str:
    if purpose == Purpose.ANNOTATE:
        if example.status == Example.Status.IN_REVIEW and example.submitted_by_id == user.pk:
            return f"You submitted #{example.pk}. It is in review now."
        return f"You submitted #{example.pk}. It is {example.get_status_display().lower()} now."
    review = example.reviews.filter(by=user).order_by("-id").first()
    if review is not None and review.undone_at is None:
        return f"You decided #{example.pk}: {review.get_verdict_display().lower()}."
    return f"#{example.pk} is {example.get_status_display().lower()} now."
