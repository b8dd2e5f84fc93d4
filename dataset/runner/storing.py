"""Stores prepared rows as examples with their first revision, by COPY, in the caller's transaction."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from annotation.models import Example, Revision
from core.database.constraints import checked_at_once
from dataset.models import DataImport, ImportIssue, Source
from dataset.runner.bulk import as_array, as_json, cell, copy_in, copy_text
from dataset.runner.preparing import PreparedBatch, PreparedRow
from dataset.runner.received import ReceivedRows
from dataset.runner.tally import Tally

# The first columns are those that the row alone does not say, and then those of `RowText.copied`.
_COLUMNS = (
    "source", "license",
    "project_id", "import_id", "status", "origin", "revision", "created_by_id", "waiting_since", "created_at", "changed_at",
    "messages", "context", "completion", "rejected", "slice", "edge", "tags", "group", "external_id", "origin_detail",
    "arrival_hash", "content_hash", "prompt_hash",
)  # fmt: skip
# The first revision is made of the example inside the database: its text does not travel twice.
_REVISIONS = """
INSERT INTO annotation_revision (example_id, number, reason, content, note, by_id, at)
SELECT id, 1, %s, jsonb_build_object('messages', messages, 'context', context, 'completion', completion,
                                     'slice', slice, 'edge', edge, 'tags', tags), '', created_by_id, created_at
FROM annotation_example WHERE import_id = %s AND id > %s
"""
_NEWEST = "SELECT coalesce(max(id), 0) FROM annotation_example WHERE import_id = %s"
# One search in an index for each row. "+ 0" hides the project from the planner: where its statistics are older than the import, an
# index of the whole project looks as good as that of the hash, and would be read for every row. OFFSET 0 keeps it from joining all
# rows of the project with the list.
_KNOWN = """
SELECT e.* FROM unnest(string_to_array(%(arrivals)s, ',')) AS arrival, LATERAL (
    SELECT id, arrival_hash, content_hash, import_id, origin_detail ->> 'line' FROM annotation_example
    WHERE project_id + 0 = %(project)s AND arrival_hash = arrival OFFSET 0
) AS e
UNION ALL
SELECT e.* FROM unnest(string_to_array(%(contents)s, ',')) AS content, LATERAL (
    SELECT id, arrival_hash, content_hash, import_id, origin_detail ->> 'line' FROM annotation_example
    WHERE project_id + 0 = %(project)s AND content_hash = content OFFSET 0
) AS e
"""


# Plans that read a whole table or project. The tables grow during the import, and PostgreSQL's statistics are those of before:
# such a plan, also of its checks of foreign keys, would be used for every row.
_WHOLE_PLANS = ("seqscan", "bitmapscan")


@contextmanager
def planned_for_growth() -> Iterator[None]:
    """While rows are stored, in the caller's transaction: every search goes through an index, and constraints are checked with each
    batch, while the next one is read."""
    with connection.cursor() as cursor:
        cursor.execute("; ".join(f"SET LOCAL enable_{plan} = off" for plan in _WHOLE_PLANS))
    with checked_at_once():
        yield
    with connection.cursor() as cursor:
        cursor.execute("; ".join(f"SET LOCAL enable_{plan} = on" for plan in _WHOLE_PLANS))


# Rows whose hashes are remembered, about 75 bytes each; after that, the database is asked for every row.
_MOST_REMEMBERED = 400_000


class RowText:
    """The rows of one import as lines for COPY. `slices` is the present name of each slice on the project's list, also for old names."""

    def __init__(self, data_import: DataImport, slices: Mapping[str, str]) -> None:
        self.file_name, self.slices = data_import.file_name, slices
        by, now = data_import.created_by_id, timezone.now().isoformat()
        same = (
            str(data_import.project_id), str(data_import.pk), data_import.destination, Example.Origin.IMPORT.value, "1",
            None if by is None else str(by), now, now, now,
        )  # fmt: skip
        self._same = "\t".join(map(cell, same))

    def copied(self, row: PreparedRow) -> str:
        """All columns but the source and the license, whose texts the project's sources decide."""
        example = row.example
        texts = (
            as_json(example.messages), as_json(example.context), example.completion, example.rejected,
            self.slices.get(example.slice, example.slice),
            example.edge, as_array(example.tags), row.group, example.external_id,
            as_json({"label": self._label(row), "line": row.line.number}),
        )  # fmt: skip
        return "\t".join((self._same, *map(cell, texts), row.arrival, row.content, row.prompt))

    def _label(self, row: PreparedRow) -> str:
        part = f", {row.line.part}" if row.line.part else ""
        label = f"{self.file_name}{part}, line {row.line.number}"
        return f"{label}, marked in the file as a bad answer" if row.example.bad_answer else label


@dataclass(frozen=True)
class RepeatedExample:
    """An example of the project that a row repeats; `line` is its line when this import added it."""

    pk: int | None
    line: str | None


