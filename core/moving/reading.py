"""Imports an archive in one transaction: everything is checked first, then every row gets a new number and is stored as it was.

Rows go from the file to PostgreSQL in batches, and PostgreSQL itself reads their JSON: each type of column comes back as
it was written, times and hashes included.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import DataError, IntegrityError, connection, transaction
from django.utils import timezone

from core.audit.actions import CoreAction
from core.audit.entries import record
from core.database.statistics import analyze
from core.errors import Conflict, StorageFull
from core.models import Artifact, Membership, Project, Role, Run, User
from core.moving import people
from core.moving.container import Container
from core.moving.errors import BadArchive
from core.moving.fields import RowCheck
from core.moving.files import LABEL as ARTIFACT
from core.moving.files import ArchivedFiles
from core.moving.ids import Ids, renumbered
from core.moving.manifest import RowsFile
from core.moving.parts import Part, Row, finishers, part_of
from core.runs.kinds import kind_of
from core.runs.outside import Report
from core.storage import storage
from core.wording import filesize

BATCH_ROWS = 1000
BATCH_BYTES = 4 * 1024 * 1024
# Artifacts and base models, which are held in memory.
MOST_FEW = 100_000
# Of tables with more new rows the planner must know.
_ANALYSE_FROM = 1000
_NEWER = "Bring this installation up to date, then import it again."


@dataclass
class ImportedProject:
    """What an import brought. `created` are new accounts, `known` is the number of people who had one, `missing` the number of
    artifacts without files."""

    project: Project
    rows: int = 0
    created: list[User] = field(default_factory=list)
    known: int = 0
    missing: int = 0

    def as_json(self) -> dict[str, Any]:
        new = [{"name": user.name, "email": user.email} for user in self.created]
        return {"rows": self.rows, "people": new, "known": self.known, "missing": self.missing}


def import_archive(container: Container, *, slug: str, by: User | None, report: Report) -> ImportedProject:
    """Imports the project as /p/<slug>/, inside the caller's transaction or its own. `by` becomes an admin of it.

    Raises BadArchive for everything that is wrong with the archive, and Conflict when the address is taken. Nothing is stored then:
    no row, and no file that was not there before.
    """
    if Project.objects.filter(slug__iexact=slug).exists():
        raise taken(slug)
    reader = _Reader(container, slug, by, report)
    try:
        with transaction.atomic():
            return reader.read()
    except BaseException as error:
        # Inside a transaction of a test the rows are still there; the files are taken out all the same.
        for artifact in reader.placed:
            if not Artifact.objects.filter(key=artifact.key).exists():
                storage().remove(artifact)
        if isinstance(error, IntegrityError) and "project_slug" in str(error):
            raise taken(slug) from None
        if isinstance(error, (DataError, IntegrityError)):
            raise BadArchive(
                f"The archive has rows that the database refuses: {_first_line(error)}"
            ) from error
        raise


def taken(slug: str) -> Conflict:
    return Conflict(
        f"There is already a project at /p/{slug}/.", "Give the imported project another address."
    )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200].rstrip(".") + "."


class _Reader:
    """One import. It is the `Arrival` that parts get."""

    def __init__(self, container: Container, slug: str, by: User | None, report: Report) -> None:
        self._container, self._slug, self._by, self._report = container, slug, by, report
        manifest = container.manifest
        self._given = [(_known_part(rows), rows) for rows in manifest.rows if rows.part != people.LABEL]
        self._few: dict[str, list[Row]] = {}
        self._reused: dict[str, set[int]] = {}
        self._project_id = 0
        self._done = 0
        # Everything is read once to check it, rows twice more, files once.
        self._total = manifest.total_bytes + sum(rows.size for rows in manifest.rows) + manifest.total_bytes
        self.old_slug = manifest.slug
        self.missing: set[int] = set()
        self.placed: list[Artifact] = []

    @property
    def project(self) -> Project:
        """The imported project; only once its row is stored."""
        return Project.objects.get(pk=self._project_id)

    def failed_run(self, *, kind: str, title: str, message: str, advice: str) -> int:
        """A background job of the project that has failed and can be started again; gives its primary key."""
        run = Run.objects.create(
            project_id=self._project_id,
            kind=kind,
            title=title[:200],
            queue=kind_of(kind).queue,
            status=Run.Status.FAILED,
            message="Failed.",
            error_code="not_in_archive",
            error_message=message,
            error_advice=advice,
            created_by=self._by,
            finished_at=timezone.now(),
        )
        return run.pk

    # --- the steps, in their order ---------------------------------------------------------------------------

    def read(self) -> ImportedProject:
        self._must_fit()
        self._container.verify(lambda size: self._move(size, "Checking the archive."))
        self._ids = Ids((self.old_slug, self._slug))
        persons = people.checked(row for _, row in self._lines(people.LABEL))
        for part, rows in self._given:
            self._number(part, rows)
        self._ids.settle()
        self._ids.few[people.LABEL], created = people.bring(persons)
        self._bring_files()
        for part, _ in self._given:
            if part.reuse is not None:
                self._find(part)
        self._project_id = self._number_of("core.Project")
        for part, rows in self._given:
            if part.label != ARTIFACT:
                self._store(part, rows)
        result = ImportedProject(self.project, self._container.manifest.total_rows, created)
        result.known, result.missing = len(persons) - len(created), len(self.missing)
        self._finish(result)
        return result

    def _must_fit(self) -> None:
        """The disk has room for the files: twice, as they are unpacked before they are stored."""
        needed = 2 * sum(file.size for file in self._container.manifest.files)
        free = shutil.disk_usage(settings.STATE_DIR).free
        if needed > free:
            raise StorageFull(
                f"The files of the archive need {filesize(needed)} on the disk, and {filesize(free)} are free.",
                "Ask the operator to make space, then try again.",
            )

    def _number(self, part: Part, rows: RowsFile) -> None:
        """Checks every row of a part and gives each a new number."""
        check, message = RowCheck(part, set(rows.columns)), f"Checking {rows.rows:,} {part.noun}."
        few = part.label in (ARTIFACT, "core.Project") or part.reuse is not None
        if (few and rows.rows > MOST_FEW) or (part.label == "core.Project" and rows.rows != 1):
            raise BadArchive(f"The archive has {rows.rows:,} {part.noun}.")
        for first, batch in _batches(self._lines(part.label)):
            for number, row in enumerate(batch, first):
                if wrong := check.wrong(row):
                    raise BadArchive(
                        f"Row {number:,} of the {part.noun} in the archive cannot be imported: {wrong}."
                    )
            self._ids.number(part, [row["id"] for row in batch])
            self._rename(part, batch)
            if few:
                self._few.setdefault(part.label, []).extend(batch)
            self._say(message)
        self._move(rows.size, message)

    def _rename(self, part: Part, rows: list[Row]) -> None:
        """Another value for each text that must be unique and is in use here."""
        for column, another in part.fresh.items():
            wanted = [row[column] for row in rows if isinstance(row[column], str)]
            used = part.model._default_manager.filter(**{f"{column}__in": wanted})
            self._ids.rename({str(old): another(str(old)) for old in used.values_list(column, flat=True)})

    def _bring_files(self) -> None:
        files = ArchivedFiles(
            self._container, self._ids, lambda size: self._move(size, "Storing files."), self.placed
        )
        self._ids.few[ARTIFACT] = files.bring(self._few.get(ARTIFACT, []))
        self.missing = files.missing

    def _number_of(self, label: str) -> int:
        (row,) = self._few.get(label) or [{"id": -1}]
        found = self._ids.answer(lambda new: new.id(label, row["id"])).id(label, row["id"])
        if found is None:
            raise BadArchive("The archive has no project.")
        return found

    def _find(self, part: Part) -> None:
        """Rows of this installation that are the same as some of the archive."""
        assert part.reuse is not None
        rows = self._few.get(part.label, [])
        known = self._ids.answer(lambda new: [renumbered(part, row, new) for row in rows])
        found = {row["id"]: part.reuse(renumbered(part, row, known)) for row in rows}
        self._reused[part.label] = {old for old, here in found.items() if here is not None}
        self._ids.few[part.label] = {
            old: here if here is not None else known.id(part.label, old) or 0 for old, here in found.items()
        }

    def _store(self, part: Part, rows: RowsFile) -> None:
        reused, message = self._reused.get(part.label, set()), f"Storing {rows.rows:,} {part.noun}."
        check = RowCheck(part, set(rows.columns))
        for _, batch in _batches(self._lines(part.label)):
            for row in batch:
                check.complete(row)
            kept = [part.settled(row) for row in batch if row["id"] not in reused]
            moved = self._renumbered(part, kept)
            for row in moved:
                if part.label == "core.Project":
                    row["slug"] = self._slug
                if part.arrive is not None:
                    part.arrive(row, self)
            _insert(part, moved)
            self._say(message)
        if rows.rows >= _ANALYSE_FROM:
            transaction.on_commit(lambda: analyze(part.model))
        self._move(rows.size, message)

    def _renumbered(self, part: Part, rows: list[Row]) -> list[Row]:
        known = self._ids.answer(lambda new: [renumbered(part, row, new) for row in rows])
        return [renumbered(part, row, known) for row in rows]

    def _finish(self, result: ImportedProject) -> None:
        """The checks of other apps, an admin, the audit; then every constraint of the database."""
        for finish in finishers():
            finish(self)
        for user in result.created:
            record(by=self._by, project=result.project, action=CoreAction.PERSON_CREATED, obj=user)
        if self._by is not None:
            _make_admin(result.project, self._by)
        manifest = self._container.manifest
        record(
            by=self._by,
            project=result.project,
            action=CoreAction.PROJECT_IMPORTED,
            obj=result.project,
            archive=manifest.id,
            made_by=manifest.by,
            made_at=manifest.created_at,
            was=manifest.slug,
            rows=result.rows,
            new_accounts=[user.email for user in result.created],
        )
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")

    # --- reading and reporting ---------------------------------------------------------------------------------

    def _lines(self, label: str) -> Iterator[tuple[int, Any]]:
        rows = next((rows for rows in self._container.manifest.rows if rows.part == label), None)
        return self._container.rows(rows) if rows is not None else iter(())

    def _move(self, size: int, message: str) -> None:
        self._done += size
        self._say(message)

    def _say(self, message: str) -> None:
        self._report(done=min(self._done, self._total), total=self._total, message=message)


def _known_part(rows: RowsFile) -> Part:
    """The part of a file of rows. BadArchive when this version does not know it, or its columns."""
    part = part_of(rows.part)
    if part is None:
        raise BadArchive(f"The archive has {rows.part[:80]}, which this version does not know.", _NEWER)
    check = RowCheck(part, set(rows.columns))
    if check.unknown:
        raise BadArchive(
            f"The archive has {check.unknown[0][:60]} of {part.noun}, which this version does not know.",
            _NEWER,
        )
    if check.missing:
        raise BadArchive(f"The archive has no {check.missing[0]} of {part.noun}.")
    return part


def _batches(rows: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, list[Any]]]:
    """(number of its first row, rows): at most BATCH_ROWS, and fewer where they are long."""
    first, batch, size = 1, [], 0
    for length, row in rows:
        batch.append(row)
        size += length
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield first, batch
            first, batch, size = first + len(batch), [], 0
    if batch:
        yield first, batch


def _insert(part: Part, rows: list[Row]) -> None:
    if not rows:
        return
    quote = connection.ops.quote_name
    table, columns = quote(part.model._meta.db_table), [quote(name) for name in part.columns]
    sql = (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(f'r.{name}' for name in columns)} "  # noqa: S608 - names of models
        f"FROM string_to_table(%s, E'\\n') AS given (line), json_populate_record(NULL::{table}, given.line::json) AS r"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, ["\n".join(json.dumps(row, ensure_ascii=False) for row in rows)])


def _make_admin(project: Project, user: User) -> None:
    """The person who imports a project can open it and manage its people."""
    membership, created = Membership.objects.get_or_create(
        project=project, user=user, defaults={"roles": [Role.ADMIN]}
    )
    if created:
        record(by=user, project=project, action=CoreAction.MEMBER_ADDED, obj=user, roles=[Role.ADMIN])
    elif Role.ADMIN not in membership.roles:
        # A partner holds no other role.
        old = membership.roles
        membership.roles = [*(role for role in old if role != Role.PARTNER), Role.ADMIN]
        membership.save(update_fields=["roles"])
        record(
            by=user,
            project=project,
            action=CoreAction.MEMBER_CHANGED,
            obj=user,
            roles=[old, membership.roles],
        )
