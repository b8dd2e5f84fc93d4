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

from annotation.content import arrival_hash, content_hash, group_of_prompt, search_text
from annotation.models import Example, Import, ImportIssue, Revision, Source
from annotation.runner.bulk import allocate_ids, copy_in
from annotation.runner.lines import Issue, Line, Row, excerpt_of, parse_line, read_lines, wrong_format
from annotation.runner.outside import Report, reporting_outside, still_ours, wait_for_turn
from annotation.runner.shapes import KeyNote
from core.audit import record
from core.marks import known_marks
from core.runs import RunContext, RunFailed
from core.storage import storage

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
            found = self.keys.get((note.key, note.what))
            if found is not None:
                found["count"] += 1
            elif len(self.keys) < MOST_KEYS:
                self.keys[note.key, note.what] = {
                    "key": note.key, "what": note.what, "count": 1, "line": line, "says": note.says,
                }  # fmt: skip
            else:
                self.other_keys += 1

    def told(self) -> list[dict[str, Any]]:
        """The keys as Import.keys holds them, the commonest first."""
        told = sorted(self.keys.values(), key=lambda found: (-found["count"], found["line"], found["key"]))
        if self.other_keys:
            says = f"More than {MOST_KEYS} different keys. The others are only counted."
            told.append({"key": "", "what": "ignored", "count": self.other_keys, "line": 0, "says": says})
        return told


class _Refused(Exception):
    """The file as a whole cannot be imported."""

    def __init__(self, tally: Tally, code: str, message: str, advice: str) -> None:
        super().__init__(message)
        self.tally = tally
        self.failure = RunFailed(code, message, advice)


def run(ctx: RunContext) -> None:
    """The runner of kind "import". Its run belongs to one Import, which names the uploaded artifact."""
    batch = Import.objects.select_related("project", "upload", "created_by").get(run=ctx.run)
    if batch.stored_at:
        return  # a worker died after storing and before its report
    with reporting_outside(ctx) as report:
        try:
            with transaction.atomic():
                # One import of a project at a time: the second sees all rows of the first, so repeats are found.
                wait_for_turn(
                    f"annotation.import.{batch.project_id}",
                    report=report,
                    message="Waiting for another import of this project.",
                )
                store(batch, report=report)
                still_ours(ctx.run)
        except _Refused as refused:
            _keep_the_answer(batch, refused.tally)
            raise refused.failure from None


@transaction.atomic
def _keep_the_answer(batch: Import, tally: Tally) -> None:
    ImportIssue.objects.filter(batch=batch).delete()
    copy_in(ImportIssue, tally.first, leave_out=["id"])
    Import.objects.filter(pk=batch.pk).update(lines=tally.lines, rejected=tally.rejected, keys=tally.told())


def store(batch: Import, *, report: Report) -> None:
    """Stores the examples of `batch` inside the caller's transaction and reports progress in bytes.

    Raises _Refused when the file is not UTF-8 JSON Lines or has no usable line; the caller rolls back.
    """
    upload = batch.upload
    tally = Tally()
    with (storage().local_path(upload) / upload.manifest[0]["path"]).open("rb") as file:
        if found := wrong_format(file.read(4096)):
            raise _Refused(tally, *found)
        file.seek(0)
        report(done=0, total=upload.size_bytes, message="Reading the first lines.", now=True)
        _store_lines(batch, file, tally, report)
    if not tally.accepted and not tally.repeated:
        if not tally.lines:
            raise _Refused(tally, "empty", "The file has no lines.", "Choose another file.")
        raise _Refused(tally, "nothing_usable", f"None of the {tally.lines:,} lines can be used.", EXPECTED)
    report(done=upload.size_bytes, message="Finishing.", now=True)
    Import.objects.filter(pk=batch.pk).update(
        lines=tally.lines,
        accepted=tally.accepted,
        repeated=tally.repeated,
        rejected=tally.rejected,
        keys=tally.told(),
        stored_at=timezone.now(),
    )
    record(
        by=batch.created_by,
        project=batch.project,
        verb="import.stored",
        obj=batch,
        accepted=tally.accepted,
        repeated=tally.repeated,
        rejected=tally.rejected,
    )


def _store_lines(batch: Import, file: IO[bytes], tally: Tally, report: Report) -> None:
    needs_completion = batch.destination != Import.Destination.QUEUE
    sources: dict[str, Source] = {}
    waiting: list[tuple[Line, Row]] = []
    marks = known_marks()
    for line in read_lines(file, max_bytes=settings.IMPORT_MAX_LINE_BYTES):
        tally.lines += 1
        parsed = parse_line(line, needs_completion=needs_completion, marks=marks)
        if isinstance(parsed, Row):
            tally.note(line.number, parsed.notes)
            waiting.append((line, parsed))
        else:
            _reject(batch, tally, line, parsed)
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
            _flush(batch, tally, waiting, sources)
            report(
                done=line.end,
                message=f"Line {line.number:,}: {tally.accepted:,} examples, {tally.repeated:,} repeats, "
                f"{tally.rejected:,} bad lines.",
            )
    _flush(batch, tally, waiting, sources)


