"""Handlers of training's own events. May be called more than once for one event."""

import logging

from django.conf import settings

from core.errors import ExpectedError
from core.models import Event
from training.models import ForgettingMeasurement, ModelVersion
from training.services.forgetting import measure_forgetting

log = logging.getLogger(__name__)


def measure_registered_version(event: Event) -> None:
    """Training made a version: what it forgot is measured. The event is published again when its token check is requested again."""
    version = ModelVersion.objects.select_related("project").filter(pk=event.payload["version"]).first()
    if not settings.MEASURE_FORGETTING or version is None or version.kind == ModelVersion.Kind.BASE:
        return
    if ForgettingMeasurement.objects.filter(version=version).exists():
        return
    try:
        measure_forgetting(by=None, version=version)
    except ExpectedError as error:
        log.info("What %s forgot is not measured automatically: %s", version, error)
