"""The reviewers' side: accept, send back, correct and accept, and undo a recent decision."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from annotation.actions import AnnotationAction
from annotation.models import Draft, Example, Lease, Review, Revision
from annotation.queries.queue import UNDO
from annotation.registry import is_frozen
from annotation.services import leases
from annotation.services.coverage import settle_tasks
from annotation.services.drafts import keep_decision
from annotation.services.examples import (
    add_revision,
    clean_for,
    content_of,
    fields_of,
    lock,
    move_to,
    reason_for_bad,
)
from annotation.services.leases import Outcome, Purpose
from annotation.text.cleaning import clean_text
from core.audit.entries import record
from core.database.transitions import transition
from core.errors import Conflict, ExpectedError, Invalid
from core.models import Project, User
from core.services.drafts import kept_if_refused
from core.text import trimmed

COMMENT_MAX = 5000


def _current_revision(example: Example) -> Revision:
    """The revision of the example's present texts. An imported example without one gets it now."""
    revision = Revision.objects.filter(example=example, number=example.revision).first()
    if revision is None:
        revision = add_revision(example, by=None, reason=Revision.Reason.ARRIVED, content=content_of(example))
    return revision


def _as_seen(example: Example, revision: int, lease: Lease) -> None:
    """A decision is about what the reviewer saw. When the example changed after that, the decision does not count."""
    if leases.changed_since(example, revision, lease):
        raise Conflict(
            f"#{example.pk} changed while you read it.",
            "Reload to see the changes. They are marked.",
        )


def _decide(
    *,
    by: User,
    example: Example,
    verdict: Review.Verdict,
    comment: str,
    lease: Lease | None,
    batch: uuid.UUID | None = None,
) -> Review:
    review = Review.objects.create(
        example=example,
        revision=_current_revision(example),
        verdict=verdict,
        comment=comment,
        by=by,
        in_bulk=batch is not None,
        batch=batch,
    )
    if lease is not None:
        leases.close(lease, Outcome.DONE)
    Draft.objects.filter(example=example, user=by).delete()
    return review


def accept(
    *,
    by: User,
    example: Example,
    comment: str = "",
    content: Mapping[str, Any] | None = None,
    revision: int = 0,
    reason: str = "",
) -> Review:
    """Approves the example. `content` that differs from it first becomes a revision by the reviewer: correct and accept.

    Conflict when somebody has already decided, when `revision` is not the current one (0: when it changed after the person
    opened it), or when the person submitted it. What a refused decision said is saved as a draft.
    """
    keep = partial(keep_decision, by=by, example=example, comment=comment, content=content, revision=revision)
    with kept_if_refused(keep):
        return _accept(by, example, comment, content, revision, reason)


@transaction.atomic
def _accept(
    by: User,
    example: Example,
    comment: str,
    content: Mapping[str, Any] | None,
    revision: int,
    reason: str,
) -> Review:
    clean = clean_for(example.project, content) if content is not None else None
    example = lock(example)
    lease = leases.hold(example=example, user=by, purpose=Purpose.REVIEW)
    _as_seen(example, revision, lease)
    corrected = clean is not None and clean != content_of(example)
    if corrected and clean is not None:
        checked = reason_for_bad(project=example.project, content=clean, example=example, reason=reason)
        move_to(example, Example.Status.APPROVED, **fields_of(clean), revision=example.revision + 1)
        add_revision(example, by=by, reason=Revision.Reason.CORRECTED, content=clean, checked=checked)
    else:
        move_to(example, Example.Status.APPROVED)
    review = _decide(
        by=by,
        example=example,
        verdict=Review.Verdict.ACCEPTED,
        comment=trimmed(clean_text(comment))[:COMMENT_MAX],
        lease=lease,
    )
    record(
        by=by,
        project=example.project,
        action=AnnotationAction.EXAMPLE_APPROVED,
        obj=example,
        revision=example.revision,
        corrected=corrected,
    )
    settle_tasks([example.task_id])
    return review