@dataclass
class Store:
    """Where the rows of one import go. `sources` are those of the project by name.

    While the project had no example before, only rows whose hash came before in the file can be repeats: the others are not looked up.
    """

    data_import: DataImport
    tally: Tally
    sources: dict[str, Source] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._all_new = not Example.objects.filter(project=self.data_import.project_id).exists()
        self._seen: set[int] = set()  # PreparedBatch.shorts of the rows so far
        # {(source, license) of a row: its first two columns}; as many as the file has sources and licenses.
        self._begins: dict[tuple[str, str], str] = {}

    def add(self, batch: PreparedBatch) -> None:
        """Stores the rows that the project does not have, and notes the others as repeats."""
        if not (self._are_new(batch) and self._add_all(batch.good)):
            self._add_new(list(batch.good))
        self._remember(batch)
        self.write_issues()

    def _add_all(self, rows: Sequence[PreparedRow]) -> bool:
        """Stores rows of which none is known. False, and nothing is stored, when somebody wrote one of them by hand meanwhile."""
        try:
            with transaction.atomic():
                self._copy(rows)
        except IntegrityError:
            self._all_new = False
            return False
        self.tally.accepted += len(rows)
        return True

    def _add_new(self, rows: list[PreparedRow]) -> None:
        for last_try in (False, False, True):
            known = self.known(rows)
            fresh = [row for row in first_of_each(rows) if row.arrival not in known]
            try:
                with transaction.atomic():
                    self._copy(fresh)
                break
            except IntegrityError:
                # Somebody wrote one of these examples by hand between the query and the copy; query again.
                self._all_new = False
                if last_try:
                    raise
        self._note_repeats(rows, fresh, known)
        self.tally.accepted += len(fresh)

    def _are_new(self, batch: PreparedBatch) -> bool:
        """Whether no row can be a repeat: the project was empty, and neither batch nor file had any of the hashes before."""
        return (
            self._all_new
            and self._seen.isdisjoint(batch.shorts)
            and len(set(batch.shorts)) == len(batch.shorts)
        )

    def _remember(self, batch: PreparedBatch) -> None:
        if not self._all_new:
            return
        self._seen.update(batch.shorts)
        if len(self._seen) > _MOST_REMEMBERED:
            self._all_new = False
            self._seen.clear()

    def _note_repeats(
        self, rows: list[PreparedRow], fresh: list[PreparedRow], known: dict[str, RepeatedExample]
    ) -> None:
        if len(fresh) == len(rows):
            return
        taken = {id(row) for row in fresh}
        repeats = [row for row in rows if id(row) not in taken]
        known = known | self.known([row for row in repeats if row.arrival not in known])
        for row in repeats:
            self._note_repeat(row, known[row.arrival])

    def write_issues(self) -> None:
        copy_in(ImportIssue, self.tally.unwritten, leave_out=["id"])
        self.tally.unwritten.clear()

    def known(self, rows: Sequence[PreparedRow]) -> dict[str, RepeatedExample]:
        """{arrival hash of a row: the project's example it repeats}, as it was imported or as it is now."""
        if not rows:
            return {}
        by_content = {row.content: row.arrival for row in rows}
        arrivals = {row.arrival for row in rows}
        values: dict[str, int | str] = {
            "project": self.data_import.project_id,
            "arrivals": ",".join(arrivals),
            "contents": ",".join(by_content),
        }
        known: dict[str, RepeatedExample] = {}
        with connection.cursor() as cursor:
            cursor.execute(_KNOWN, values)
            for pk, arrival, content, import_id, line in cursor.fetchall():
                example = RepeatedExample(pk, line if import_id == self.data_import.pk else None)
                if content in by_content:
                    known.setdefault(by_content[content], example)
                if arrival in arrivals:
                    known[arrival] = example
        return known

    def _note_repeat(self, row: PreparedRow, of: RepeatedExample) -> None:
        if of.line is not None:
            reason = f"Repeats line {of.line} of this file."
        else:
            reason = f"Repeats example #{of.pk}, which the project already has."
        self.tally.repeat(row.line, row.example, reason, of.pk)

    def _copy(self, rows: Sequence[PreparedRow]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_NEWEST, [self.data_import.pk])
            before = cursor.fetchone()[0]
            copy_text(Example, _COLUMNS, self._lines(rows))
            cursor.execute(_REVISIONS, [Revision.Reason.ARRIVED, self.data_import.pk, before])

    def _lines(self, rows: Sequence[PreparedRow]) -> Iterator[str]:
        columns = (
            rows.copied()
            if isinstance(rows, ReceivedRows)
            else ((row.example.source, row.example.license, row.copied) for row in rows)
        )
        for source, license_name, copied in columns:
            begin = self._begins.get((source, license_name))
            if begin is None:
                begin = self._begins[source, license_name] = self._begin(source, license_name)
            yield begin + copied

    def _begin(self, source_name: str, license_name: str) -> str:
        """The columns source and license of rows that have these."""
        source = self._source(source_name, license_name)
        stored = (
            license_name or self.data_import.default_license or (source.license if source is not None else "")
        )
        return f"{cell(source.name if source is not None else None)}\t{cell(stored)}\t"

    def _source(self, source_name: str, license_name: str) -> Source | None:
        name = source_name or self.data_import.default_source
        if not name:
            return None
        if name not in self.sources:
            self.sources[name], _ = Source.objects.get_or_create(
                project=self.data_import.project,
                name=name,
                defaults={"license": license_name or self.data_import.default_license},
            )
        return self.sources[name]


def first_of_each(rows: Sequence[PreparedRow]) -> list[PreparedRow]:
    """The rows without those that repeat an earlier one of the same list."""
    first: dict[str, PreparedRow] = {}
    for row in rows:
        first.setdefault(row.arrival, row)
    return list(first.values())
