"""Background tasks of datasets."""

from celery import shared_task

from dataset.services import uploads


@shared_task(name="dataset.tasks.sweep_uploads", ignore_result=True)
def sweep_uploads() -> None:
    """Deletes uploads that nobody continued for a week (beat, every hour)."""
    uploads.sweep_uploads()
