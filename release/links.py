"""What a model version's page offers from here: its gate."""

from django.urls import reverse

from core.access import Access
from training.links import VersionLink
from training.models import ModelVersion


def links_of(access: Access, version: ModelVersion) -> list[VersionLink]:
    if not access.sees_all or version.status != ModelVersion.Status.READY:
        return []
    return [
        VersionLink("Look at the gate", reverse("release:version", args=[access.project.slug, version.pk]))
    ]
