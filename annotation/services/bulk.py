"""Retires many examples at once, and gives them back the status that they had."""

from collections.abc import Mapping, Sequence

from django.db import transaction
from django.utils import timezone

from annotation.models import Example, Lease

# Every status but retired.
IN_USE = (
    Example.Status.QUEUED,
    Example.Status.IN_REVIEW,
    Example.Status.RETURNED,
    Example.Status.APPROVED,
)


@transaction.atomic
def retire_many(ids: Sequence[int]) -> dict[int, str]:
    """Retires these examples, ends the leases of people who have one open, and returns {id: its status before}.

    One that is retired already is left as it is. People's texts stay as their drafts. The caller writes the audit entry, and keeps
    the statuses if the examples are to get them back.
    """
    locked = Example.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    were = dict(locked.filter(status__in=IN_USE).values_list("pk", "status"))
    now = timezone.now()
    Example.objects.filter(pk__in=were, status__in=IN_USE).update(
        status=Example.Status.RETIRED, changed_at=now
    )
    Lease.objects.filter(example__in=were, outcome=Lease.Outcome.OPEN).update(
        outcome=Lease.Outcome.RELEASED, finished_at=now
    )
    return were


@transaction.atomic
def restore_many(statuses: Mapping[int, str]) -> int:
    """Gives retired examples the status that `retire_many` found: {id: status}. Returns how many; one that is not retired any more is
    left as it is."""
    now = timezone.now()
    restored = 0
    for status in sorted(set(statuses.values())):
        ids = [pk for pk, was in statuses.items() if was == status]
        restored += Example.objects.filter(pk__in=ids, status=Example.Status.RETIRED).update(
            status=status, waiting_since=now, changed_at=now
        )
    return restored
