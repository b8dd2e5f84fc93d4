"""The annotators' side of the queue: take the next example, submit, undo a submit."""

import uuid
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from annotation.actions import AnnotationAction
from annotation.models import Draft, Example, Lease, Review, Revision
from annotation.queries.queue import in_order, waiting_for
from annotation.services import leases
from annotation.services.coverage import open_task
from annotation.services.drafts import save_draft, save_new_draft
from annotation.services.examples import (
    add_revision,
    clean_for,
    content_of,
    fields_of,
    lock,
    move_to,
    reason_for_bad,
)
from annotation.services.expiry import expire_leases
from annotation.services.leases import Outcome, Purpose
from annotation.text.cleaning import clean_text
from core.audit.entries import record
from core.database.transitions import transition
from core.errors import Conflict
from core.models import Project, User
from core.services.drafts import kept_if_refused
from core.text import one_line

_TRIES = 20  # each failed try means that somebody else got an example, so a few are enough


def take_next(
    *,
    by: User,
    project: Project,
    purpose: str,
    filters: Mapping[str, str] | None = None,
) -> Lease | None:
    """Leases the next example to the person; None when the queue is empty for them.

    A person who has an example open gets that one again. Order: examples with their draft, those sent back to them (a
    reviewer: those they sent back), feedback from ratings and chat, edge cases, the oldest; skipped ones last. `filters`
    narrows it to a slice, an edge kind or an origin. Two people do not get the same example: rows are locked with
    SKIP LOCKED, and a partial unique constraint prevents it even if this code is wrong.
    """
    expire_leases(project)
    for _ in range(_TRIES):
        try:
            return _take_one(by, project, purpose, filters or {})
        except IntegrityError:
            continue  # somebody's lease was committed between our read and our lock
    raise Conflict(
        "Many people are opening examples now.",
        "Try again. Your work is saved.",
    )


@transaction.atomic
def _take_one(by: User, project: Project, purpose: str, filters: Mapping[str, str]) -> Lease | None:
    held = (
        Lease.objects.select_related("example")
        .filter(user=by, project=project, purpose=purpose, outcome=Outcome.OPEN)
        .first()
    )
    if held is not None:
        return leases.heartbeat(by=by, example=held.example, purpose=purpose)
    for line in _lines(by, project, purpose, filters):
        example = line.select_for_update(skip_locked=True, no_key=True, of=("self",)).first()
        if example is None:
            continue
        example.project = project
        lease = leases.open_lease(example, by, purpose)
        record(by=by, project=project, action=AnnotationAction.EXAMPLE_OPENED, obj=example, purpose=purpose)
        return lease
    return None


def _lines(
    by: User, project: Project, purpose: str, filters: Mapping[str, str]
) -> Iterator[QuerySet[Example]]:
    """The queries to try, one after the other; each uses an index, for any length of the queue."""
    waiting = waiting_for(by, project, purpose, filters).filter(held=False)
    fresh = waiting.filter(skipped=False)
    # Started work comes first: a draft whose lease expired is what the person was working on.
    yield in_order(fresh.filter(Exists(Draft.objects.filter(example=OuterRef("pk"), user=by))))
    if purpose == Purpose.ANNOTATE:
        yield in_order(fresh.filter(status=Example.Status.RETURNED, submitted_by=by))
    else:
        sent_back = Review.objects.filter(
            example=OuterRef("pk"), by=by, verdict=Review.Verdict.RETURNED, undone_at=None
        )
        yield in_order(fresh.filter(Exists(sent_back)))
    yield in_order(fresh)
    yield waiting.filter(skipped=True).order_by("skipped_at", "id")


# --- submitting --------------------------------------------------------------------------------------------
def submit(
    *,
    by: User,
    example: Example,
    content: Mapping[str, Any],
    base_revision: int = 0,
    reason: str = "",
) -> Example:
    """Submits the example to the reviewers as a new revision and ends the lease. A refused text is saved as a draft.

    Invalid when something is missing, NeedsReason when a check failed and `reason` is empty, LeaseLost when somebody else
    has or had the example in the meantime, Conflict when the example changed since `base_revision` (0: since the person
    opened it).
    """
    typed = {**content, "reason": reason}
    keep = partial(save_draft, by=by, example=example, content=typed, base_revision=base_revision)
    with kept_if_refused(keep):
        return _submit(by, example, content, base_revision, reason)