def send_back(*, by: User, example: Example, comment: str, revision: int = 0) -> Review:
    """Sends the example back to the person who submitted it, with a comment. For one day it is reserved for them.

    Conflict as for `accept`. What a refused decision said is saved as a draft.
    """
    keep = partial(keep_decision, by=by, example=example, comment=comment, revision=revision)
    with kept_if_refused(keep):
        return _send_back(by, example, comment, revision)


@transaction.atomic
def _send_back(by: User, example: Example, comment: str, revision: int) -> Review:
    comment = _needed(comment)
    example = lock(example)
    lease = leases.hold(example=example, user=by, purpose=Purpose.REVIEW)
    _as_seen(example, revision, lease)
    move_to(example, Example.Status.RETURNED)
    review = _decide(
        by=by,
        example=example,
        verdict=Review.Verdict.RETURNED,
        comment=comment,
        lease=lease,
    )
    record(
        by=by,
        project=example.project,
        action=AnnotationAction.EXAMPLE_RETURNED,
        obj=example,
        revision=example.revision,
        comment=comment[:300],
    )
    return review


def _needed(comment: str) -> str:
    comment = trimmed(clean_text(comment))[:COMMENT_MAX]
    if not comment:
        raise Invalid(
            "Say what would be right.",
            "The author reads your comment first.",
            fields={"comment": ["Say which sentence is wrong, what would be right, and why."]},
        )
    return comment


@transaction.atomic
def undo(*, by: User, review: Review) -> Lease:
    """Undoes a decision within ten minutes, while no other work builds on it, and opens the example for review again.

    The review stays in the history, marked as undone. A correction is undone by another revision.
    """
    example = _take_back(by, review)
    leases.close_open(user=by, project=example.project, purpose=Purpose.REVIEW)
    return leases.open_lease(example, by, Purpose.REVIEW)


def _take_back(by: User, review: Review) -> Example:
    example = lock(review.example)
    review = Review.objects.select_for_update().select_related("revision").get(pk=review.pk)
    if review.by_id != by.pk:
        raise Conflict(
            "This decision was made by another person.", "Ask them, or put the example back into the queue."
        )
    if review.undone_at is not None or timezone.now() - review.at > UNDO:
        raise Conflict(
            "You can undo a decision once, within ten minutes.",
            "An admin or reviewer can put the example back into the queue.",
        )
    expected = (
        Example.Status.APPROVED if review.verdict == Review.Verdict.ACCEPTED else Example.Status.RETURNED
    )
    frozen = is_frozen(review.revision_id)
    opened = Lease.objects.filter(
        example=example, purpose=Purpose.ANNOTATE, leased_at__gte=review.at
    ).exists()
    if example.status != expected or example.revision != review.revision.number or frozen or opened:
        reason = "It is in a dataset version already." if frozen else "Somebody is working on it already."
        raise Conflict(f"#{example.pk} cannot be undone. {reason}", "Reload the page.")
    now = timezone.now()
    updates: dict[str, Any] = {"waiting_since": now, "changed_at": now}
    restored = None
    if review.revision.reason == Revision.Reason.CORRECTED:
        restored = Revision.objects.filter(example=example, number=example.revision - 1).first()
    if restored is not None:
        updates |= fields_of(restored.content) | {"revision": example.revision + 1}
    transition(example, Example.Status.IN_REVIEW, **updates)
    if restored is not None:
        add_revision(
            example,
            by=by,
            reason=Revision.Reason.RESTORED,
            content=restored.content,
        )
    review.undone_at = now
    review.save(update_fields=["undone_at"])
    record(
        by=by,
        project=example.project,
        action=AnnotationAction.REVIEW_UNDONE,
        obj=example,
        verdict=review.verdict,
    )
    settle_tasks([example.task_id])
    return example


