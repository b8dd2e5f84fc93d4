"""Handlers of events from apps below. May be called more than once for one event."""

from core.models import Event
from inference.services import ensure_deployment
from training.models import ModelVersion


def serve_registered_version(event: Event) -> None:
    """A version was registered, or its check was requested again: it should be served."""
    version = (
        ModelVersion.objects.select_related("project", "base_model")
        .filter(pk=event.payload["version"])
        .first()
    )
    if version is not None:
        ensure_deployment(by=None, version=version)
