"""A dry run: reads a whole file as an import would, and stores what it found instead of examples."""

from django.db import transaction
from django.utils import timezone

from annotation.queries.categories import edge_spellings
from core.marks import known_marks
from core.runs.context import RunContext
from core.runs.outside import Report, reporting_outside, still_ours
from dataset.mapping import FieldMapping, read_mapping
from dataset.models import DataImport, ImportIssue, ImportMapping
from dataset.queries.imports import remembered_mapping
from dataset.queries.withdrawals import withdrawn_names
from dataset.runner.chats import ParsedExample
from dataset.runner.imports import RefusedFile, count_rows, keep_the_answer, opened, refuse_unusable
from dataset.runner.parsing import columns_of, parse_columns
from dataset.runner.preparing import PreparedBatch, batches_ahead
from dataset.runner.reading import FileLine
from dataset.runner.recognise import shape_of
from dataset.runner.storing import Store, first_of_each
from dataset.runner.tally import FirstLook, Tally
from dataset.runner.values import Issue

# Rows whose repeats inside the file are found; each takes some 50 bytes of memory.
MOST_REMEMBERED = 2_000_000


def run(ctx: RunContext) -> None:
    """The runner of kind "import-check". Nothing is imported."""
    data_import = DataImport.objects.select_related("project", "upload", "created_by").get(run=ctx.run)
    with reporting_outside(ctx) as report:
        refused = _check(ctx, data_import, report)
        # The person has not chosen a mapping: the one that the project last used for these columns.
        if not ctx.run.params.get("as_chosen") and (known := _remembered(data_import)):
            DataImport.objects.filter(pk=data_import.pk).update(mapping=known.mapping)
            refused = _check(ctx, data_import, report)
    if refused is not None:
        raise refused.failure


def _check(ctx: RunContext, data_import: DataImport, report: Report) -> RefusedFile | None:
    """Reads the file once and stores what it found; gives the reason when no row can be imported."""
    data_import.refresh_from_db(fields=["mapping"])
    look = FirstLook()
    try:
        with transaction.atomic():
            ImportIssue.objects.filter(data_import=data_import).delete()
            label, tally = _read(data_import, look, report)
            _keep_look(data_import, look, label)
            values = tally.counts() | {"checked_at": timezone.now()}
            DataImport.objects.filter(pk=data_import.pk).update(**values)
            still_ours(ctx.run)
    except RefusedFile as refused:
        keep_the_answer(data_import, refused.tally)
        _keep_look(data_import, look, "")
        return refused
    return None


def _remembered(data_import: DataImport) -> ImportMapping | None:
    data_import.refresh_from_db(fields=["columns"])
    if read_mapping(data_import.mapping) != FieldMapping():
        return None
    return remembered_mapping(data_import)


def _keep_look(data_import: DataImport, look: FirstLook, label: str) -> None:
    DataImport.objects.filter(pk=data_import.pk).update(
        columns=list(look.columns.values()),
        preview=look.rows,
        shape=shape_of(look.sample)[:60],
        file_format=label[:60] or data_import.file_format,
    )


def _read(data_import: DataImport, look: FirstLook, report: Report) -> tuple[str, Tally]:
    tally = Tally(data_import)
    store = Store(data_import, tally)
    needs_completion = data_import.destination != DataImport.Destination.QUEUE
    mapping, marks = read_mapping(data_import.mapping), known_marks()
    edges = edge_spellings(data_import.project)

    def parse(line: FileLine) -> ParsedExample | list[Issue]:
        data = columns_of(line)
        if isinstance(data, list):
            return data
        parsed = parse_columns(
            data, line, needs_completion=needs_completion, marks=marks, mapping=mapping, edges=edges
        )
        look.see(data)
        look.show(line, data, parsed)
        return parsed

    seen: set[int] = set()
    withdrawn = withdrawn_names(data_import.project)
    with opened(data_import, tally) as file:
        report(done=0, total=data_import.upload.size_bytes, message="Reading the first rows.", now=True)
        with batches_ahead(file.rows, parse) as batches:
            for batch in batches:
                batch.refuse_sources(withdrawn, data_import.default_source)
                count_rows(tally, batch)
                _count_new(store, batch, seen)
                store.write_issues()
                report(
                    done=batch.last.end,
                    message=f"Row {tally.lines:,}: {tally.accepted:,} can be imported, {tally.repeated:,} repeats, "
                    f"{tally.rejected:,} bad rows.",
                )
        refuse_unusable(tally)
        return file.label, tally


def _count_new(store: Store, batch: PreparedBatch, seen: set[int]) -> None:
    """Counts which rows an import would store; `seen` are the rows before, by a part of their hash."""
    known = store.known(batch.good)
    first = {id(row) for row in first_of_each(batch.good)}
    for row, short in zip(batch.good, batch.shorts, strict=True):
        if row.arrival in known:
            of = known[row.arrival].pk
            store.tally.repeat(
                row.line, row.example, f"Repeats example #{of}, which the project already has.", of
            )
        elif id(row) not in first or short in seen:
            store.tally.repeat(row.line, row.example, "Repeats an earlier row of this file.", None)
        else:
            store.tally.accepted += 1
            if len(seen) < MOST_REMEMBERED:
                seen.add(short)
