"""Leases that are over end, so that what they held goes to somebody else."""

from django.db import transaction
from django.utils import timezone

from annotation.models import Lease
from core.models import Project

_AT_ONCE = 500


@transaction.atomic
def expire_leases(project: Project | None = None) -> int:
    """Ends every lease that is over, except those somebody is using up at this moment. Returns how many.

    What was typed stays as a draft; nothing else changes, so this leaves no audit entry.
    """
    now = timezone.now()
    over = Lease.objects.select_for_update(skip_locked=True).filter(
        outcome=Lease.Outcome.OPEN, expires_at__lte=now
    )
    if project is not None:
        over = over.filter(project=project)
    ended = list(over.values_list("pk", flat=True)[:_AT_ONCE])
    return Lease.objects.filter(pk__in=ended).update(outcome=Lease.Outcome.EXPIRED, finished_at=now)
