"""The artifacts of an archive: files that come along, and those whose hashes alone do."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from django.utils.dateparse import parse_datetime

from core.host.scratch import scratch
from core.models import Artifact
from core.moving.container import Container, Progress, parsed
from core.moving.errors import BadArchive
from core.moving.ids import Ids
from core.moving.manifest import file_path, is_safe_path
from core.moving.parts import JsonRule, line_rule
from core.storage import manifest_of, storage
from core.storage.base import manifest_hash

LABEL = "core.Artifact"
# Files that run code when they are loaded. Weights are safetensors only.
_CODE = re.compile(r"\.(?:bin|ckpt|pickle|pkl|pt|pth|py|so|npy|npz|h5|joblib)\Z", re.IGNORECASE)
_LINES = 1000
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def comes_along(kind: str, *, with_weights: bool) -> bool:
    """Whether the files of an artifact of this kind are in an archive."""
    return with_weights or kind != Artifact.Kind.MODEL


def wrong_artifact(row: dict[str, Any]) -> str:
    """What is wrong with an artifact's row (Part.check)."""
    entries = row["manifest"]
    if not entries or not all(_is_entry(entry) for entry in entries):
        return "it has a file with an address that is not allowed"
    if len({entry["path"].lower() for entry in entries}) != len(entries):
        return "it has two files with one name"
    if manifest_hash(entries) != row["sha256"]:
        return "its hash is not that of its files"
    if row["kind"] == Artifact.Kind.MODEL and any(_CODE.search(entry["path"]) for entry in entries):
        return "weights must be safetensors; it has files that can run code"
    return ""


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and entry.keys() == {"path", "sha256", "size"}
        and isinstance(entry["path"], str)
        and is_safe_path(entry["path"])
        and isinstance(entry["sha256"], str)
        and bool(_SHA256.match(entry["sha256"]))
        and isinstance(entry["size"], int)
        and 0 <= entry["size"] < 2**53
    )


class ArchivedFiles:
    """Brings the artifacts of one import into the store. `missing` are the primary keys of those without files. Those
    whose files were not here before are added to `placed`, to be taken out again when the import fails."""

    def __init__(self, container: Container, ids: Ids, progress: Progress, placed: list[Artifact]) -> None:
        self._container, self._ids, self._progress, self._placed = container, ids, progress, placed
        self._sizes = {file.file: file.size for file in container.manifest.files}
        self._used: set[str] = set()
        self.missing: set[int] = set()

    def bring(self, rows: Iterable[dict[str, Any]]) -> dict[int, int]:
        """{number in the archive: primary key here}."""
        found = {row["id"]: self._bring(row).pk for row in rows}
        if unused := self._sizes.keys() - self._used:
            raise BadArchive(f"The archive has a file that nothing refers to: {min(unused)[:80]}.")
        return found

    def _bring(self, row: dict[str, Any]) -> Artifact:
        if not comes_along(row["kind"], with_weights=self._container.manifest.with_weights):
            return self._named(row)
        names = {
            entry["path"]: file_path(row["kind"], row["sha256"], entry["path"]) for entry in row["manifest"]
        }
        for entry in row["manifest"]:
            if self._sizes.get(names[entry["path"]]) != entry["size"]:
                raise BadArchive(f"The archive is not complete: {names[entry['path']]} is missing.")
        self._used.update(names.values())
        with scratch("project-import") as folder:
            for path, name in names.items():
                self._container.extract(name, folder / "files" / path, self._progress)
            manifest = manifest_of(folder / "files")
            if manifest_hash(manifest) != row["sha256"]:
                raise BadArchive("The archive has files that do not match their hash.")
            if rule := line_rule(row["kind"]):
                for path in names:
                    self._renumber(folder / "files" / path, rule)
                manifest = manifest_of(folder / "files")
            return self._keep(folder / "files", row, manifest)

    def _keep(self, folder: Path, row: dict[str, Any], manifest: list[dict[str, Any]]) -> Artifact:
        planned = _artifact(row["kind"], manifest)
        known = Artifact.objects.filter(key=planned.key).exists()
        absent = bool(storage().verify_unread(planned).wrong)
        artifact = storage().put(folder, kind=row["kind"])
        if not known:
            if absent:
                self._placed.append(artifact)
            Artifact.objects.filter(pk=artifact.pk).update(created_at=parse_datetime(row["created_at"]))
        return artifact

    def _named(self, row: dict[str, Any]) -> Artifact:
        """An artifact whose files stay behind: the one that is here already, or a row that has only the hashes."""
        artifact = Artifact.objects.filter(kind=row["kind"], sha256=row["sha256"]).first()
        if artifact is None:
            artifact = _artifact(row["kind"], row["manifest"])
            artifact.save()
        if storage().verify_unread(artifact).wrong:
            self.missing.add(artifact.pk)
        return artifact

    def _renumber(self, path: Path, rule: JsonRule) -> None:
        """Rewrites a JSONL file with the numbers of this installation."""
        moved = path.with_name(f"{path.name}.moved")
        with path.open("rb") as lines, moved.open("w", encoding="utf-8", newline="\n") as target:
            for batch in _batches(_parsed(lines)):
                target.writelines(f"{_dump(row)}\n" for row in self._renumbered(batch, rule))
        moved.replace(path)

    def _renumbered(self, rows: list[Any], rule: JsonRule) -> list[Any]:
        known = self._ids.answer(lambda new: [rule(row, new) for row in rows])
        return [rule(row, known) for row in rows]


def _artifact(kind: str, manifest: list[dict[str, Any]]) -> Artifact:
    """The row of an artifact with these files, not saved."""
    sha256 = manifest_hash(manifest)
    return Artifact(
        kind=kind,
        sha256=sha256,
        key=f"{kind}/{sha256[:2]}/{sha256}",
        size_bytes=sum(entry["size"] for entry in manifest),
        file_count=len(manifest),
        manifest=manifest,
    )


_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def _parsed(lines: Iterable[bytes]) -> Iterator[Any]:
    for line in lines:
        try:
            yield parsed(line)
        except ValueError:
            raise BadArchive("The archive has a dataset with a line that is not JSON.") from None


def _batches(rows: Iterator[Any]) -> Iterator[list[Any]]:
    while batch := list(islice(rows, _LINES)):
        yield batch