@dataclass
class Bulk:
    """The result of a bulk decision: which examples were decided, and for the others why not. `batch` undoes them together."""

    done: list[int] = field(default_factory=list)
    left: list[tuple[int, str]] = field(default_factory=list)
    batch: uuid.UUID | None = None


# The examples a person selected in a list, each with the revision that the list showed.
Listed = Iterable[tuple[int, int]]


@transaction.atomic
def accept_many(*, by: User, project: Project, listed: Listed) -> Bulk:
    """Approves each of these that the person can approve and that is still at the listed revision.

    The others do not change; each gets a reason.
    """
    return _decide_many(by, project, listed, Review.Verdict.ACCEPTED)


@transaction.atomic
def send_back_many(*, by: User, project: Project, listed: Listed, comment: str) -> Bulk:
    """Sends each of these back to the person who submitted it, with one comment for all; otherwise as `accept_many`."""
    return _decide_many(by, project, listed, Review.Verdict.RETURNED, _needed(comment))


def _decide_many(
    by: User, project: Project, listed: Listed, verdict: Review.Verdict, comment: str = ""
) -> Bulk:
    listed_revisions: dict[int, set[int]] = {}
    for pk, revision in listed:
        listed_revisions.setdefault(pk, set()).add(revision)
    outcome = Bulk()
    batch = uuid.uuid4()
    chosen = Example.objects.select_for_update(no_key=True, of=("self",)).select_related(
        "project", "submitted_by"
    )
    for example in chosen.filter(project=project, pk__in=listed_revisions).order_by("pk"):
        revisions = listed_revisions.pop(example.pk)
        try:
            with transaction.atomic():
                if revisions != {example.revision}:
                    raise Conflict("It changed after you loaded the list.")
                _decide_unopened(by, example, verdict, comment, batch)
        except ExpectedError as error:
            outcome.left.append((example.pk, error.message))
        else:
            outcome.done.append(example.pk)
    outcome.left += [(pk, "It is not in this project.") for pk in sorted(listed_revisions)]
    settle_tasks(
        Example.objects.filter(pk__in=outcome.done, task__isnull=False).values_list("task", flat=True)
    )
    outcome.batch = batch if outcome.done else None
    return outcome


def _decide_unopened(
    by: User, example: Example, verdict: Review.Verdict, comment: str, batch: uuid.UUID
) -> None:
    why = leases.why_not(example, by, Purpose.REVIEW)
    if why:
        raise Conflict(why)
    accepted = verdict == Review.Verdict.ACCEPTED
    status = Example.Status.APPROVED if accepted else Example.Status.RETURNED
    move_to(example, status)
    own = Lease.objects.filter(example=example, user=by, purpose=Purpose.REVIEW, outcome=Outcome.OPEN).first()
    _decide(by=by, example=example, verdict=verdict, comment=comment, lease=own, batch=batch)
    record(
        by=by,
        project=example.project,
        action=AnnotationAction.EXAMPLE_APPROVED if accepted else AnnotationAction.EXAMPLE_RETURNED,
        obj=example,
        revision=example.revision,
        in_bulk=True,
        **({"comment": comment[:300]} if comment else {}),
    )


@transaction.atomic
def undo_many(*, by: User, project: Project, batch: uuid.UUID) -> Bulk:
    """Undoes a bulk decision, as `undo` does for one decision. None of the examples is opened.

    Examples with later work do not change; they get a reason. Conflict when this person made no such decision.
    """
    made = Review.objects.filter(batch=batch, by=by, example__project=project, undone_at=None)
    outcome = Bulk(batch=batch)
    for review in made.select_related("example").order_by("example_id"):
        try:
            with transaction.atomic():
                _take_back(by, review)
        except ExpectedError as error:
            outcome.left.append((review.example_id, error.message))
        else:
            outcome.done.append(review.example_id)
    if not outcome.done and not outcome.left:
        raise Conflict("There is nothing to undo.", "Reload the page.")
    return outcome
