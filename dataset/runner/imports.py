"""An uploaded file becomes examples: streamed, checked row by row, and stored in one transaction.

A cancelled, killed or failed import leaves no example, and another worker starts it again from the first row. The problems
of the rows are stored even when no example could be stored, because the person needs them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from annotation.models import Category, Example, Revision
from annotation.queries.categories import edge_spellings, known_categories
from annotation.services.adopting import adopt_slices
from annotation.services.search_index import index_soon
from core.audit.entries import record
from core.database.statistics import analyze
from core.host.scratch import scratch
from core.marks import known_marks
from core.runs.context import RunContext, RunFailed
from core.runs.outside import Report, reporting_outside, still_ours, wait_for_turn
from core.storage import storage
from core.wording import noun
from dataset.actions import DatasetAction
from dataset.mapping import read_mapping
from dataset.models import DataImport, ImportIssue
from dataset.queries.withdrawals import withdrawn_names
from dataset.runner.apart import LARGE, Job, batches_apart
from dataset.runner.bulk import copy_in
from dataset.runner.preparing import PreparedBatch, batches_ahead
from dataset.runner.reading import NotReadable, OpenedFile, open_file
from dataset.runner.reading.opening import ReadLimits
from dataset.runner.storing import RowText, Store, planned_for_growth
from dataset.runner.tally import Tally

# After this number of bad rows, a file with fewer than one good row in ten is probably the wrong file.
GIVE_UP_AFTER = 1000
GOOD_IN = 10
EXPECTED = (
    "Each row needs a question and an answer under names that Guildhall knows, such as prompt and completion, or messages. For other "
    "names, choose on the page of the import which column is which. That page lists each bad row with its reason. Nothing was stored."
)
# An archive may unpack to this many times the largest upload.
_UNPACKED = 4


class RefusedFile(Exception):
    """The file as a whole cannot be imported."""

    def __init__(self, tally: Tally, code: str, message: str, advice: str) -> None:
        super().__init__(message)
        self.tally = tally
        self.failure = RunFailed(code, message, advice)


def run(ctx: RunContext) -> None:
    """The runner of kind "import". Its run belongs to one DataImport, which names the uploaded artifact."""
    data_import = DataImport.objects.select_related("project", "upload", "created_by").get(run=ctx.run)
    if data_import.stored_at:
        return  # a worker died after storing and before its report
    with reporting_outside(ctx) as report:
        try:
            with transaction.atomic():
                # One import of a project at a time: the second sees all rows of the first, so repeats are found.
                wait_for_turn(
                    f"datasets.dataimport.{data_import.project_id}",
                    report=report,
                    message="Waiting for another import of this project.",
                )
                store(data_import, report=report)
                still_ours(ctx.run)
            # The planner must know of the new rows before people work on them.
            analyze(Example, Revision)
        except RefusedFile as refused:
            keep_the_answer(data_import, refused.tally)
            raise refused.failure from None


@transaction.atomic
def keep_the_answer(data_import: DataImport, tally: Tally) -> None:
    """Stores what was found of a file that is refused."""
    ImportIssue.objects.filter(data_import=data_import).delete()
    copy_in(ImportIssue, tally.first, leave_out=["id"])
    counts = tally.counts() | {"accepted": 0, "repeated": 0}
    DataImport.objects.filter(pk=data_import.pk).update(**counts)


def store(data_import: DataImport, *, report: Report) -> None:
    """Stores the examples of `data_import` inside the caller's transaction and reports progress in bytes.

    Raises RefusedFile when the file cannot be read or has no usable row; the caller rolls back.
    """
    tally = Tally(data_import)
    ImportIssue.objects.filter(data_import=data_import).delete()  # those of a check
    with opened(data_import, tally) as file, planned_for_growth():
        report(done=0, total=data_import.upload.size_bytes, message="Reading the first rows.", now=True)
        _store_rows(data_import, file, tally, report)
    refuse_unusable(tally)
    report(done=data_import.upload.size_bytes, message="Finishing.", now=True)
    DataImport.objects.filter(pk=data_import.pk).update(
        **tally.counts(), file_format=file.label[:60], stored_at=timezone.now()
    )
    record(
        by=data_import.created_by,
        project=data_import.project,
        action=DatasetAction.IMPORT_STORED,
        obj=data_import,
        accepted=tally.accepted,
        repeated=tally.repeated,
        rejected=tally.rejected,
    )


@contextmanager
def opened(data_import: DataImport, tally: Tally) -> Iterator[OpenedFile]:
    """The upload as rows. Raises RefusedFile, also for damage that is found while the rows are read."""
    path, limits = _stored(data_import)
    try:
        with scratch("import") as folder:
            yield open_file(path, name=data_import.file_name, limits=limits, scratch=folder)
    except NotReadable as error:
        raise RefusedFile(tally, error.code, error.what, error.advice) from error


def _stored(data_import: DataImport) -> tuple[Path, ReadLimits]:
    upload = data_import.upload
    path = storage().local_path(upload) / upload.manifest[0]["path"]
    return path, ReadLimits(
        row=settings.IMPORT_MAX_LINE_BYTES, unpacked=_UNPACKED * settings.IMPORT_MAX_BYTES
    )


def refuse_unusable(tally: Tally) -> None:
    """Raises RefusedFile when no row of a file that was read to its end can be used."""
    if tally.accepted or tally.repeated:
        return
    if not tally.lines:
        raise RefusedFile(tally, "empty", "The file has no rows.", "Choose another file.")
    says = noun(tally.lines, "The one row cannot be used.", f"None of the {tally.lines:,} rows can be used.")
    raise RefusedFile(tally, "nothing_usable", says, EXPECTED)


def _store_rows(data_import: DataImport, file: OpenedFile, tally: Tally, report: Report) -> None:
    store_rows = Store(data_import, tally)
    withdrawn = withdrawn_names(data_import.project)
    # A refused row shows how it begins in the file: only here is its text at hand.
    apart = data_import.upload.size_bytes >= LARGE and not withdrawn
    with _batches(data_import, file, apart=apart) as batches:
        for batch in batches:
            batch.refuse_sources(withdrawn, data_import.default_source)
            count_rows(tally, batch)
            store_rows.add(batch)
            report(
                done=batch.last.end,
                message=f"Row {tally.lines:,}: {tally.accepted:,} examples, {tally.repeated:,} repeats, "
                f"{tally.rejected:,} bad rows.",
            )
    store_rows.write_issues()
    adopt_slices(data_import.project, origin=Category.Origin.IMPORT)
    index_soon(Example.objects.filter(import_id=data_import.pk))


@contextmanager
def _batches(data_import: DataImport, file: OpenedFile, *, apart: bool) -> Iterator[Iterator[PreparedBatch]]:
    """The rows of the file, parsed `apart` in a process of their own, or in a thread."""
    path, limits = _stored(data_import)
    job = Job(
        path,
        data_import.file_name,
        limits,
        needs_completion=data_import.destination != DataImport.Destination.QUEUE,
        marks=known_marks(),
        mapping=read_mapping(data_import.mapping),
        edges=edge_spellings(data_import.project),
        text=RowText(data_import, known_categories(data_import.project).slices),
    )
    if not apart:
        with batches_ahead(file.rows, job.parse, job.text.copied) as batches:
            yield batches
        return
    with scratch("import") as folder, batches_apart(job, folder) as batches:
        yield batches


def count_rows(tally: Tally, batch: PreparedBatch) -> None:
    """Adds the rows of a batch to the tally, except for which are new. Raises RefusedFile when nearly all rows are bad."""
    tally.lines += len(batch)
    tally.note(batch.notes.values())
    for line, issues in batch.bad:
        tally.reject(line, issues)
    good = tally.accepted + tally.repeated + len(batch.good)
    if tally.rejected >= GIVE_UP_AFTER and good * GOOD_IN < tally.rejected:
        raise RefusedFile(
            tally,
            "not_rows",
            f"Stopped at row {tally.lines:,}: {tally.rejected:,} of {tally.lines:,} rows are bad, so this is probably the wrong file.",
            EXPECTED,
        )
