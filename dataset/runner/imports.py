"""An uploaded JSONL file becomes examples: streamed, checked line by line, and stored in one transaction.

A cancelled, killed or failed import leaves no example, and another worker starts it again from the first line.
The problems of the lines are stored even when no example could be stored, because the person needs them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import IO, Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from annotation.models import Example, Revision
from annotation.text.hashes import arrival_hash, content_hash, group_of_prompt, search_text
from core.audit.entries import record
from core.marks import known_marks
from core.runs.context import RunContext, RunFailed
from core.runs.outside import Report, reporting_outside, still_ours, wait_for_turn
from core.storage import storage
from dataset.actions import DatasetAction
from dataset.models import DataImport, ImportIssue, Source
from dataset.runner.bulk import allocate_ids, copy_in
from dataset.runner.files import FileLine, excerpt_of, read_lines, wrong_format
from dataset.runner.lines import ParsedExample, parse_line
from dataset.runner.shapes import KeyNote
from dataset.runner.values import Issue

BATCH = 1000
# After this number of bad lines, a file with fewer than one good line in ten is probably the wrong file.
GIVE_UP_AFTER = 1000
GOOD_IN = 10
ISSUES_A_LINE = 5
# The number of bad lines shown of a refused file.
ISSUES_OF_A_REFUSED_FILE = 1000
# The number of different keys shown of one file; a file with more has values in the place of keys.
MOST_KEYS = 200
EXPECTED = (
    "Each line must be one JSON object with messages and completion, or with prompt and completion (other names of these are "
    "listed beside the form). "
    "The bad lines are listed on the page of the import. Nothing was stored."
)


@dataclass
class Tally:
    lines: int = 0
    accepted: int = 0
    repeated: int = 0
    rejected: int = 0
    keys: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    other_keys: int = 0
    unwritten: list[ImportIssue] = field(default_factory=list)
    first: list[ImportIssue] = field(default_factory=list)

    def note(self, line: int, notes: Iterable[KeyNote]) -> None:
        """Counts, once for each row, the keys that were not imported under their own name."""
        for note in {(note.key, note.what): note for note in notes}.values():
            entry = self.keys.get((note.key, note.what))
            if entry is not None:
                entry["count"] += 1
            elif len(self.keys) < MOST_KEYS:
                self.keys[note.key, note.what] = {
                    "key": note.key, "what": note.what, "count": 1, "line": line, "says": note.says,
                }  # fmt: skip
            else:
                self.other_keys += 1

    def stored_keys(self) -> list[dict[str, Any]]:
        """The keys as DataImport.keys holds them, the commonest first."""
        keys = sorted(self.keys.values(), key=lambda entry: (-entry["count"], entry["line"], entry["key"]))
        if self.other_keys:
            says = f"More than {MOST_KEYS} different keys. The others are only counted."
            keys.append({"key": "", "what": "ignored", "count": self.other_keys, "line": 0, "says": says})
        return keys


class _Refused(Exception):
    """The file as a whole cannot be imported."""

    def __init__(self, tally: Tally, code: str, message: str, advice: str) -> None:
        super().__init__(message)
        self.tally = tally
        self.failure = RunFailed(code, message, advice)


def run(ctx: RunContext) -> None:
    """The runner of kind "import". Its run belongs to one Import, which names the uploaded artifact."""
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
        except _Refused as refused:
            _keep_the_answer(data_import, refused.tally)
            raise refused.failure from None


@transaction.atomic
def _keep_the_answer(data_import: DataImport, tally: Tally) -> None:
    ImportIssue.objects.filter(data_import=data_import).delete()
    copy_in(ImportIssue, tally.first, leave_out=["id"])
    DataImport.objects.filter(pk=data_import.pk).update(
        lines=tally.lines, rejected=tally.rejected, keys=tally.stored_keys()
    )


def store(data_import: DataImport, *, report: Report) -> None:
    """Stores the examples of `data_import` inside the caller's transaction and reports progress in bytes.

    Raises _Refused when the file is not UTF-8 JSON Lines or has no usable line; the caller rolls back.
    """
    upload = data_import.upload
    tally = Tally()
    with (storage().local_path(upload) / upload.manifest[0]["path"]).open("rb") as file:
        if problem := wrong_format(file.read(4096)):
            raise _Refused(tally, *problem)
        file.seek(0)
        report(done=0, total=upload.size_bytes, message="Reading the first lines.", now=True)
        _store_lines(data_import, file, tally, report)
    if not tally.accepted and not tally.repeated:
        if not tally.lines:
            raise _Refused(tally, "empty", "The file has no lines.", "Choose another file.")
        raise _Refused(tally, "nothing_usable", f"None of the {tally.lines:,} lines can be used.", EXPECTED)
    report(done=upload.size_bytes, message="Finishing.", now=True)
    DataImport.objects.filter(pk=data_import.pk).update(
        lines=tally.lines,
        accepted=tally.accepted,
        repeated=tally.repeated,
        rejected=tally.rejected,
        keys=tally.stored_keys(),
        stored_at=timezone.now(),
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


def _store_lines(data_import: DataImport, file: IO[bytes], tally: Tally, report: Report) -> None:
    needs_completion = data_import.destination != DataImport.Destination.QUEUE
    sources: dict[str, Source] = {}
    waiting: list[tuple[FileLine, ParsedExample]] = []
    marks = known_marks()
    for line in read_lines(file, max_bytes=settings.IMPORT_MAX_LINE_BYTES):
        tally.lines += 1
        parsed = parse_line(line, needs_completion=needs_completion, marks=marks)
        if isinstance(parsed, ParsedExample):
            tally.note(line.number, parsed.notes)
            waiting.append((line, parsed))
        else:
            _reject(data_import, tally, line, parsed)
            good = tally.accepted + tally.repeated + len(waiting)
            if tally.rejected >= GIVE_UP_AFTER and good * GOOD_IN < tally.rejected:
                raise _Refused(
                    tally,
                    "not_jsonl",
                    f"Stopped at line {line.number:,}: {tally.rejected:,} of {tally.lines:,} lines are bad, "
                    "so this is probably the wrong file.",
                    EXPECTED,
                )
        if len(waiting) + len(tally.unwritten) >= BATCH:
            _flush(data_import, tally, waiting, sources)
            report(
                done=line.end,
                message=f"Line {line.number:,}: {tally.accepted:,} examples, {tally.repeated:,} repeats, "
                f"{tally.rejected:,} bad lines.",
            )
    _flush(data_import, tally, waiting, sources)


def _reject(data_import: DataImport, tally: Tally, line: FileLine, issues: list[Issue]) -> None:
    tally.rejected += 1
    for issue in issues[:ISSUES_A_LINE]:
        _note(
            tally,
            ImportIssue(
                data_import=data_import,
                kind=ImportIssue.Kind.REJECTED,
                line=line.number,
                field=issue.field[:60],
                reason=issue.reason[:300],
                excerpt=excerpt_of(line),
            ),
        )


def _note(tally: Tally, issue: ImportIssue) -> None:
    tally.unwritten.append(issue)
    if len(tally.first) < ISSUES_OF_A_REFUSED_FILE:
        tally.first.append(issue)


def _flush(
    data_import: DataImport,
    tally: Tally,
    waiting: list[tuple[FileLine, ParsedExample]],
    sources: dict[str, Source],
) -> None:
    """Writes the collected rows and issues, and empties both lists."""
    rows = [(line, row, _arrival_hash(row)) for line, row in waiting]
    for last_try in (False, False, True):
        known = _known(data_import, rows)
        fresh = [item for item in _first_of_each(rows) if item[2] not in known]
        examples = [_example(data_import, line, row, key, sources) for line, row, key in fresh]
        try:
            with transaction.atomic():
                _copy(data_import, examples)
            break
        except IntegrityError:
            # Somebody wrote one of these examples by hand between the query and the copy; query again.
            if last_try:
                raise
    known.update({str(example.arrival_hash): example for example in examples})
    taken = {line.number for line, _, _ in fresh}
    for line, row, key in rows:
        if line.number not in taken:
            tally.repeated += 1
            _note(tally, _repeat(data_import, line, row, known[key]))
    tally.accepted += len(examples)
    copy_in(ImportIssue, tally.unwritten, leave_out=["id"])
    tally.unwritten.clear()
    waiting.clear()


def _content_hash(row: ParsedExample) -> str:
    return content_hash(messages=row.messages, context=row.context, completion=row.completion)


def _arrival_hash(row: ParsedExample) -> str:
    return arrival_hash(messages=row.messages, context=row.context, completion=row.completion)


def _known(data_import: DataImport, rows: list[tuple[FileLine, ParsedExample, str]]) -> dict[str, Example]:
    """{arrival hash of a row: the project's example it repeats}, as it was imported or as it is now."""
    own = Example.objects.filter(project=data_import.project_id).only(
        "arrival_hash", "content_hash", "import_id", "origin_detail"
    )
    now = {_content_hash(row): key for _, row, key in rows}
    known = {now[example.content_hash]: example for example in own.filter(content_hash__in=now)}
    arrived = own.filter(arrival_hash__in={key for _, _, key in rows})
    return known | {str(example.arrival_hash): example for example in arrived}


def _first_of_each(
    rows: list[tuple[FileLine, ParsedExample, str]],
) -> list[tuple[FileLine, ParsedExample, str]]:
    first: dict[str, tuple[FileLine, ParsedExample, str]] = {}
    for item in rows:
        first.setdefault(item[2], item)
    return list(first.values())


def _example(
    data_import: DataImport, line: FileLine, row: ParsedExample, key: str, sources: dict[str, Source]
) -> Example:
    source = _source(data_import, row, sources)
    pair: dict[str, Any] = {"messages": row.messages, "context": row.context, "completion": row.completion}
    return Example(
        project_id=data_import.project_id,
        source=source.name if source else None,
        import_id=data_import.pk,
        status=data_import.destination,
        **pair,
        slice=row.slice,
        edge=row.edge,
        tags=row.tags,
        group=row.group or group_of_prompt(messages=row.messages, context=row.context),
        license=row.license or data_import.default_license or (source.license if source else ""),
        external_id=row.external_id,
        origin=Example.Origin.IMPORT,
        origin_detail={"label": _label(data_import, line, row), "line": line.number},
        arrival_hash=key,
        content_hash=content_hash(**pair),
        search_text=search_text(**pair),
        created_by_id=data_import.created_by_id,
    )


def _label(data_import: DataImport, line: FileLine, row: ParsedExample) -> str:
    label = f"{data_import.file_name}, line {line.number}"
    return f"{label}, marked in the file as a bad answer" if row.bad_answer else label


def _source(data_import: DataImport, row: ParsedExample, sources: dict[str, Source]) -> Source | None:
    name = row.source or data_import.default_source
    if not name:
        return None
    if name not in sources:
        sources[name], _ = Source.objects.get_or_create(
            project=data_import.project,
            name=name,
            defaults={"license": row.license or data_import.default_license},
        )
    return sources[name]


def _copy(data_import: DataImport, examples: list[Example]) -> None:
    for example, pk in zip(examples, allocate_ids(Example, len(examples)), strict=True):
        example.pk = pk
    copy_in(Example, examples)
    arrived = (
        Revision(
            example_id=example.pk,
            number=1,
            reason=Revision.Reason.ARRIVED,
            content={**example.content(), "slice": example.slice, "edge": example.edge, "tags": example.tags},
            by_id=data_import.created_by_id,
        )
        for example in examples
    )
    copy_in(Revision, arrived, leave_out=["id"])


def _repeat(data_import: DataImport, line: FileLine, row: ParsedExample, of: Example) -> ImportIssue:
    if of.import_id == data_import.pk:
        reason = f"Repeats line {of.origin_detail.get('line')} of this file."
    else:
        reason = f"Repeats example #{of.pk}, which the project already has."
    return ImportIssue(
        data_import=data_import,
        kind=ImportIssue.Kind.REPEATED,
        line=line.number,
        reason=reason,
        excerpt=excerpt_of(FileLine(line.number, line.end, row.messages[-1]["content"])),
        repeats_id=of.pk,
    )
