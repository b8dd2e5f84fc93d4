"""Imports files of examples, and removes an import that was a mistake."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from annotation.models import Draft, Example, ExampleSearch, Lease, Review, Revision
from annotation.registry import forget_examples
from annotation.services.quality import start_check
from annotation.text.cleaning import clean_text
from core.audit.entries import record
from core.database.constraints import checked_at_once
from core.database.statistics import analyze
from core.errors import Conflict, Invalid
from core.models import Artifact, Project, Run, User
from core.runs.control import launch_run
from core.storage import storage
from core.text import one_line
from dataset.actions import DatasetAction
from dataset.mapping import FieldMapping, fingerprint, read_mapping
from dataset.models import DataImport, DatasetRow, ImportIssue, ImportMapping, WithheldRow
from dataset.services.duplicate_searches import forget_clusters

# Removing more examples than this changes what PostgreSQL's planner should know of the tables.
_MANY = 2000
# What is deleted with the examples of an import.
_OF_EXAMPLES = (
    "annotation_revision",
    "annotation_examplesearch",
    "annotation_examplefinding",
    "annotation_exampletrait",
    "annotation_exampleplace",
)


def start_import(
    *,
    by: User,
    project: Project,
    path: Path,
    file_name: str,
    destination: str = DataImport.Destination.QUEUE,
    default_source: str = "",
    default_license: str = "",
    mapping: FieldMapping | None = None,
    check: bool = False,
) -> DataImport:
    """Stores the uploaded file at `path` as an artifact and launches the run that reads it.

    With `check` the run only reads the file and stores nothing; `import_checked` imports it afterwards. The caller deletes
    `path`. Raises Invalid for an unknown destination, an empty file or one above IMPORT_MAX_BYTES.
    """
    _refuse_destination(destination)
    _refuse_size(path.stat().st_size)
    name = one_line(clean_text(file_name))[-200:] or "upload.jsonl"
    # Before the transaction: it must not stay open while half a gigabyte is copied and hashed.
    upload = storage().put(path, kind=Artifact.Kind.UPLOAD)
    with transaction.atomic():
        run = launch_run(
            by=by, project=project, kind="import-check" if check else "import", title=_title(name, check)
        )
        data_import = DataImport.objects.create(
            project=project,
            run=run,
            upload=upload,
            file_name=name,
            destination=destination,
            default_source=one_line(clean_text(default_source), most=120),
            default_license=one_line(clean_text(default_license), most=120),
            mapping=(mapping or FieldMapping()).stored(),
            created_by=by,
        )
        _name_import(run, data_import)
        action = DatasetAction.IMPORT_CHECKED if check else DatasetAction.IMPORT_STARTED
        record(by=by, project=project, action=action, obj=data_import, file=name, destination=destination)
    return data_import


def _title(name: str, check: bool) -> str:
    return f"{'Check' if check else 'Import'} {name}"[:200]


def _name_import(run: Run, data_import: DataImport) -> None:
    """An import can have several runs one after the other; the page of an earlier one still finds it."""
    Run.objects.filter(pk=run.pk).update(params={"import": data_import.pk})


def _refuse_destination(destination: str) -> None:
    if destination not in DataImport.Destination.values:
        raise Invalid(
            "There is no such destination.", fields={"destination": ["Choose queued, in_review or approved."]}
        )


def _refuse_size(size: int) -> None:
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


@transaction.atomic
def check_again(
    *,
    by: User,
    data_import: DataImport,
    mapping: FieldMapping,
    destination: str | None = None,
    default_source: str | None = None,
    default_license: str | None = None,
) -> DataImport:
    """Reads the file once more with another mapping, and stores nothing. None keeps a value. Conflict while a run is active or
    after the import."""
    data_import = _waiting(data_import)
    _refuse_destination(destination or data_import.destination)
    _set_choices(data_import, mapping, destination, default_source, default_license)
    run = launch_run(
        by=by,
        project=data_import.project,
        kind="import-check",
        title=_title(data_import.file_name, check=True),
    )
    # Also when the person chose to read every column by its name: a remembered mapping must not come back then.
    Run.objects.filter(pk=run.pk).update(params={"import": data_import.pk, "as_chosen": True})
    data_import.run, data_import.checked_at = run, None
    data_import.save(
        update_fields=["run", "checked_at", "mapping", "destination", "default_source", "default_license"]
    )
    record(
        by=by,
        project=data_import.project,
        action=DatasetAction.IMPORT_CHECKED,
        obj=data_import,
        file=data_import.file_name,
        destination=data_import.destination,
    )
    return data_import


@transaction.atomic
def import_checked(
    *,
    by: User,
    data_import: DataImport,
    mapping: FieldMapping | None = None,
    destination: str | None = None,
    default_source: str | None = None,
    default_license: str | None = None,
) -> DataImport:
    """Imports a file that was checked, and remembers its mapping for files with the same columns. None keeps a value.

    Conflict while the check is running, and when it was imported already.
    """
    data_import = _waiting(data_import)
    _refuse_destination(destination or data_import.destination)
    mapping = mapping or read_mapping(data_import.mapping)
    _set_choices(data_import, mapping, destination, default_source, default_license)
    run = launch_run(
        by=by, project=data_import.project, kind="import", title=_title(data_import.file_name, check=False)
    )
    _name_import(run, data_import)
    data_import.run = run
    data_import.save(update_fields=["run", "mapping", "destination", "default_source", "default_license"])
    _remember(data_import, mapping, by)
    record(
        by=by,
        project=data_import.project,
        action=DatasetAction.IMPORT_STARTED,
        obj=data_import,
        file=data_import.file_name,
        destination=data_import.destination,
    )
    return data_import


def _waiting(data_import: DataImport) -> DataImport:
    """The import, locked; Conflict unless its file was checked and waits for a decision."""
    # Without joins: its run is another one when somebody else was faster, and the row would not be found.
    data_import = DataImport.objects.select_for_update().get(pk=data_import.pk)
    if data_import.removed_at:
        raise Conflict("This file was discarded.", "Upload it again.")
    if not data_import.is_check:
        raise Conflict("This file was imported already.", "Reload the page to see the result.")
    if data_import.run.is_active:
        raise Conflict("The file is being checked.", "Wait until that ends, or cancel it.")
    return data_import


def _set_choices(
    data_import: DataImport,
    mapping: FieldMapping,
    destination: str | None,
    default_source: str | None,
    default_license: str | None,
) -> None:
    data_import.mapping = mapping.stored()
    data_import.destination = destination or data_import.destination
    if default_source is not None:
        data_import.default_source = one_line(clean_text(default_source), most=120)
    if default_license is not None:
        data_import.default_license = one_line(clean_text(default_license), most=120)


def _remember(data_import: DataImport, mapping: FieldMapping, by: User) -> None:
    """The project's mapping for these columns. Without a choice there is nothing to remember."""
    names = [str(column["name"]) for column in data_import.columns]
    if not names:
        return
    known: dict[str, Any] = {"project": data_import.project, "fingerprint": fingerprint(names)}
    if mapping == FieldMapping():
        ImportMapping.objects.filter(**known).delete()
        return
    values: dict[str, Any] = {
        "mapping": mapping.stored(),
        "file_name": data_import.file_name,
        "by": by,
        "at": timezone.now(),
    }
    ImportMapping.objects.update_or_create(**known, defaults=values)


