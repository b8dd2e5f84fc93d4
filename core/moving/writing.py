"""Makes the archive of a project: one zip, written row by row from one snapshot of the database."""

import hashlib
import json
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from core.models import Artifact, Project, User
from core.moving import people
from core.moving.files import comes_along
from core.moving.manifest import NAME, Manifest, RowsFile, StoredFile, file_path, is_safe_path, rows_path
from core.moving.parts import Part, left_out, parts
from core.runs.context import RunFailed
from core.runs.outside import Report
from core.storage import storage
from core.storage.base import pieces_of
from core.wording import counted, filesize

BATCH = 1000


@contextmanager
def snapshot() -> Iterator[None]:
    """A read-only transaction in which all queries see the same moment. Inside another transaction (of a test) it changes nothing."""
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def write_archive(
    project: Project, path: Path, *, with_weights: bool, by: User | None, report: Report
) -> Manifest:
    """Writes the archive of a project to `path` and returns its list of contents. Memory does not grow with the project.

    Raises RunFailed when a file of the project is missing or damaged, or when its rows refer to rows of another project.
    """
    with snapshot(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        return _Writer(project, archive, with_weights, by, report).write()


class Contents:
    """Which rows belong to a project: its own, and those that they refer to."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._found: dict[str, set[int]] = {}

    def rows(self, part: Part) -> QuerySet[Any]:
        if part.within:
            return part.rows(self._project)
        if part.model is Project:
            return Project.objects.filter(pk=self._project.pk)
        return part.model._default_manager.filter(pk__in=self.referred(part.label)).order_by("pk")

    def referred(self, label: str) -> set[int]:
        """The primary keys of the rows of `label` that other rows of the project refer to."""
        if label not in self._found:
            self._found[label] = set()  # a table that refers to itself
            self._found[label] = {
                number
                for part in parts()
                for column, target in part.targets.items()
                if target == label and column not in part.reset
                for number in self._values(part, column)
            }
        return self._found[label]

    def _values(self, part: Part, column: str) -> set[int]:
        rows = self.rows(part).exclude(**{column: None})
        return set(rows.order_by().values_list(column, flat=True).distinct())

    def artifacts(self) -> QuerySet[Artifact]:
        return Artifact.objects.filter(pk__in=self.referred("core.Artifact")).order_by("pk")

    def people(self) -> QuerySet[User]:
        return User.objects.filter(pk__in=self.referred("core.User")).order_by("pk")

    def dangling(self) -> str:
        """Rows that refer to rows which do not come along, in words; empty when there are none."""
        known = {part.label: part for part in parts() if part.within}
        for part in parts():
            for column, label in part.targets.items():
                if label not in known or column in part.reset:
                    continue
                # NOT EXISTS, which PostgreSQL joins; it would compare NOT IN of a million rows one by one.
                there = self.rows(known[label]).order_by().filter(pk=OuterRef(column))
                if self.rows(part).exclude(**{column: None}).order_by().filter(~Exists(there)).exists():
                    return f"Some {part.noun} refer to {known[label].noun} that are not part of the project."
        return ""


class _Writer:
    def __init__(
        self, project: Project, archive: zipfile.ZipFile, with_weights: bool, by: User | None, report: Report
    ) -> None:
        self._project, self._zip, self._by, self._report = project, archive, by, report
        self._with_weights = with_weights
        self._contents = Contents(project)
        self._rows: list[RowsFile] = []
        self._files: list[StoredFile] = []
        self._done = self._total = 0

    def write(self) -> Manifest:
        if dangling := self._contents.dangling():
            raise RunFailed("not_consistent", dangling, "Show this to the operator.")
        artifacts = [
            artifact
            for artifact in self._contents.artifacts()
            if comes_along(artifact.kind, with_weights=self._with_weights)
        ]
        # The bar counts bytes of files, and a thousand bytes for each row.
        rows = {part.label: self._contents.rows(part).count() for part in parts()}
        self._total = 1000 * sum(rows.values()) + sum(artifact.size_bytes for artifact in artifacts)
        self._people()
        for part in parts():
            self._say(f"Writing {counted(rows[part.label], 'row')} of {part.noun}.", now=True)
            self._part(part)
        for artifact in artifacts:
            self._artifact(artifact)
        manifest = self._manifest()
        self._zip.writestr(NAME, json.dumps(manifest.as_json(), ensure_ascii=False, indent=1))
        return manifest

    def _say(self, message: str, *, now: bool = False) -> None:
        self._report(done=min(self._done, self._total), total=self._total, message=message, now=now)

    def _people(self) -> None:
        rows = (json.dumps(people.row_of(user), ensure_ascii=False) for user in self._contents.people())
        self._lines(people.LABEL, people.COLUMNS, rows)

    def _part(self, part: Part) -> None:
        def lines() -> Iterator[str]:
            for number, line in enumerate(self._json_rows(part), 1):
                yield line
                self._done += 1000
                if number % BATCH == 0:
                    self._say(f"Wrote {number:,} {part.noun}.")

        self._lines(part.label, list(part.columns), lines())

    def _json_rows(self, part: Part) -> Iterator[str]:
        """The rows as PostgreSQL writes them in JSON: every type of column then comes back as it was."""
        try:
            sql, params = self._contents.rows(part).values_list(*part.columns).query.sql_with_params()
        except EmptyResultSet:  # nothing refers to such a row
            return
        changes = part.settle is not None or part.reset
        with connection.chunked_cursor() as cursor:
            cursor.execute(f"SELECT row_to_json(r)::text FROM ({sql}) AS r", params)  # noqa: S608 - Django's own query
            while batch := cursor.fetchmany(BATCH):
                for (line,) in batch:
                    yield json.dumps(part.settled(json.loads(line)), ensure_ascii=False) if changes else line

    def _lines(self, label: str, columns: list[str], lines: Iterator[str]) -> None:
        name, sha, count, size = rows_path(label), hashlib.sha256(), 0, 0
        with self._zip.open(_info(name), "w", force_zip64=True) as file:
            for line in lines:
                data = f"{line}\n".encode()
                file.write(data)
                sha.update(data)
                count, size = count + 1, size + len(data)
        self._rows.append(RowsFile(label, name, count, size, sha.hexdigest(), columns))

    def _artifact(self, artifact: Artifact) -> None:
        root = storage().local_path(artifact)
        for entry in artifact.manifest:
            self._say(f"Adding {artifact.get_kind_display().lower()} {artifact.sha256[:12]}.")
            self._file(root / entry["path"], artifact, entry)

    def _file(self, source: Path, artifact: Artifact, entry: dict[str, Any]) -> None:
        name, sha = file_path(artifact.kind, artifact.sha256, entry["path"]), hashlib.sha256()
        if not source.is_file() or not is_safe_path(entry["path"]):
            raise _damaged(artifact, entry)
        stored = artifact.kind == Artifact.Kind.MODEL  # weights do not compress
        with self._zip.open(_info(name, stored=stored), "w", force_zip64=True) as file:
            for piece in pieces_of(source):
                file.write(piece)
                sha.update(piece)
                self._done += len(piece)
                self._say(f"Adding {filesize(entry['size'])} of {artifact.get_kind_display().lower()}.")
        if sha.hexdigest() != entry["sha256"]:
            raise _damaged(artifact, entry)
        self._files.append(StoredFile(name, entry["size"], entry["sha256"]))

    def _manifest(self) -> Manifest:
        out = [{"what": one.words, "why": one.why} for one in left_out() if one.words]
        if not self._with_weights:
            out.insert(0, {"what": "Files of models", "why": "The archive was made without weights."})
        return Manifest(
            id=str(uuid.uuid4()),
            program=program_version(),
            created_at=timezone.now().isoformat(),
            by=f"{self._by.name} <{self._by.email}>" if self._by else "",
            slug=self._project.slug,
            name=self._project.name,
            with_weights=self._with_weights,
            rows=self._rows,
            files=self._files,
            left_out=out,
        )


def _damaged(artifact: Artifact, entry: dict[str, Any]) -> RunFailed:
    return RunFailed(
        "file_damaged",
        f"A file of the project is missing or damaged in the store: {artifact.key}/{entry['path']}.",
        "Restore it from a backup, then make the archive again."
        + (" Or make one without weights." if artifact.kind == Artifact.Kind.MODEL else ""),
    )


def _info(name: str, *, stored: bool = False) -> zipfile.ZipInfo:
    # A fixed date: the archive says itself when it was made.
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    return info


def program_version() -> str:
    """This program's version, if it is known."""
    try:
        return version("guildhall")
    except PackageNotFoundError:
        return ""


def estimated_bytes(project: Project, *, with_weights: bool) -> int:
    """About how large an archive is: the files exactly, the rows as the database's planner estimates them (nothing is counted).

    Rows take about a third of that in the archive.
    """
    contents = Contents(project)
    files = sum(
        artifact.size_bytes
        for artifact in contents.artifacts()
        if comes_along(artifact.kind, with_weights=with_weights)
    )
    return files + sum(_planned(contents.rows(part)) for part in parts() if part.within) // 3


def _planned(rows: QuerySet[Any]) -> int:
    plan: Callable[..., str] = rows.order_by().explain
    top = json.loads(plan(format="json"))[0]["Plan"]
    return int(top["Plan Rows"]) * int(top["Plan Width"])
