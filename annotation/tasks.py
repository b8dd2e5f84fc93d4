"""What the workers do for annotation between requests."""

from celery import shared_task

from annotation.services import expiry


@shared_task(name="annotation.tasks.expire_leases", ignore_result=True)
def expire_leases() -> None:
    """Frees what people left open (beat, every minute). Whoever takes the next item does the same first."""
    expiry.expire_leases()
