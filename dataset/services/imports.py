"""Bringing files of examples in, and taking a mistaken import out again."""

from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from annotation.models import Draft, Example, Lease, Review
from annotation.text.cleaning import clean_text
from core.audit.entries import record
from core.errors import Conflict, Invalid
from core.models import Artifact, Project, Run, User
from core.runs.control import launch_run
from core.storage import storage
from dataset.models import DataImport, DatasetRow, ImportIssue, WithheldRow


def start_import(
    *,
    by: User,
    project: Project,
    path: Path,
    file_name: str,
    destination: str = DataImport.Destination.QUEUE,
    default_source: str = "",
    default_license: str = "",
) -> DataImport:
    """Stores the uploaded file at `path` as an artifact and launches the run that reads it.

    The caller keeps `path`. Raises Invalid for an unknown destination, an empty file or one above IMPORT_MAX_BYTES.
    """
    if destination not in DataImport.Destination.values:
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
        data_import = DataImport.objects.create(
            project=project,
            run=run,
            upload=upload,
            file_name=name,
            destination=destination,
            default_source=" ".join(clean_text(default_source).split())[:120],
            default_license=" ".join(clean_text(default_license).split())[:120],
            created_by=by,
        )
        record(
            by=by, project=project, verb="import.started", obj=data_import, file=name, destination=destination
        )
    return data_import


@transaction.atomic
def remove_import(*, by: User, data_import: DataImport) -> int:
    """Takes out what an import added, and returns how many examples that were.

    Only while nobody has worked on any of them and no dataset version holds one; otherwise Conflict, and nothing
    changes. The import itself stays on record, and the same file can be imported again.
    """
    data_import = (
        DataImport.objects.select_for_update().select_related("project", "run").get(pk=data_import.pk)
    )
    if data_import.removed_at:
        raise Conflict("What this import added was removed before.", "Reload the page.")
    if not data_import.stored_at or data_import.run.status in Run.ACTIVE:
        raise Conflict(
            "This import has added nothing that could be removed.", "Cancel its run if it is still going."
        )
    examples = Example.objects.filter(import_id=data_import.pk)
    # Whoever opens one of them now waits for this lock, and then finds it gone.
    count = len(examples.select_for_update().values_list("pk", flat=True))
    if obstacle := why_not_removable(data_import):
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
                "UPDATE datasets_importissue SET repeats_id = NULL WHERE repeats_id IN "
                "(SELECT id FROM annotation_example WHERE import_id = %s)",
                [data_import.pk],
            )
            cursor.execute(
                "DELETE FROM annotation_revision WHERE example_id IN "
                "(SELECT id FROM annotation_example WHERE import_id = %s)",
                [data_import.pk],
            )
            cursor.execute("DELETE FROM annotation_example WHERE import_id = %s", [data_import.pk])
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    except IntegrityError:
        raise Conflict(
            "This import cannot be removed any more: other work refers to its examples.",
            "Retire the examples that should not be used.",
        ) from None
    data_import.removed_at, data_import.removed_by = timezone.now(), by
    data_import.save(update_fields=["removed_at", "removed_by"])
    record(by=by, project=data_import.project, verb="import.removed", obj=data_import, examples=count)
    return count


def again(run: Run, by: User) -> None:
    """The file is read again from its first line (core.runs.kinds.RunKind.on_again). Nothing of the earlier attempt was stored."""
    data_import = DataImport.objects.select_for_update().get(run=run)
    if data_import.removed_at:
        raise Conflict("What this import added was removed.", "Import the file again.")
    if data_import.stored_at:
        return  # its worker died after storing; the runner will find nothing left to do
    # What an earlier attempt said about the lines is found again, and would be listed twice.
    ImportIssue.objects.filter(data_import=data_import).delete()
    data_import.lines = data_import.accepted = data_import.repeated = data_import.rejected = 0
    data_import.save(update_fields=["lines", "accepted", "repeated", "rejected"])


def why_not_removable(data_import: DataImport) -> str:
    """What stands in the way of removing what an import added, in words; empty when nothing does."""
    examples = Example.objects.filter(import_id=data_import.pk)
    if DatasetRow.objects.filter(example__import_id=data_import.pk).exists():
        return "a dataset version holds examples of it"
    if WithheldRow.objects.filter(example__import_id=data_import.pk).exists():
        return "a dataset version refers to examples of it"
    touched = (
        examples.exclude(status=data_import.destination).exists()
        or examples.exclude(revision=1).exists()
        or any(
            model.objects.filter(example__import_id=data_import.pk).exists()
            for model in (Lease, Draft, Review)
        )
    )
    return "people have already worked on examples of it" if touched else ""
