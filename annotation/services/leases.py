"""Leases: who has which example open. The queue gives leases; submitting and reviewing end them.

Every change of an example locks its row first (annotation.services.examples.lock), then its lease, to avoid deadlocks.
"""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from annotation.actions import AnnotationAction
from annotation.errors import LeaseLost
from annotation.models import Example, Lease, Revision
from annotation.registry import must_stay_retired
from annotation.services.examples import lock
from core.audit.entries import record
from core.database.transitions import transition
from core.errors import Conflict
from core.models import Project, User
from core.text import one_line

Outcome = Lease.Outcome
Purpose = Lease.Purpose
OPEN_TO = {
    Purpose.ANNOTATE: (Example.Status.QUEUED, Example.Status.RETURNED),
    Purpose.REVIEW: (Example.Status.IN_REVIEW,),
}


def lease_end(project: Project) -> datetime:
    return timezone.now() + timedelta(minutes=project.lease_minutes)


def latest(*, example: Example, user: User, purpose: str) -> Lease | None:
    """The person's newest lease of this example, locked: a draft and a submit of two tabs wait for each other here."""
    return (
        Lease.objects.select_for_update()
        .filter(example=example, user=user, purpose=purpose)
        .order_by("-id")
        .first()
    )


def changed_since(example: Example, revision: int, lease: Lease) -> bool:
    """Whether the (locked) example changed after the person read it: `revision`, or with 0 the state when they opened it."""
    if revision:
        return revision != example.revision
    # An example of an import gets its first revision later than its row; that is not a change.
    newer = Revision.objects.filter(example=example, at__gt=lease.leased_at)
    return newer.exclude(reason=Revision.Reason.ARRIVED).exists()


def close(lease: Lease, outcome: str, note: str = "") -> None:
    """Ends a lease from `hold`. An expired lease of another person on the same example ends with it."""
    now = timezone.now()
    transition(lease, outcome, field="outcome", finished_at=now, note=note)
    Lease.objects.filter(example=lease.example_id, outcome=Outcome.OPEN).update(
        outcome=Outcome.EXPIRED, finished_at=now
    )


def close_open(*, user: User, project: Project, purpose: str) -> None:
    """Ends the lease that the person has for `purpose`, so that they can open another example. The draft is kept."""
    Lease.objects.filter(user=user, project=project, purpose=purpose, outcome=Outcome.OPEN).update(
        outcome=Outcome.RELEASED, finished_at=timezone.now()
    )


def why_not(example: Example, user: User, purpose: str) -> str | None:
    """Why the person cannot have the (locked) example open now, as a sentence; None when they can."""
    holder = (
        Lease.objects.select_related("user")
        .filter(example=example, outcome=Outcome.OPEN)
        .exclude(user=user, purpose=purpose)
        .first()
    )
    if holder and holder.expires_at > timezone.now():
        who = "You have it" if holder.user_id == user.pk else f"{holder.user.name} has it"
        return f"{who} open for {'review' if holder.purpose == Purpose.REVIEW else 'annotation'} now."
    if example.status not in OPEN_TO[Purpose(purpose)]:
        by = (
            f" by {example.submitted_by.name}"
            if example.status == Example.Status.IN_REVIEW and example.submitted_by
            else ""
        )
        words = {
            Example.Status.IN_REVIEW: f"It was submitted{by} and is in review.",
            Example.Status.APPROVED: "It is approved.",
            Example.Status.RETURNED: "It was sent back to its author.",
            Example.Status.QUEUED: "It is back in the annotators' queue.",
            Example.Status.RETIRED: "It was retired.",
        }
        if example.status == Example.Status.RETIRED and (reason := must_stay_retired(example)):
            return f"It was retired. {reason}"
        return words[Example.Status(example.status)]
    if purpose == Purpose.REVIEW and example.submitted_by_id == user.pk:
        return "You submitted it yourself. Another person must review it."
    return None


def open_lease(example: Example, user: User, purpose: str) -> Lease:
    """A new lease on the (locked) example. IntegrityError when the example or the person has one open."""
    Lease.objects.filter(example=example, outcome=Outcome.OPEN, expires_at__lte=timezone.now()).update(
        outcome=Outcome.EXPIRED, finished_at=timezone.now()
    )
    with transaction.atomic():
        return Lease.objects.create(
            example=example,
            project=example.project,
            user=user,
            purpose=purpose,
            expires_at=lease_end(example.project),
        )


def why_not_open(*, by: User, example: Example, purpose: str) -> str:
    """Why the person cannot open the example now; empty when they can. Reads only: the answer can be out of date immediately."""
    return why_not(example, by, purpose) or ""


