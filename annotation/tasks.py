"""Background tasks of annotation."""

from celery import shared_task

from annotation.services import counts, expiry
from annotation.services.search_index import INDEX_EXAMPLES, index_backlog, sweep_backlogs


@shared_task(name="annotation.tasks.expire_leases", ignore_result=True)
def expire_leases() -> None:
    """Ends expired leases (beat, every minute). Taking the next example does the same first."""
    expiry.expire_leases()


@shared_task(name=INDEX_EXAMPLES, ignore_result=True)
def index_examples(backlog_id: int) -> None:
    """A worker's turn on the examples of a bulk load that search does not find yet."""
    index_backlog(backlog_id)


@shared_task(name="annotation.tasks.sweep_search", ignore_result=True)
def sweep_search() -> None:
    """Continues what a lost message or worker left unindexed (beat, every 15 seconds)."""
    sweep_backlogs()


@shared_task(name="annotation.tasks.sweep_counts", ignore_result=True)
def sweep_counts() -> None:
    """Keeps the counts of examples short (beat, every 30 seconds)."""
    counts.sweep_counts()
