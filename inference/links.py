"""The link from a model version's page to a chat with it."""

from django.urls import reverse

from core.access import Access
from core.models import Role
from inference.queries import candidates
from training.links import VersionLink
from training.models import ModelVersion


def links_of(access: Access, version: ModelVersion) -> list[VersionLink]:
    """Two queries. Admins only: viewers do not chat, and others must not know what they chat with."""
    if not access.has(Role.ADMIN):
        return []
    url = reverse("inference:chat", args=[access.project.slug])
    return [
        VersionLink("Test it in chat", f"{url}?with={candidate.code}")
        for candidate in candidates(access)
        if candidate.version.pk == version.pk and candidate.state.ready
    ]
