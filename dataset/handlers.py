"""Answers to events. They may be called more than once for one event."""

from core.models import Event
from dataset.models import DatasetVersion
from dataset.services.reports import start_report


def report_frozen(event: Event) -> None:
    """A frozen version gets its report: its own job, so that the freeze itself does not wait for the checks."""
    dataset = DatasetVersion.objects.select_related("project").filter(pk=event.payload["dataset"]).first()
    if dataset is not None:
        start_report(by=None, dataset=dataset)