def _reject(batch: Import, tally: Tally, line: Line, issues: list[Issue]) -> None:
    tally.rejected += 1
    for issue in issues[:ISSUES_A_LINE]:
        _note(
            tally,
            ImportIssue(
                batch=batch,
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


def _flush(batch: Import, tally: Tally, waiting: list[tuple[Line, Row]], sources: dict[str, Source]) -> None:
    """Writes the collected rows and issues, and empties both lists."""
    rows = [(line, row, _arrival_hash(row)) for line, row in waiting]
    for last_try in (False, False, True):
        known = _known(batch, rows)
        fresh = [item for item in _first_of_each(rows) if item[2] not in known]
        examples = [_example(batch, line, row, key, sources) for line, row, key in fresh]
        try:
            with transaction.atomic():
                _copy(batch, examples)
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
            _note(tally, _repeat(batch, line, row, known[key]))
    tally.accepted += len(examples)
    copy_in(ImportIssue, tally.unwritten, leave_out=["id"])
    tally.unwritten.clear()
    waiting.clear()


def _content_hash(row: Row) -> str:
    return content_hash(messages=row.messages, context=row.context, completion=row.completion)


def _arrival_hash(row: Row) -> str:
    return arrival_hash(messages=row.messages, context=row.context, completion=row.completion)


def _known(batch: Import, rows: list[tuple[Line, Row, str]]) -> dict[str, Example]:
    """{arrival hash of a row: the project's example it repeats}, as it was imported or as it is now."""
    own = Example.objects.filter(project=batch.project_id).only(
        "arrival_hash", "content_hash", "batch_id", "origin_detail"
    )
    now = {_content_hash(row): key for _, row, key in rows}
    known = {now[found.content_hash]: found for found in own.filter(content_hash__in=now)}
    arrived = own.filter(arrival_hash__in={key for _, _, key in rows})
    return known | {str(found.arrival_hash): found for found in arrived}


def _first_of_each(rows: list[tuple[Line, Row, str]]) -> list[tuple[Line, Row, str]]:
    first: dict[str, tuple[Line, Row, str]] = {}
    for item in rows:
        first.setdefault(item[2], item)
    return list(first.values())


def _example(batch: Import, line: Line, row: Row, key: str, sources: dict[str, Source]) -> Example:
    source = _source(batch, row, sources)
    pair: dict[str, Any] = {"messages": row.messages, "context": row.context, "completion": row.completion}
    return Example(
        project_id=batch.project_id,
        source=source,
        batch=batch,
        status=batch.destination,
        **pair,
        slice=row.slice,
        edge=row.edge,
        tags=row.tags,
        group=row.group or group_of_prompt(messages=row.messages, context=row.context),
        license=row.license or batch.default_license or (source.license if source else ""),
        external_id=row.external_id,
        origin=Example.Origin.IMPORT,
        origin_detail={"label": _label(batch, line, row), "line": line.number},
        arrival_hash=key,
        content_hash=content_hash(**pair),
        search_text=search_text(**pair),
        created_by_id=batch.created_by_id,
    )


def _label(batch: Import, line: Line, row: Row) -> str:
    label = f"{batch.file_name}, line {line.number}"
    return f"{label}, marked in the file as a bad answer" if row.bad_answer else label


def _source(batch: Import, row: Row, sources: dict[str, Source]) -> Source | None:
    name = row.source or batch.default_source
    if not name:
        return None
    if name not in sources:
        sources[name], _ = Source.objects.get_or_create(
            project=batch.project, name=name, defaults={"license": row.license or batch.default_license}
        )
    return sources[name]


def _copy(batch: Import, examples: list[Example]) -> None:
    for example, pk in zip(examples, allocate_ids(Example, len(examples)), strict=True):
        example.pk = pk
    copy_in(Example, examples)
    arrived = (
        Revision(
            example_id=example.pk,
            number=1,
            reason=Revision.Reason.ARRIVED,
            content={**example.content(), "slice": example.slice, "edge": example.edge, "tags": example.tags},
            by_id=batch.created_by_id,
        )
        for example in examples
    )
    copy_in(Revision, arrived, leave_out=["id"])


def _repeat(batch: Import, line: Line, row: Row, of: Example) -> ImportIssue:
    if of.batch_id == batch.pk:
        reason = f"Repeats line {of.origin_detail.get('line')} of this file."
    else:
        reason = f"Repeats example #{of.pk}, which the project already has."
    return ImportIssue(
        batch=batch,
        kind=ImportIssue.Kind.REPEATED,
        line=line.number,
        reason=reason,
        excerpt=excerpt_of(Line(line.number, line.end, row.messages[-1]["content"])),
        repeats_id=of.pk,
    )
