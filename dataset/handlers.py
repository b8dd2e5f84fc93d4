"""Answers to events. They may be called more than once for one event."""

from core.models import Event
from dataset.models import BiasAudit, DatasetVersion
from dataset.services.audits import start_audit
from dataset.services.reports import start_report


def _frozen_examples(event: Event) -> DatasetVersion | None:
    """The frozen version, when it has examples. The report and the bias audit read the answers that people wrote or approved: those of a
    preference version are of models, and some of them are bad on purpose."""
    versions = DatasetVersion.objects.select_related("project")
    return versions.filter(pk=event.payload["dataset"], kind=DatasetVersion.Kind.SUPERVISED).first()


def report_frozen(event: Event) -> None:
    """A frozen version gets its report: its own job, so that the freeze itself does not wait for the checks."""
    dataset = _frozen_examples(event)
    if dataset is not None:
        start_report(by=None, dataset=dataset)


def audit_frozen(event: Event) -> None:
    """In a project that makes bias audits, each frozen version gets its own, with the lexicons of that time."""
    dataset = _frozen_examples(event)
    if dataset is not None and BiasAudit.objects.filter(project=dataset.project_id).exists():
        start_audit(by=None, project=dataset.project, dataset=dataset)
