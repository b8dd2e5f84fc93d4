"""The annotators' side of the queue: take the next item, keep drafts, submit, take a submission back."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from annotation.cleaning import clean_draft, clean_pair, clean_text
from annotation.models import Assignment, Draft, Example, Review, Revision
from annotation.queries.queue import in_order, waiting_for
from annotation.runner.leases import expire_leases
from annotation.services import leases
from annotation.services.examples import add_revision, content_of, fields_of, lock, reason_for_bad
from annotation.services.leases import Outcome, Purpose
from core.audit import record
from core.errors import Conflict, ExpectedError
from core.models import Project, User
from core.transitions import transition

log = logging.getLogger(__name__)

_TRIES = 20  # each try that fails means that somebody else got an item, so this is never many


def take_next(
    *,
    by: User,
    project: Project,
    purpose: str,
    filters: Mapping[str, str] | None = None,
) -> Assignment | None:
    """Leases the next item to the person, or None when nothing waits for them.

    Whoever has an item open gets that one again. Order: what they have a draft of, what was sent back to them (a
    reviewer: what they sent back), feedback from ratings and chat, edge cases, the oldest; what they skipped last. `filters`
    narrows it to a slice, an edge kind or an origin. Two people never get the same item: rows are locked with
    SKIP LOCKED, and a partial unique constraint holds even if this code were wrong.
    """
    expire_leases(project)
    for _ in range(_TRIES):
        try:
            return _take_one(by, project, purpose, filters or {})
        except IntegrityError:
            continue  # somebody's lease was committed between our look and our lock
    raise Conflict(
        "Many people are taking items at this moment.",
        "Ask again; nothing is lost.",
    )


@transaction.atomic
def _take_one(by: User, project: Project, purpose: str, filters: Mapping[str, str]) -> Assignment | None:
    held = (
        Assignment.objects.select_related("example")
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
        record(by=by, project=project, verb="example.opened", obj=example, purpose=purpose)
        return lease
    return None


def _lines(
    by: User, project: Project, purpose: str, filters: Mapping[str, str]
) -> Iterator[QuerySet[Example]]:
    """Where to look, one line after the other; each is served from an index, however long it is."""
    waiting = waiting_for(by, project, purpose, filters).filter(held=False)
    fresh = waiting.filter(skipped=False)
    # What one has begun comes first: a draft whose lease ran out over lunch is what one was doing.
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


# --- drafts ------------------------------------------------------------------------------------------------
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
    """Keeps what the person has typed, whether or not their lease still runs.

    Conflict when they never had the example, or have submitted it since: a late draft must not come back to life. With
    `seen`, see `_keep`.
    """
    mine = leases.latest(example=example, user=by, purpose=purpose)
    if mine is None or mine.outcome == Outcome.DONE:
        raise Conflict(
            f"You do not have #{example.pk} open.",
            "Copy what you wrote and open the item again.",
        )
    base_revision = base_revision or example.revision
    values = {"content": _draft_content(content), "base_revision": base_revision}
    return _keep(by=by, project=example.project, example=example, values=values, writer=writer, seen=seen)


def keep_words(
    *,
    by: User,
    example: Example,
    content: Mapping[str, Any],
    base_revision: int = 0,
    purpose: str = Purpose.ANNOTATE,
) -> bool:
    """Keeps as a draft what could not be submitted, where the person may have one. Whether it was kept."""
    try:
        save_draft(by=by, example=example, content=content, base_revision=base_revision, purpose=purpose)
    except ExpectedError:
        return False
    return True


@contextmanager
def kept_on_failure(keep: Callable[[], object]) -> Iterator[None]:
    """Calls `keep` when what is done inside fails in a way that nobody foresaw: what was typed outlives it."""
    try:
        yield
    except ExpectedError:
        raise
    except Exception:
        try:
            keep()
        except Exception:  # the first failure is the one to report
            log.exception("What was typed could not be kept either.")
        raise


@transaction.atomic
def save_new_draft(
    *, by: User, project: Project, content: Mapping[str, Any], writer: str = "", seen: str | None = None
) -> Draft:
    """Keeps the new example the person is writing; there is one in each project. With `seen`, see `_keep`."""
    values = {"content": {**_draft_content(content), "group": clean_text(content.get("group"))[:200]}}
    return _keep(by=by, project=project, example=None, values=values, writer=writer, seen=seen)


def _keep(
    *,
    by: User,
    project: Project,
    example: Example | None,
    values: dict[str, Any],
    writer: str,
    seen: str | None,
) -> Draft:
    """Stores a draft, over the one that there may be already.

    `writer` names the browser tab that saves. With `seen`, the writer of the draft that its page began with, Conflict when
    somebody else saved another text since: two tabs with one draft do not write over each other. Programs give no `seen`,
    and the last one to write keeps the draft.
    """
    mine = {"user": by, "project": project, "example": example}
    values |= {"writer": writer} if writer else {}
    draft, new = Draft.objects.get_or_create(**mine, defaults=values)
    if new:
        return draft
    draft = Draft.objects.select_for_update().get(pk=draft.pk)
    if seen is not None and draft.writer not in {writer, seen} and draft.content != values["content"]:
        raise Conflict(
            "Another tab or browser of yours saved a newer draft of this.",
            "Reload to see that one. What you typed here stays in this browser and is offered to you then.",
        )
    for name, value in values.items():
        setattr(draft, name, value)
    draft.save()
    return draft


def _draft_content(content: Mapping[str, Any]) -> dict[str, Any]:
    clean = clean_draft(content)
    comment = content.get("comment")
    if isinstance(comment, str) and comment.strip():
        clean["comment"] = clean_text(comment)[:5000]
    return clean


@transaction.atomic
def discard_draft(*, by: User, project: Project, example: Example | None) -> None:
    """Deletes a draft because its writer asked for it. That it was deleted is audited, its words are not kept."""
    gone, _ = Draft.objects.filter(project=project, user=by, example=example).delete()
    if gone:
        verb = "draft.discarded" if example else "draft.of_new_discarded"
        record(by=by, project=project, verb=verb, obj=example)


# --- submitting --------------------------------------------------------------------------------------------
@transaction.atomic
def submit(
    *,
    by: User,
    example: Example,
    content: Mapping[str, Any],
    base_revision: int = 0,
    reason: str = "",
) -> Example:
    """Hands the pair to the reviewers as a new revision and ends the lease.

    Invalid when something is missing, NeedsReason when a check objects and `reason` is empty, LeaseLost when
    somebody else has or had the item meanwhile, Conflict when the pair changed since `base_revision`.
    """
    clean = clean_pair(content)
    note = reason_for_bad(project=example.project, content=clean, example=example, reason=reason)
    example = lock(example)
    lease = leases.hold(example=example, user=by, purpose=Purpose.ANNOTATE)
    if base_revision and base_revision != example.revision:
        raise Conflict(
            f"#{example.pk} changed since you opened it.",
            "What you wrote is kept as your draft. Reload to see both.",
        )
    now = timezone.now()
    changed = clean != content_of(example)
    transition(
        example,
        Example.Status.IN_REVIEW,
        **fields_of(clean),
        revision=example.revision + 1,
        submitted_by=by,
        submitted_at=now,
        waiting_since=now,
        changed_at=now,
    )
    add_revision(example, by=by, reason=Revision.Reason.SUBMITTED, content=clean, note=note)
    leases.close(lease, Outcome.DONE)
    Draft.objects.filter(example=example, user=by).delete()
    record(
        by=by,
        project=example.project,
        verb="example.submitted",
        obj=example,
        revision=example.revision,
        changed=changed,
        **({"reason": note} if note else {}),
    )
    return example


@transaction.atomic
def take_back(*, by: User, example: Example) -> Assignment:
    """Undoes a submit for as long as no reviewer opened it, and opens the item again.

    The submitted revision stays in the history; what the person has open now goes back, its draft kept.
    """
    example = lock(example)
    if example.status != Example.Status.IN_REVIEW or example.submitted_by_id != by.pk:
        raise Conflict(f"#{example.pk} is not yours to take back.", "Reload the page.")
    last_submit = (
        Assignment.objects.filter(example=example, user=by, purpose=Purpose.ANNOTATE).order_by("-id").first()
    )
    since = last_submit.leased_at if last_submit else example.submitted_at
    if Assignment.objects.filter(example=example, purpose=Purpose.REVIEW, leased_at__gte=since).exists():
        raise Conflict(
            f"A reviewer has opened #{example.pk} already.",
            "They can send it back to you.",
        )
    sent_back_before = example.reviews.filter(undone_at=None, verdict=Review.Verdict.RETURNED).exists()
    transition(
        example,
        Example.Status.RETURNED if sent_back_before else Example.Status.QUEUED,
        waiting_since=timezone.now(),
    )
    leases.close_open(user=by, project=example.project, purpose=Purpose.ANNOTATE)
    lease = leases.open_lease(example, by, Purpose.ANNOTATE)
    record(by=by, project=example.project, verb="example.taken_back", obj=example)
    return lease