@transaction.atomic
def take(*, by: User, example: Example, purpose: str) -> Lease:
    """Opens this example for the person; another example they had open goes back. LeaseLost when it is not available.

    When the person has it open already, the lease is extended.
    """
    example = lock(example)
    mine = latest(example=example, user=by, purpose=purpose)
    if mine and mine.outcome == Outcome.OPEN:
        return _extend(mine, example.project)
    _refuse(example, by, purpose)
    close_open(user=by, project=example.project, purpose=purpose)
    try:
        lease = open_lease(example, by, purpose)
    except IntegrityError:
        raise LeaseLost("You opened another example at the same moment.", "Reload the page.") from None
    record(
        by=by,
        project=example.project,
        action=AnnotationAction.EXAMPLE_OPENED,
        obj=example,
        purpose=purpose,
    )
    return lease


def _refuse(example: Example, user: User, purpose: str) -> None:
    reason = why_not(example, user, purpose)
    if reason:
        raise LeaseLost(f"You cannot open #{example.pk} now. {reason}", "Your text is saved as your draft.")


def _extend(lease: Lease, project: Project) -> Lease:
    until = lease_end(project)
    if not Lease.objects.filter(pk=lease.pk, outcome=Outcome.OPEN).update(expires_at=until):
        raise LeaseLost("Your reservation is over.", "Your text is saved as your draft.")
    lease.expires_at = until
    return lease


@transaction.atomic
def hold(*, example: Example, user: User, purpose: str) -> Lease:
    """The person's lease on the (locked) example, which the caller ends. An expired lease counts while no one else has taken it."""
    mine = latest(example=example, user=user, purpose=purpose)
    if mine is None or mine.outcome not in (Outcome.OPEN, Outcome.EXPIRED):
        _refuse(example, user, purpose)
        raise LeaseLost(f"You do not have #{example.pk} open.", "Open it first.")
    _refuse(example, user, purpose)
    return mine


@transaction.atomic
def heartbeat(*, by: User, example: Example, purpose: str) -> Lease:
    """Extends a lease. An expired lease becomes valid again while no one else has taken the example."""
    mine = Lease.objects.filter(example=example, user=by, purpose=purpose).order_by("-id").first()
    if mine is None or mine.outcome not in (Outcome.OPEN, Outcome.EXPIRED):
        raise LeaseLost(
            f"You do not have #{example.pk} open.",
            "Your text is saved as your draft.",
        )
    if mine.outcome == Outcome.OPEN:
        return _extend(mine, example.project)
    example = lock(example)
    _refuse(example, by, purpose)
    if changed_since(example, 0, mine):
        raise LeaseLost(
            f"Your reservation of #{example.pk} is over, and it changed after you opened it.",
            "Your text is saved as your draft. Open the example again to see both.",
        )
    try:
        return open_lease(example, by, purpose)
    except IntegrityError:
        raise LeaseLost(
            f"Your reservation of #{example.pk} is over, and you have another example open.",
            "Your text is saved as your draft.",
        ) from None


@transaction.atomic
def leave(*, by: User, example: Example, purpose: str, skip: bool, reason: str = "") -> None:
    """Gives an example back. With `skip` this person gets it again only after all others; `reason` can say why
    (up to 300 characters; more is cut off)."""
    example = lock(example)
    mine = latest(example=example, user=by, purpose=purpose)
    if mine is None or mine.outcome not in (Outcome.OPEN, Outcome.EXPIRED):
        raise Conflict(f"You do not have #{example.pk} open.", "Reload the page.")
    outcome = Outcome.SKIPPED if skip else Outcome.RELEASED
    note = one_line(reason, most=300) if skip else ""
    close(mine, outcome, note=note)
    record(
        by=by,
        project=example.project,
        action=AnnotationAction(f"example.{outcome}"),
        obj=example,
        purpose=purpose,
        **({"reason": note} if note else {}),
    )


@transaction.atomic
def undo_skip(*, by: User, example: Example, purpose: str) -> Lease:
    """Undoes the person's last skip of this example and opens it; the example they have open now is given back.

    Conflict when they did not skip it, LeaseLost when it is not available now.
    """
    example = lock(example)
    mine = latest(example=example, user=by, purpose=purpose)
    if mine is None or mine.outcome != Outcome.SKIPPED:
        raise Conflict(f"You have not skipped #{example.pk}.", "Reload the page.")
    transition(mine, Outcome.RELEASED, field="outcome")
    # An earlier skip since it joined the queue would put it last again.
    Lease.objects.filter(
        example=example,
        user=by,
        purpose=purpose,
        outcome=Outcome.SKIPPED,
        finished_at__gte=example.waiting_since,
    ).update(outcome=Outcome.RELEASED)
    record(
        by=by,
        project=example.project,
        action=AnnotationAction.EXAMPLE_SKIP_UNDONE,
        obj=example,
        purpose=purpose,
    )
    return take(by=by, example=example, purpose=purpose)
