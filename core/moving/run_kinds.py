"""The background jobs that make and import archives."""

from django.urls import reverse

from core.models import ProjectArchive, Run
from core.runs.kinds import RunKind


def of_archive(run: Run) -> tuple[str, str] | None:
    archive = ProjectArchive.objects.filter(run=run).select_related("project").first()
    if archive is None:
        return None
    return "Move this project", reverse("core:move", args=[archive.project.slug])


ARCHIVE = RunKind(
    "project_archive",
    "Project archive",
    queue="default",
    runner="core.moving.runner:make_archive",
    again_words="It makes the archive again, with what the project has at that time.",
    subject="core.moving.run_kinds:of_archive",
)
IMPORT = RunKind(
    "project_import",
    "Import of a project",
    queue="default",
    runner="core.moving.runner:import_project",
    on_again="core.moving.services:import_again",
    again_words="It reads the same archive again. Nothing of the first try was stored.",
    operators_again=True,
)