@transaction.atomic
def discard_check(*, by: User, data_import: DataImport) -> None:
    """Gives up a checked file: nothing of it was imported. It stays in the list as discarded."""
    data_import = _waiting(data_import)
    data_import.removed_at, data_import.removed_by = timezone.now(), by
    data_import.save(update_fields=["removed_at", "removed_by"])
    record(by=by, project=data_import.project, action=DatasetAction.IMPORT_DISCARDED, obj=data_import)


@transaction.atomic
def remove_import(*, by: User, data_import: DataImport) -> int:
    """Removes the examples that an import added, and returns their number.

    Only while no one has worked on any of them and no dataset version contains one; otherwise Conflict, and nothing
    changes. The import itself stays in the list, and the same file can be imported again.
    """
    data_import = DataImport.objects.select_for_update().get(pk=data_import.pk)
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
        # Any other row that refers to one of these makes it fail here, and not at the commit.
        with transaction.atomic(), checked_at_once(), connection.cursor() as cursor:
            # Plain SQL: the ORM's cascade would first load every row.
            cursor.execute(
                "UPDATE datasets_importissue SET repeats_id = NULL WHERE repeats_id IN "
                "(SELECT id FROM annotation_example WHERE import_id = %s)",
                [data_import.pk],
            )
            forget_examples(examples)
            forget_clusters(examples)
            for table in _OF_EXAMPLES:
                cursor.execute(
                    f"DELETE FROM {table} WHERE example_id IN "  # noqa: S608
                    "(SELECT id FROM annotation_example WHERE import_id = %s)",
                    [data_import.pk],
                )
            cursor.execute("DELETE FROM annotation_example WHERE import_id = %s", [data_import.pk])
    except IntegrityError:
        raise Conflict(
            "This import cannot be removed now: other data refers to its examples.",
            "Retire the examples that should not be used.",
        ) from None
    if count > _MANY:
        transaction.on_commit(lambda: analyze(Example, Revision, ExampleSearch))
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


def ended(run: Run) -> None:
    """The checks read what an import has added (core.runs.kinds.RunKind.on_end): their own job, so that the import does not wait."""
    data_import = DataImport.objects.select_related("project", "created_by").filter(run=run).first()
    if data_import is None or run.status != Run.Status.SUCCEEDED:
        return
    if Example.objects.filter(import_id=data_import.pk).exists():
        # The worker of an earlier attempt may have started it already, and died after that.
        with suppress(Conflict):
            start_check(by=data_import.created_by, project=data_import.project, import_id=data_import.pk)


def again(run: Run, by: User) -> None:
    """The file is read again from its first row (core.runs.kinds.RunKind.on_again). The earlier attempt stored nothing."""
    data_import = DataImport.objects.select_for_update().get(run=run)
    if data_import.removed_at:
        raise Conflict("The examples of this import were removed.", "Import the file again.")
    if data_import.stored_at:
        return  # its worker died after storing; the runner will find nothing to do
    # The new attempt finds the problems of the rows again; they must not be listed twice.
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
