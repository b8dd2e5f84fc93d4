"""Starts, removes and finds archives of projects, and imports of them."""

import re
from datetime import timedelta
from pathlib import Path

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from core.audit.actions import CoreAction
from core.audit.entries import record
from core.errors import Conflict, Invalid, Refused
from core.models import Artifact, Project, ProjectArchive, ProjectImport, Run, User
from core.moving.container import Container
from core.moving.manifest import Manifest
from core.moving.reading import ImportedProject, import_archive
from core.runs.control import launch_run
from core.storage import storage
from core.text import one_line, storable

KEPT_DAYS = 7
_SLUG = r"[a-z0-9][a-z0-9_-]*"


# --- archives that are made here -----------------------------------------------------------------------------


@transaction.atomic
def start_archive(*, by: User, project: Project, with_weights: bool) -> ProjectArchive:
    """Starts the background job that makes an archive. Conflict while another archive of the project is being made."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if ProjectArchive.objects.filter(project=project, run__status__in=Run.ACTIVE).exists():
        raise Conflict("An archive of this project is being made.", "Wait for it, or cancel it.")
    what = "with weights" if with_weights else "without weights"
    run = launch_run(
        by=by, project=project, kind="project_archive", title=f"Archive of {project.name}, {what}"[:200]
    )
    archive = ProjectArchive.objects.create(
        project=project, run=run, with_weights=with_weights, created_by=by
    )
    record(by=by, project=project, action=CoreAction.PROJECT_EXPORTED, obj=archive, what=what)
    return archive


@transaction.atomic
def keep_archive(*, archive: ProjectArchive, artifact: Artifact, manifest: Manifest) -> None:
    """Notes the file of an archive that is made. It is kept for KEPT_DAYS."""
    archive.artifact, archive.manifest = artifact, _short(manifest)
    archive.expires_at = timezone.now() + timedelta(days=KEPT_DAYS)
    archive.save(update_fields=["artifact", "manifest", "expires_at"])


@transaction.atomic
def note_archive_download(*, by: User, archive: ProjectArchive) -> None:
    """Records that an archive was downloaded: the whole project leaves the installation with it."""
    record(by=by, project=archive.project, action=CoreAction.PROJECT_ARCHIVE_DOWNLOADED, obj=archive)


def remove_archive(*, by: User | None, archive: ProjectArchive) -> None:
    """Deletes the file of an archive; its row stays in the list. Conflict when there is none. `by` is None when it expired."""
    with transaction.atomic():
        locked = (
            ProjectArchive.objects.select_for_update(of=("self",))
            .select_related("artifact")
            .get(pk=archive.pk)
        )
        artifact = locked.artifact
        if artifact is None:
            raise Conflict("This archive has no file any more.", "Reload the page.")
        locked.artifact, locked.removed_at, locked.removed_by = None, timezone.now(), by
        locked.save(update_fields=["artifact", "removed_at", "removed_by"])
        if by is None:
            action, detail = CoreAction.PROJECT_ARCHIVE_EXPIRED, {"days": KEPT_DAYS}
        else:
            action, detail = CoreAction.PROJECT_ARCHIVE_REMOVED, {}
        record(by=by, project=archive.project, action=action, obj=archive, **detail)
        artifact.delete()
    storage().remove(artifact)


def remove_old_files() -> int:
    """Removes archives that have expired, and uploads of imports that nobody needs any more; gives their number."""
    now = timezone.now()
    expired = ProjectArchive.objects.filter(expires_at__lt=now, artifact__isnull=False).select_related(
        "project"
    )
    for archive in expired:
        remove_archive(by=None, archive=archive)
    old = ProjectImport.objects.filter(
        upload__isnull=False, created_at__lt=now - timedelta(days=KEPT_DAYS)
    ).exclude(run__status__in=Run.ACTIVE)
    uploads = [*old, *ProjectImport.objects.filter(upload__isnull=False, run__status=Run.Status.SUCCEEDED)]
    for one in uploads:
        drop_upload(one)
    return len(expired) + len(uploads)


# --- archives that are imported here -------------------------------------------------------------------------


def require_importer(user: User) -> None:
    """Refused to all but operators: an import creates a project and accounts."""
    if not user.is_operator:
        raise Refused("Only an operator can import projects.", "Ask an operator of this installation.")


def check_slug(slug: str, manifest: Manifest, *, chosen: bool) -> str:
    """The address of the new project. Invalid for one that is not an address or is in use; for an archive that was imported before,
    unless an address was chosen."""
    slug = slug.strip().lower()
    if not re.fullmatch(_SLUG, slug) or len(slug) > 60:
        words = "Use at most 60 letters a to z, digits, - and _."
        raise Invalid("This is not an address for a project.", words, fields={"slug": [words]})
    before = (
        ProjectImport.objects.filter(archive_id=manifest.id, project__isnull=False)
        .select_related("project")
        .first()
    )
    if Project.objects.filter(slug__iexact=slug).exists():
        words = f"There is already a project at /p/{slug}/. Choose another address."
        raise Invalid("This address is in use.", words, fields={"slug": [words]})
    if before is not None and not chosen and before.project is not None:
        words = (
            f"This archive was imported before, as {before.project.name} at /p/{before.project.slug}/. To import it once more, "
            "choose another address."
        )
        raise Invalid("This archive was imported before.", words, fields={"slug": [words]})
    return slug


def start_import(*, by: User, path: Path, file_name: str, slug: str = "") -> ProjectImport:
    """Stores the archive at `path` and starts the background job that imports it. The caller deletes `path`.

    Without `slug` the project keeps its address. Refused to all but operators; BadArchive for a file that is not an archive;
    Invalid for an address that is in use.
    """
    require_importer(by)
    with Container(path) as container:
        manifest = container.manifest
    chosen = bool(slug.strip())
    slug = check_slug(slug if chosen else manifest.slug, manifest, chosen=chosen)
    name = one_line(storable(file_name))[-200:] or "project.zip"
    upload = storage().put(path, kind=Artifact.Kind.EXPORT)
    with transaction.atomic():
        run = launch_run(
            by=by, project=None, kind="project_import", title=f"Import the project {manifest.name}"[:200]
        )
        started = ProjectImport.objects.create(
            run=run,
            upload=upload,
            file_name=name,
            archive_id=manifest.id,
            slug=slug,
            manifest=_short(manifest),
            created_by=by,
        )
        record(by=by, project=None, action=CoreAction.PROJECT_IMPORT_STARTED, obj=started, slug=slug)
    return started


@transaction.atomic
def import_now(*, by: User | None, path: Path, slug: str = "") -> ImportedProject:
    """Imports an archive from the command line, without a background job. `by` is an operator, or None for the system itself."""
    with Container(path) as container:
        manifest, chosen = container.manifest, bool(slug.strip())
        slug = check_slug(slug if chosen else manifest.slug, manifest, chosen=chosen)
        result = import_archive(container, slug=slug, by=by, report=_say_nothing)
    started = ProjectImport.objects.create(
        file_name=path.name[-200:],
        archive_id=manifest.id,
        slug=slug,
        manifest=_short(manifest),
        created_by=by,
    )
    note_imported(started=started, result=result)
    return result


def _say_nothing(
    *, done: int | None = None, total: int | None = None, message: str | None = None, now: bool = False
) -> None:
    """The report of an import that nobody watches."""


def _short(manifest: Manifest) -> dict[str, object]:
    """What is kept of a list of contents."""
    rows = [{"part": rows.part, "rows": rows.rows} for rows in manifest.rows]
    return manifest.as_json() | {"rows": rows, "files": []}


@transaction.atomic
def note_imported(*, started: ProjectImport, result: ImportedProject) -> None:
    """Notes the project that an archive became, in the transaction that stores it."""
    started.project, started.result = result.project, result.as_json()
    started.save(update_fields=["project", "result"])


def import_again(run: Run, by: User) -> None:
    """The same archive is read again (core.runs.kinds.RunKind.on_again). Conflict when its file is gone."""
    started = ProjectImport.objects.select_for_update(of=("self",)).get(run=run)
    if started.upload_id is None:
        raise Conflict("The uploaded archive was removed.", "Upload it again.")


def drop_upload(started: ProjectImport) -> None:
    """Deletes the uploaded archive, unless another import or archive has the same file."""
    with transaction.atomic():
        locked = ProjectImport.objects.select_for_update(of=("self",)).get(pk=started.pk)
        upload = locked.upload
        if upload is None:
            return
        locked.upload = None
        locked.save(update_fields=["upload"])
        if (
            ProjectImport.objects.filter(upload=upload).exists()
            or ProjectArchive.objects.filter(artifact=upload).exists()
        ):
            return
        upload.delete()
    storage().remove(upload)


def archives_of(project: Project) -> QuerySet[ProjectArchive]:
    """The archives of a project, newest first."""
    return ProjectArchive.objects.filter(project=project).select_related(
        "run__project", "run__created_by", "artifact", "created_by", "removed_by", "project"
    )


def project_imports() -> QuerySet[ProjectImport]:
    """The imports of projects, newest first."""
    return ProjectImport.objects.select_related("run", "run__created_by", "upload", "project", "created_by")
