"""Looks for what a deletion receipt says is gone."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from core.access import Access
from core.models import Artifact, Role
from core.storage import storage
from inference.engines import BACKENDS, EngineAway, EngineRefused
from inference.models import Deployment, Engine
from training.models import DeletionReceipt, ModelVersion, PersonalAdapter
from training.services.adapter_deletion import artifact_of


@dataclass(frozen=True)
class Searched:
    """One place that was searched: `found` names what is still there; `not_searched` says why it could not be searched."""

    place: str
    searched: int
    found: tuple[str, ...] = ()
    not_searched: str = ""


def receipts_of(access: Access) -> QuerySet[DeletionReceipt]:
    """The receipts that this person may see: an admin all, others their own."""
    receipts = DeletionReceipt.objects.filter(project=access.project).select_related(
        "run__project", "requested_by"
    )
    if access.has(Role.ADMIN):
        return receipts
    return receipts.filter(Q(subject=access.user))


def look_for(receipt: DeletionReceipt) -> list[Searched]:
    """Searches the database, the store and every running engine for the hashes and names of a receipt. Reads no weights: a file is
    found by its address, which is its hash."""
    entries: list[dict[str, Any]] = [entry for entry in receipt.adapters if not entry["kept"]]
    names = {entry["served_name"] for entry in entries if entry["served_name"]}
    shas = {entry["artifact"] for entry in entries if entry["artifact"]}
    files = {file["sha256"] for entry in entries for file in entry["files"] if _is_weights(file["path"])}
    return [
        Searched("Adapters in the database", len(receipt.wanted), _ids(receipt)),
        Searched("Rows of these adapters", *_rows(receipt, entries)),
        Searched(
            "Model versions and deployments by name",
            len(names),
            tuple(sorted(_versions(names))),
        ),
        Searched("Weights by hash", len(shas | files), tuple(sorted(_artifacts(shas, files)))),
        _files(entries),
        *_engines(names),
    ]


def _is_weights(path: str) -> bool:
    """Configuration files are equal in many adapters; weights are not."""
    return path.endswith(".safetensors")


def _ids(receipt: DeletionReceipt) -> tuple[str, ...]:
    return tuple(str(one) for one in PersonalAdapter.objects.filter(pk__in=receipt.wanted))


def _rows(receipt: DeletionReceipt, entries: list[dict[str, Any]]) -> tuple[int, tuple[str, ...]]:
    """Earlier adapters of the same person that list one of the rows. Adapters trained after the request, and those of teams, are
    other ones."""
    hashes = {row for entry in entries for row in entry["rows"]}
    same = PersonalAdapter.objects.filter(
        project=receipt.project_id, owner=receipt.subject_id, created_at__lt=receipt.requested_at
    )
    if receipt.subject_id is None:
        same = PersonalAdapter.objects.filter(pk__in=receipt.wanted)
    found = tuple(str(one) for one in same if any(row["hash"] in hashes for row in one.rows))
    return len(hashes), found


def _versions(names: set[str]) -> set[str]:
    versions = ModelVersion.with_personal.filter(served_name__in=names).values_list("served_name", flat=True)
    loaded = Deployment.objects.filter(version__served_name__in=names)
    return {*versions, *loaded.values_list("version__served_name", flat=True)}


def _artifacts(shas: set[str], files: set[str]) -> set[str]:
    """Addresses of stored artifacts with one of these hashes."""
    found = set(Artifact.objects.filter(sha256__in=shas).values_list("key", flat=True))
    for sha in files:
        found |= set(
            Artifact.objects.filter(manifest__contains=[{"sha256": sha}]).values_list("key", flat=True)
        )
    return found


def _files(entries: list[dict[str, Any]]) -> Searched:
    place, searched = "Files in the store", sum(len(entry["files"]) for entry in entries)
    found: list[str] = []
    try:
        for entry in entries:
            if not entry["key"]:
                continue
            missing = set(storage().verify_unread(artifact_of(entry)).wrong)
            found += [
                f"{entry['key']}/{file['path']}" for file in entry["files"] if file["path"] not in missing
            ]
    except OSError as error:
        return Searched(
            place, 0, not_searched=f"The store could not be read: {error.strerror or type(error).__name__}."
        )
    return Searched(place, searched, tuple(found))


def _engines(names: set[str]) -> list[Searched]:
    looks = []
    for engine in Engine.objects.filter(status=Engine.Status.UP).order_by("name"):
        place = f"Adapters loaded in the engine {engine.name}"
        try:
            served = {model.name for model in BACKENDS[engine.backend].served(engine.url)}
        except (EngineAway, EngineRefused):
            looks.append(Searched(place, 0, not_searched="The engine does not respond."))
        else:
            looks.append(Searched(place, len(names), tuple(sorted(served & names))))
    return looks


def is_proven(looks: list[Searched]) -> bool:
    """Whether everything was searched and nothing found."""
    return not any(look.found or look.not_searched for look in looks)
