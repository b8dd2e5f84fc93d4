"""Ends expired leases, so that other people can take the examples."""

from django.db import transaction
from django.utils import timezone

from annotation.models import Lease
from core.models import Project

_AT_ONCE = 500


@transaction.atomic
def expire_leases(project: Project | None = None) -> int:
    """Ends every expired lease, except those that a request is ending at this moment. Returns how many.

    Drafts stay; nothing else changes, so there is no audit entry.
    """
    now = timezone.now()
    over = Lease.objects.select_for_update(skip_locked=True).filter(
        outcome=Lease.Outcome.OPEN, expires_at__lte=now
    )
    if project is not None:
        over = over.filter(project=project)
    ended = list(over.values_list("pk", flat=True)[:_AT_ONCE])
    return Lease.objects.filter(pk__in=ended).update(outcome=Lease.Outcome.EXPIRED, finished_at=now)
