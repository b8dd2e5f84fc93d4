"""What release knows about model versions (training.registry): which are live, also of those whose data was withdrawn."""

from collections.abc import Sequence

from django.urls import reverse

from core.models import Project
from inference.models import Route
from training.models import ModelVersion
from training.registry import UseNote


def use_notes(versions: Sequence[ModelVersion]) -> dict[int, list[UseNote]]:
    """Which of them is live. One query."""
    live = set(Route.objects.filter(version__in=versions).values_list("version", flat=True))
    return {
        version.pk: [
            UseNote(
                "It is live: applications of the project reach it.",
                True,
                "Roll back",
                reverse("release:home", args=[version.project.slug]),
            )
        ]
        for version in versions
        if version.pk in live
    }


def live_versions(project: Project) -> set[int]:
    """One query."""
    return set(Route.objects.filter(project=project).values_list("version", flat=True))
