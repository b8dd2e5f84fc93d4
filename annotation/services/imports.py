"""Bringing files of examples in, and taking a mistaken import out again."""

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

    The caller keeps `path`. Raises Invalid for an unknown destination, an empty file or one above IMPORT_MAX_BYTES.
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
        message = f"The file has {size / (1 << 20):,.0f} MB; at most {limit:,} MB are taken at once."
        raise Invalid(
            message,
            "Divide it into several files.",
            fields={"file": [f"{message} Divide it into several files."]},
        )
    name = " ".join(clean_text(file_name).split())[-200:] or "upload.jsonl"
    # Before the transaction: copying and hashing half a gigabyte is no reason to hold one open.
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
    """Takes out what an import added, and returns how many examples that were.

    Only while nobody has worked on any of them and no dataset version holds one; otherwise Conflict, and nothing
    changes. The import itself stays on record, and the same file can be imported again.
    """
    batch = Import.objects.select_for_update().select_related("project", "run").get(pk=batch.pk)
    if batch.removed_at:
        raise Conflict("What this import added was removed before.", "Reload the page.")
    if not batch.stored_at or batch.run.status in Run.ACTIVE:
        raise Conflict(
            "This import has added nothing that could be removed.", "Cancel its run if it is still going."
        )
    examples = Example.objects.filter(batch=batch)
    # Whoever opens one of them now waits for this lock, and then finds it gone.
    count = len(examples.select_for_update().values_list("pk", flat=True))
    if obstacle := why_not_removable(batch):
        raise Conflict(
            f"This import cannot be removed any more: {obstacle}.",
            "Retire the examples that should not be used.",
        )
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            # Whatever else refers to one of these makes it fail here, and not at the commit.
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
            "This import cannot be removed any more: other work refers to its examples.",
            "Retire the examples that should not be used.",
        ) from None
    batch.removed_at, batch.removed_by = timezone.now(), by
    batch.save(update_fields=["removed_at", "removed_by"])
    record(by=by, project=batch.project, verb="import.removed", obj=batch, examples=count)
    return count


def again(run: Run, by: User) -> None:
    """The file is read again from its first line (core.runs.RunKind.on_again). Nothing of the earlier attempt was stored."""
    batch = Import.objects.select_for_update().get(run=run)
    if batch.removed_at:
        raise Conflict("What this import added was removed.", "Import the file again.")
    if batch.stored_at:
        return  # its worker died after storing; the runner will find nothing left to do
    # What an earlier attempt said about the lines is found again, and would be listed twice.
    ImportIssue.objects.filter(batch=batch).delete()
    batch.lines = batch.accepted = batch.repeated = batch.rejected = 0
    batch.save(update_fields=["lines", "accepted", "repeated", "rejected"])


def why_not_removable(batch: Import) -> str:
    """What stands in the way of removing what an import added, in words; empty when nothing does."""
    examples = Example.objects.filter(batch=batch)
    if DatasetRow.objects.filter(example__batch=batch).exists():
        return "a dataset version holds examples of it"
    if WithheldRow.objects.filter(example__batch=batch).exists():
        return "a dataset version refers to examples of it"
    touched = (
        examples.exclude(status=batch.destination).exists()
        or examples.exclude(revision=1).exists()
        or any(model.objects.filter(example__batch=batch).exists() for model in (Assignment, Draft, Review))
    )
    return "people have already worked on examples of it" if touched else ""
