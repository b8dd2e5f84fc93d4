"""Background tasks of annotation."""

from celery import shared_task

from annotation.services import expiry


@shared_task(name="annotation.tasks.expire_leases", ignore_result=True)
def expire_leases() -> None:
    """Ends expired leases (beat, every minute). Taking the next example does the same first."""
    expiry.expire_leases()
