"""Handlers of events from apps below. May be called more than once for one event."""

import logging

from core.errors import ExpectedError
from core.models import Event
from inference.queries import live_version
from release.losses import opponents
from training.losses import measurements_of, seconds_to_measure
from training.models import ModelVersion
from training.services import measure_loss

log = logging.getLogger(__name__)
# An automatic measurement may take this long on the training machine; a person must start a longer one.
MOST_SECONDS = 300.0


def measure_ready_version(event: Event) -> None:
    """A version became ready: its loss and its opponent's are measured, if that is quick."""
    version = (
        ModelVersion.objects.select_related("project", "base_model", "training_run__dataset")
        .filter(pk=event.payload["version"], status=ModelVersion.Status.READY)
        .first()
    )
    if version is None:
        return
    live = live_version(version.project)
    against = opponents([version], live if live != version else None)[version.pk]
    if against is None or measurements_of([version], [against]):
        return
    seconds = seconds_to_measure(version, against)
    if seconds is None or seconds > MOST_SECONDS:
        return
    try:
        measure_loss(by=None, version=version, against=against)
    except ExpectedError as error:
        log.info("The loss of %s is not measured automatically: %s", version, error)
