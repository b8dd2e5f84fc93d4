"""The link from a model version's page to a comparison with another version."""

from django.urls import reverse

from core.access import Access
from core.models import Role
from training.links import VersionLink
from training.models import ModelVersion


def links_of(access: Access, version: ModelVersion) -> list[VersionLink]:
    if not access.has(Role.ADMIN) or version.status != ModelVersion.Status.READY:
        return []
    url = reverse("evaluation:campaign-new", args=[access.project.slug])
    return [VersionLink("Compare it", f"{url}?candidate={version.pk}")]
