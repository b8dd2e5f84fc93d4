"""The link from a model version's page to its gate."""

from django.urls import reverse

from core.access import Access
from training.links import VersionLink
from training.models import ModelVersion


def links_of(access: Access, version: ModelVersion) -> list[VersionLink]:
    if not access.sees_all or version.status != ModelVersion.Status.READY:
        return []
    return [VersionLink("See the gate", reverse("release:version", args=[access.project.slug, version.pk]))]
