"""The background jobs: making an archive, and importing one."""

from django.db import transaction

from core.errors import ExpectedError
from core.host.scratch import scratch
from core.models import Artifact, ProjectArchive, ProjectImport
from core.moving.container import Container
from core.moving.errors import BadArchive
from core.moving.reading import import_archive
from core.moving.services import drop_upload, keep_archive, note_imported
from core.moving.writing import write_archive
from core.runs.context import RunContext, RunFailed
from core.runs.outside import reporting_outside, still_ours
from core.storage import storage


def make_archive(ctx: RunContext) -> None:
    """The runner of kind "project_archive"."""
    archive = ProjectArchive.objects.select_related("project", "created_by").get(run=ctx.run)
    if archive.artifact_id is not None:
        return  # a worker died after it was kept and before its report
    with scratch("project-archive") as folder:
        path = folder / f"{archive.project.slug}.zip"
        with reporting_outside(ctx) as report:
            manifest = write_archive(
                archive.project, path, with_weights=archive.with_weights, by=archive.created_by, report=report
            )
        ctx.report(message="Reading the archive back.", now=True)
        # What could not be imported must not be offered for download.
        try:
            with Container(path) as container:
                container.verify(lambda _: ctx.check())
        except BadArchive as error:
            raise RunFailed(error.code, error.message, "Show this to the operator.") from error
        ctx.report(message="Storing the archive.", now=True)
        artifact = storage().put(path, kind=Artifact.Kind.EXPORT)
    with transaction.atomic():
        still_ours(ctx.run)
        keep_archive(archive=archive, artifact=artifact, manifest=manifest)


def import_project(ctx: RunContext) -> None:
    """The runner of kind "project_import": everything in one transaction."""
    started = ProjectImport.objects.select_related("upload", "created_by").get(run=ctx.run)
    if started.project_id is None:
        if started.upload is None:
            raise RunFailed("no_file", "The uploaded archive was removed.", "Upload it again.")
        path = storage().local_path(started.upload) / started.upload.manifest[0]["path"]
        try:
            with (
                Container(path) as container,
                reporting_outside(ctx) as report,
                transaction.atomic(),
            ):
                result = import_archive(container, slug=started.slug, by=started.created_by, report=report)
                note_imported(started=started, result=result)
                still_ours(ctx.run)
        except ExpectedError as error:
            raise RunFailed(error.code, error.message, error.advice) from error
    drop_upload(started)
