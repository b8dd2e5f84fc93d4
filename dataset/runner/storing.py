"""Stores prepared rows as examples with their first revision, by COPY, in the caller's transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from annotation.models import Example, Revision
from dataset.models import DataImport, ImportIssue, Source
from dataset.runner.bulk import allocate_ids, as_array, copy_in, copy_text, quoted
from dataset.runner.preparing import PreparedRow
from dataset.runner.tally import Tally

_COLUMNS = (
    "id", "project_id", "source", "import_id", "status", "messages", "context", "completion", "rejected", "slice", "edge", "tags",
    "group", "license", "external_id", "origin", "origin_detail", "arrival_hash", "content_hash", "revision",
    "created_by_id", "waiting_since", "created_at", "changed_at",
)  # fmt: skip
# Lists of ids and hashes travel as one text: psycopg writes an array of a thousand values element by element.
# The first revision is made of the example inside the database: its text does not travel twice.
_REVISIONS = """
INSERT INTO annotation_revision (example_id, number, reason, content, note, by_id, at)
SELECT id, 1, %s, jsonb_build_object('messages', messages, 'context', context, 'completion', completion,
                                     'slice', slice, 'edge', edge, 'tags', tags), '', created_by_id, created_at
FROM annotation_example WHERE import_id = %s AND id = ANY(string_to_array(%s, ',')::bigint[])
"""
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
    """While rows are stored, in the caller's transaction: every search goes through an index. Constraints are checked with each
    batch, while the next one is read, and not all at the end."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("; ".join(f"SET LOCAL enable_{plan} = off" for plan in _WHOLE_PLANS))
    yield
    with connection.cursor() as cursor:
        cursor.execute("; ".join(f"SET LOCAL enable_{plan} = on" for plan in _WHOLE_PLANS))


@dataclass(frozen=True)
class RepeatedExample:
    """An example of the project that a row repeats; `line` is its line when this import added it."""

    pk: int | None
    line: str | None


@dataclass
class Store:
    """Where the rows of one import go. `sources` are those of the project by name; `slices` is the present name of each slice on its
    list, also for old names."""

    data_import: DataImport
    tally: Tally
    sources: dict[str, Source] = field(default_factory=dict)
    slices: dict[str, str] = field(default_factory=dict)

    def add(self, rows: list[PreparedRow]) -> None:
        """Stores the rows that the project does not have, and notes the others as repeats."""
        for last_try in (False, False, True):
            known = self.known(rows)
            fresh = [row for row in first_of_each(rows) if row.arrival not in known]
            try:
                with transaction.atomic():
                    ids = self._copy(fresh)
                break
            except IntegrityError:
                # Somebody wrote one of these examples by hand between the query and the copy; query again.
                if last_try:
                    raise
        taken = {id(row) for row in fresh}
        known |= {
            row.arrival: RepeatedExample(pk, str(row.line.number)) for row, pk in zip(fresh, ids, strict=True)
        }
        for row in rows:
            if id(row) not in taken:
                self._note_repeat(row, known[row.arrival])
        self.tally.accepted += len(fresh)
        self.write_issues()

    def write_issues(self) -> None:
        copy_in(ImportIssue, self.tally.unwritten, leave_out=["id"])
        self.tally.unwritten.clear()

    def known(self, rows: list[PreparedRow]) -> dict[str, RepeatedExample]:
        """{arrival hash of a row: the project's example it repeats}, as it was imported or as it is now."""
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

    def _copy(self, rows: list[PreparedRow]) -> list[int]:
        ids = allocate_ids(Example, len(rows))
        now = timezone.now().isoformat()
        copy_text(Example, _COLUMNS, (self._cells(pk, row, now) for pk, row in zip(ids, rows, strict=True)))
        with connection.cursor() as cursor:
            cursor.execute(
                _REVISIONS, [Revision.Reason.ARRIVED, self.data_import.pk, ",".join(map(str, ids))]
            )
        return ids

    def _cells(self, pk: int, row: PreparedRow, now: str) -> tuple[str | None, ...]:
        """One example as texts, in the order of _COLUMNS."""
        example = row.example
        source = self._source(row)
        by = self.data_import.created_by_id
        license_name = (
            example.license or self.data_import.default_license or (source.license if source else "")
        )
        return (
            str(pk), str(self.data_import.project_id), source.name if source else None, str(self.data_import.pk),
            self.data_import.destination, _chat_json(example.messages), _texts_json(example.context), example.completion,
            example.rejected, self.slices.get(example.slice, example.slice), example.edge, as_array(example.tags), row.group, license_name, example.external_id,
            Example.Origin.IMPORT.value, self._origin(row), row.arrival, row.content,
            "1", None if by is None else str(by), now, now, now,
        )  # fmt: skip

    def _origin(self, row: PreparedRow) -> str:
        return f'{{"label":{quoted(self._label(row))},"line":{row.line.number}}}'

    def _label(self, row: PreparedRow) -> str:
        part = f", {row.line.part}" if row.line.part else ""
        label = f"{self.data_import.file_name}{part}, line {row.line.number}"
        return f"{label}, marked in the file as a bad answer" if row.example.bad_answer else label

    def _source(self, row: PreparedRow) -> Source | None:
        name = row.example.source or self.data_import.default_source
        if not name:
            return None
        if name not in self.sources:
            self.sources[name], _ = Source.objects.get_or_create(
                project=self.data_import.project,
                name=name,
                defaults={"license": row.example.license or self.data_import.default_license},
            )
        return self.sources[name]


def first_of_each(rows: list[PreparedRow]) -> list[PreparedRow]:
    """The rows without those that repeat an earlier one of the same list."""
    first: dict[str, PreparedRow] = {}
    for row in rows:
        first.setdefault(row.arrival, row)
    return list(first.values())


def _texts_json(texts: list[str]) -> str:
    return f"[{','.join(map(quoted, texts))}]"


def _chat_json(messages: list[dict[str, str]]) -> str:
    turns = (f'{{"role":"{turn["role"]}","content":{quoted(turn["content"])}}}' for turn in messages)
    return f"[{','.join(turns)}]"
