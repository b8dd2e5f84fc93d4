"""Deleting personal adapters, and what a receipt keeps of them: hashes, a time and a name, no text and no weights."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from core.audit.entries import record
from core.errors import Conflict
from core.models import Artifact, Project, Run, User
from core.runs.control import launch_run, request_cancel
from core.storage import storage
from core.wording import counted
from training.actions import TrainingAction
from training.corrections import owned_by
from training.models import BaseModel, DeletionReceipt, ModelVersion, PersonalAdapter, Team
from training.personal import DELETION


@transaction.atomic
def request_deletion(*, by: User, project: Project, owner: User | Team) -> DeletionReceipt:
    """All adapters of a person or team are turned off at once and deleted by a background job. Returns the receipt that it completes.

    Conflict when there is nothing to delete, or it is being deleted already.
    """
    Project.objects.select_for_update(no_key=True, of=("self",)).get(pk=project.pk)
    adapters = list(
        PersonalAdapter.objects.filter(project=project, **owned_by(owner)).select_related("run", "project")
    )
    wanted = [adapter.pk for adapter in adapters]
    active = DeletionReceipt.objects.filter(project=project, run__status__in=Run.ACTIVE)
    pending = {pk for receipt in active for pk in receipt.wanted}
    if not adapters or pending.issuperset(wanted):
        raise Conflict("There is nothing to delete, or it is being deleted already.", "Reload the page.")
    PersonalAdapter.objects.filter(pk__in=wanted).update(on=False)
    for adapter in adapters:
        if adapter.run.status in (Run.Status.QUEUED, Run.Status.RUNNING):
            request_cancel(by=by, run=adapter.run)
    label = counted(len(wanted), "personal adapter")
    receipt = DeletionReceipt.objects.create(
        project=project,
        subject=owner if isinstance(owner, User) else None,
        subject_label=str(owner)[:200],
        run=launch_run(by=by, project=project, kind=DELETION, title=f"Delete {label}"),
        requested_by=by,
        wanted=wanted,
    )
    record(
        by=by,
        project=project,
        action=TrainingAction.PERSONAL_DELETION_REQUESTED,
        obj=receipt,
        owner=str(owner),
        adapters=label,
    )
    return receipt


def facts_of(adapter: PersonalAdapter, engine: str) -> dict[str, Any]:
    """An entry of DeletionReceipt.adapters. `engine` says where it was loaded."""
    version = adapter.version
    artifact = version.artifact if version else None
    return {
        "adapter": adapter.pk,
        "number": adapter.number,
        "served_name": version.served_name if version else "",
        "artifact": artifact.sha256 if artifact else "",
        "key": artifact.key if artifact else "",
        "files": list(artifact.manifest) if artifact else [],
        "rows": [row["hash"] for row in adapter.rows],
        "engine": engine,
        "kept": "",
    }


@transaction.atomic
def delete_rows(*, receipt: DeletionReceipt, adapter: PersonalAdapter, engine: str) -> None:
    """Deletes an adapter's rows in the database, and keeps its hashes in the receipt in the same transaction. Its files follow
    (`delete_files`): after a kill between the two, the receipt still knows them."""
    receipt = DeletionReceipt.objects.select_for_update(of=("self",)).get(pk=receipt.pk)
    entry = facts_of(adapter, engine)
    version = adapter.version
    adapter.delete()
    if version is not None:
        artifact = version.artifact
        version.delete()  # with its deployment
        if used_elsewhere(artifact):
            entry["kept"] = "The same weights belong to another model version here."
        else:
            artifact.delete()
    receipt.adapters = [*receipt.adapters, entry]
    receipt.save(update_fields=["adapters"])


def used_elsewhere(artifact: Artifact) -> bool:
    """Whether another version or a base model has the same weights."""
    return (
        ModelVersion.with_personal.filter(artifact=artifact).exists()
        or BaseModel.objects.filter(artifact=artifact).exists()
    )


def delete_files(receipt: DeletionReceipt) -> None:
    """Removes the files of the receipt's adapters from the store, unless something else has them. Doing it again changes nothing."""
    for entry in receipt.adapters:
        if entry["key"] and not Artifact.objects.filter(key=entry["key"]).exists():
            storage().remove(artifact_of(entry))


def artifact_of(entry: dict[str, Any]) -> Artifact:
    """The deleted artifact of an entry, as the store addresses it. It is not stored."""
    return Artifact(
        kind=Artifact.Kind.MODEL, sha256=entry["artifact"], key=entry["key"], manifest=entry["files"]
    )


@transaction.atomic
def complete(*, receipt: DeletionReceipt) -> None:
    DeletionReceipt.objects.filter(pk=receipt.pk).update(completed_at=timezone.now())
    record(
        by=None,
        project=receipt.project,
        action=TrainingAction.PERSONAL_DELETED,
        obj=receipt,
        owner=receipt.subject_label,
        adapters=counted(len(receipt.adapters), "personal adapter"),
    )
