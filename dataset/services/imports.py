"""Imports files of examples, and removes an import that was a mistake."""

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
from core.text import one_line
from dataset.actions import DatasetAction
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

    The caller deletes `path`. Raises Invalid for an unknown destination, an empty file or one above IMPORT_MAX_BYTES.
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
        message = f"The file has {size / (1 << 20):,.0f} MB; at most {limit:,} MB are allowed."
        raise Invalid(
            message,
            "Divide it into several files.",
            fields={"file": [f"{message} Divide it into several files."]},
        )
    name = one_line(clean_text(file_name))[-200:] or "upload.jsonl"
    # Before the transaction: it must not stay open while half a gigabyte is copied and hashed.
    upload = storage().put(path, kind=Artifact.Kind.UPLOAD)
    with transaction.atomic():
        run = launch_run(by=by, project=project, kind="import", title=f"Import {name}"[:200])
        data_import = DataImport.objects.create(
            project=project,
            run=run,
            upload=upload,
            file_name=name,
            destination=destination,
            default_source=one_line(clean_text(default_source), most=120),
            default_license=one_line(clean_text(default_license), most=120),
            created_by=by,
        )
        record(
            by=by,
            project=project,
            action=DatasetAction.IMPORT_STARTED,
            obj=data_import,
            file=name,
            destination=destination,
        )
    return data_import


@transaction.atomic
def remove_import(*, by: User, data_import: DataImport) -> int:
    """Removes the examples that an import added, and returns their number.

    Only while no one has worked on any of them and no dataset version contains one; otherwise Conflict, and nothing
    changes. The import itself stays in the list, and the same file can be imported again.
    """
    data_import = (
        DataImport.objects.select_for_update().select_related("project", "run").get(pk=data_import.pk)
    )
    if data_import.removed_at:
        raise Conflict("The examples of this import were removed before.", "Reload the page.")
    if not data_import.stored_at or data_import.run.status in Run.ACTIVE:
        raise Conflict("This import has added no examples.", "Cancel it if it is still running.")
    examples = Example.objects.filter(import_id=data_import.pk)
    # A person who opens one of them now waits for this lock, and then finds it deleted.
    count = len(examples.select_for_update().values_list("pk", flat=True))
    if obstacle := why_not_removable(data_import):
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
                "UPDATE datasets_importissue SET repeats_id = NULL WHERE repeats_id IN "
                "(SELECT id FROM annotation_example WHERE import_id = %s)",
                [data_import.pk],
            )
            cursor.execute(
                "DELETE FROM annotation_revision WHERE example_id IN "
                "(SELECT id FROM annotation_example WHERE import_id = %s)",
                [data_import.pk],
            )
            cursor.execute(
                "DELETE FROM annotation_examplesearch WHERE example_id IN "
                "(SELECT id FROM annotation_example WHERE import_id = %s)",
                [data_import.pk],
            )
            cursor.execute("DELETE FROM annotation_example WHERE import_id = %s", [data_import.pk])
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    except IntegrityError:
        raise Conflict(
            "This import cannot be removed now: other data refers to its examples.",
            "Retire the examples that should not be used.",
        ) from None
    data_import.removed_at, data_import.removed_by = timezone.now(), by
    data_import.save(update_fields=["removed_at", "removed_by"])
    record(
        by=by,
        project=data_import.project,
        action=DatasetAction.IMPORT_REMOVED,
        obj=data_import,
        examples=count,
    )
    return count


def again(run: Run, by: User) -> None:
    """The file is read again from its first line (core.runs.kinds.RunKind.on_again). The earlier attempt stored nothing."""
    data_import = DataImport.objects.select_for_update().get(run=run)
    if data_import.removed_at:
        raise Conflict("The examples of this import were removed.", "Import the file again.")
    if data_import.stored_at:
        return  # its worker died after storing; the runner will find nothing to do
    # The new attempt finds the problems of the lines again; they must not be listed twice.
    ImportIssue.objects.filter(data_import=data_import).delete()
    data_import.lines = data_import.accepted = data_import.repeated = data_import.rejected = 0
    data_import.save(update_fields=["lines", "accepted", "repeated", "rejected"])


def why_not_removable(data_import: DataImport) -> str:
    """Why the examples of an import cannot be removed, in words; empty when they can."""
    examples = Example.objects.filter(import_id=data_import.pk)
    if DatasetRow.objects.filter(example__import_id=data_import.pk).exists():
        return "a dataset version contains some of its examples"
    if WithheldRow.objects.filter(example__import_id=data_import.pk).exists():
        return "a dataset version refers to some of its examples"
    touched = (
        examples.exclude(status=data_import.destination).exists()
        or examples.exclude(revision=1).exists()
        or any(
            model.objects.filter(example__import_id=data_import.pk).exists()
            for model in (Lease, Draft, Review)
        )
    )
    return "people have already worked on some of its examples" if touched else ""