@transaction.atomic
def _submit(
    by: User, example: Example, content: Mapping[str, Any], base_revision: int, reason: str
) -> Example:
    clean = clean_for(example.project, content)
    checked = reason_for_bad(project=example.project, content=clean, example=example, reason=reason)
    example = lock(example)
    lease = leases.hold(example=example, user=by, purpose=Purpose.ANNOTATE)
    if leases.changed_since(example, base_revision, lease):
        raise Conflict(
            f"#{example.pk} changed after you opened it.",
            "Your text is saved as your draft. Reload to see both.",
        )
    changed = clean != content_of(example)
    move_to(
        example,
        Example.Status.IN_REVIEW,
        **fields_of(clean),
        revision=example.revision + 1,
        submitted_by=by,
        submitted_at=timezone.now(),
    )
    add_revision(example, by=by, reason=Revision.Reason.SUBMITTED, content=clean, checked=checked)
    leases.close(lease, Outcome.DONE)
    Draft.objects.filter(example=example, user=by).delete()
    record(
        by=by,
        project=example.project,
        action=AnnotationAction.EXAMPLE_SUBMITTED,
        obj=example,
        revision=example.revision,
        changed=changed,
        **({"reason": checked.note} if checked.note else {}),
    )
    return example


def write_example(
    *,
    by: User,
    project: Project,
    content: Mapping[str, Any],
    group: str = "",
    source: str | None = None,
    reason: str = "",
    task: int = 0,
    keep: bool = False,
) -> Example:
    """A new example written here: it goes to the reviewers, and the writer's draft of a new example is deleted.

    `task` is the id of the open authoring task that it is written for, 0 for none. With `keep` a refused text is saved as that draft. Programs do not keep theirs: it would replace the text of the page.
    """
    if not keep:
        return _write(by, project, content, group, source, reason, task)
    typed = {**content, "group": group, "reason": reason, "task": task}
    with kept_if_refused(partial(save_new_draft, by=by, project=project, content=typed)):
        return _write(by, project, content, group, source, reason, task)


@transaction.atomic
def _write(
    by: User,
    project: Project,
    content: Mapping[str, Any],
    group: str,
    source: str | None,
    reason: str,
    task: int,
) -> Example:
    written_for = open_task(project, task) if task else None
    clean = clean_for(project, content)
    checked = reason_for_bad(project=project, content=clean, example=None, reason=reason)
    now = timezone.now()
    example = Example.objects.create(
        project=project,
        source=source,
        task=written_for,
        status=Example.Status.IN_REVIEW,
        group=one_line(clean_text(group), most=200) or f"written-{uuid.uuid4().hex[:12]}",
        origin=Example.Origin.WRITTEN,
        created_by=by,
        submitted_by=by,
        submitted_at=now,
        waiting_since=now,
        **fields_of(clean),
    )
    add_revision(example, by=by, reason=Revision.Reason.WRITTEN, content=clean, checked=checked)
    Draft.objects.filter(project=project, user=by, example=None).delete()
    record(
        by=by,
        project=project,
        action=AnnotationAction.EXAMPLE_WRITTEN,
        obj=example,
        **({"reason": checked.note} if checked.note else {}),
        **({"task": task} if task else {}),
    )
    return example


@transaction.atomic
def take_back(*, by: User, example: Example) -> Lease:
    """Undoes a submit while no reviewer has opened the example, and opens it again.

    The submitted revision stays in the history; the example the person has open now goes back, and its draft is kept.
    """
    example = lock(example)
    if example.status != Example.Status.IN_REVIEW or example.submitted_by_id != by.pk:
        raise Conflict(f"You cannot undo the submit of #{example.pk}.", "Reload the page.")
    last_submit = (
        Lease.objects.filter(example=example, user=by, purpose=Purpose.ANNOTATE).order_by("-id").first()
    )
    since = last_submit.leased_at if last_submit else example.submitted_at
    if Lease.objects.filter(example=example, purpose=Purpose.REVIEW, leased_at__gte=since).exists():
        raise Conflict(
            f"A reviewer has already opened #{example.pk}.",
            "The reviewer can send it back to you.",
        )
    sent_back_before = example.reviews.filter(undone_at=None, verdict=Review.Verdict.RETURNED).exists()
    transition(
        example,
        Example.Status.RETURNED if sent_back_before else Example.Status.QUEUED,
        waiting_since=timezone.now(),
    )
    leases.close_open(user=by, project=example.project, purpose=Purpose.ANNOTATE)
    lease = leases.open_lease(example, by, Purpose.ANNOTATE)
    record(by=by, project=example.project, action=AnnotationAction.EXAMPLE_TAKEN_BACK, obj=example)
    return lease
