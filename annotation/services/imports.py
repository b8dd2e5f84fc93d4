"""Imports files of examples, and removes an import that was a mistake."""

from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from annotation.cleaning import clean_text
from annotation.models import Assignment, DatasetRow, Draft, Example, Import, ImportIssue, Review, WithheldRow
from core.audit import record
from core.errors import Conflict, Invalid
from core.models import Artifact, Project, Run, User
from core.services.runs import launch_run
from core.storage import storage


def start_import(
    *,
    by: User,
    project: Project,
    path: Path,
    file_name: str,
    destination: str = Import.Destination.QUEUE,
    default_source: str = "",
    default_license: str = "",
) -> Import:
    """Stores the uploaded file at `path` as an artifact and launches the run that reads it.

    The caller deletes `path`. Raises Invalid for an unknown destination, an empty file or one above IMPORT_MAX_BYTES.
    """
    if destination not in Import.Destination.values:
        raise Invalid(
            "There is no such destination.", fields={"destination": ["Choose queued, in_review or approved."]}
        )
    size = path.stat().st_size
    if not size:
        raise Invalid("The file is empty.", "Choose another file.", fields={"file": ["The file is empty."]})
    if size > settings.IMPORT_MAX_BYTES:
        limit = settings.IMPORT_MAX_BYTES // (1 << 20)
        message = f"The file has {size / (1 << 20):,.0f} MB; at most {limit:,} MB are allowed."
        raise Invalid(
            message,
            "Divide it into several files.",
            fields={"file": [f"{message} Divide it into several files."]},
        )
    name = " ".join(clean_text(file_name).split())[-200:] or "upload.jsonl"
    # Before the transaction: it must not stay open while half a gigabyte is copied and hashed.
    upload = storage().put(path, kind=Artifact.Kind.UPLOAD)
    with transaction.atomic():
        run = launch_run(by=by, project=project, kind="import", title=f"Import {name}"[:200])
        batch = Import.objects.create(
            project=project,
            run=run,
            upload=upload,
            file_name=name,
            destination=destination,
            default_source=" ".join(clean_text(default_source).split())[:120],
            default_license=" ".join(clean_text(default_license).split())[:120],
            created_by=by,
        )
        record(by=by, project=project, verb="import.started", obj=batch, file=name, destination=destination)
    return batch


@transaction.atomic
def remove_import(*, by: User, batch: Import) -> int:
    """Removes the examples that an import added, and returns their number.

    Only while no one has worked on any of them and no dataset version contains one; otherwise Conflict, and nothing
    changes. The import itself stays in the list, and the same file can be imported again.
    """
    batch = Import.objects.select_for_update().select_related("project", "run").get(pk=batch.pk)
    if batch.removed_at:
        raise Conflict("The examples of this import were removed before.", "Reload the page.")
    if not batch.stored_at or batch.run.status in Run.ACTIVE:
        raise Conflict("This import has added no examples.", "Cancel it if it is still running.")
    examples = Example.objects.filter(batch=batch)
    # A person who opens one of them now waits for this lock, and then finds it deleted.
    count = len(examples.select_for_update().values_list("pk", flat=True))
    if obstacle := why_not_removable(batch):
        raise Conflict(
            f"This import cannot be removed now: {obstacle}.",
            "Retire the examples that should not be used.",
        )
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            # Any other row that refers to one of these makes it fail here, and not at the commit.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            # Plain SQL: the ORM's cascade would first load every row.
            cursor.execute(
                "UPDATE annotation_importissue SET repeats_id = NULL WHERE repeats_id IN "
                "(SELECT id FROM annotation_example WHERE batch_id = %s)",
                [batch.pk],
            )
            cursor.execute(
                "DELETE FROM annotation_revision WHERE example_id IN "
                "(SELECT id FROM annotation_example WHERE batch_id = %s)",
                [batch.pk],
            )
            cursor.execute("DELETE FROM annotation_example WHERE batch_id = %s", [batch.pk])
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    except IntegrityError:
        raise Conflict(
            "This import cannot be removed now: other data refers to its examples.",
            "Retire the examples that should not be used.",
        ) from None
    batch.removed_at, batch.removed_by = timezone.now(), by
    batch.save(update_fields=["removed_at", "removed_by"])
    record(by=by, project=batch.project, verb="import.removed", obj=batch, examples=count)
    return count


def again(run: Run, by: User) -> None:
    """The file is read again from its first line (core.runs.RunKind.on_again). The earlier attempt stored nothing."""
    batch = Import.objects.select_for_update().get(run=run)
    if batch.removed_at:
        raise Conflict("The examples of this import were removed.", "Import the file again.")
    if batch.stored_at:
        return  # its worker died after storing; the runner will find nothing to do
    # The new attempt finds the problems of the lines again; they must not be listed twice.
    ImportIssue.objects.filter(batch=batch).delete()
    batch.lines = batch.accepted = batch.repeated = batch.rejected = 0
    batch.save(update_fields=["lines", "accepted", "repeated", "rejected"])


def why_not_removable(batch: Import) -> str:
    """Why the examples of an import cannot be removed, in words; empty when they can."""
    examples = Example.objects.filter(batch=batch)
    if DatasetRow.objects.filter(example__batch=batch).exists():
        return "a dataset version contains some of its examples"
    if WithheldRow.objects.filter(example__batch=batch).exists():
        return "a dataset version refers to some of its examples"
    touched = (
        examples.exclude(status=batch.destination).exists()
        or examples.exclude(revision=1).exists()
        or any(model.objects.filter(example__batch=batch).exists() for model in (Assignment, Draft, Review))
    )
    return "people have already worked on some of its examples" if touched else ""
