"""Model versions after registration: the result of the token check, and checks of their files."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from core.audit.entries import record
from core.database.transitions import transition
from core.errors import Conflict
from core.models import Run, User
from core.runs.control import launch_run
from core.services.events import publish
from training.actions import TrainingAction
from training.models import ModelVersion
from training.services.results import REGISTERED

Status = ModelVersion.Status


@transaction.atomic
def mark_ready(*, by: User | None, version: ModelVersion, report: dict[str, Any]) -> ModelVersion:
    """The engine's token ids equal the trainer's: the version may be used. If it is ready already, only the report is
    updated."""
    if version.status == Status.READY:
        version.parity_report = report
        version.save(update_fields=["parity_report"])
        return version
    transition(version, Status.READY, parity_report=report, ready_at=timezone.now())
    record(by=by, project=version.project, action=TrainingAction.MODEL_VERSION_READY, obj=version)
    publish(project=version.project, kind="model_version.ready", payload={"version": version.pk})
    return version


@transaction.atomic
def mark_rejected(*, by: User | None, version: ModelVersion, report: dict[str, Any]) -> ModelVersion:
    """Token ids differ, or the engine refuses the weights: the version must not be used."""
    if version.status == Status.REJECTED:
        version.parity_report = report
        version.save(update_fields=["parity_report"])
        return version
    transition(version, Status.REJECTED, parity_report=report, ready_at=None)
    record(by=by, project=version.project, action=TrainingAction.MODEL_VERSION_REJECTED, obj=version)
    return version


@transaction.atomic
def request_check(*, by: User, version: ModelVersion) -> ModelVersion:
    """Requests the token check again, after an engine was repaired or updated."""
    if version.status == Status.REJECTED:
        transition(version, Status.REGISTERED)
    record(by=by, project=version.project, action=TrainingAction.MODEL_VERSION_CHECK_REQUESTED, obj=version)
    publish(project=version.project, kind=REGISTERED, payload={"version": version.pk})
    return version


@transaction.atomic
def check_files(*, by: User, version: ModelVersion) -> ModelVersion:
    """Starts a background job that compares the stored files with their recorded hashes."""
    locked = (
        ModelVersion.objects.select_for_update(of=("self",)).select_related("files_check").get(pk=version.pk)
    )
    if locked.files_check is not None and locked.files_check.is_active:
        raise Conflict("The files are being checked already.", "Wait for the result on this page.")
    version.files_check = launch_run(
        by=by,
        project=version.project,
        kind="files_check",
        title=f"Check the files of {version}",
        params={"version": version.pk},
    )
    version.save(update_fields=["files_check"])
    return version


@transaction.atomic
def note_download(*, by: User, version: ModelVersion) -> None:
    """Records that weights were downloaded."""
    record(by=by, project=version.project, action=TrainingAction.MODEL_VERSION_DOWNLOADED, obj=version)


def check_files_again(run: Run, by: User) -> None:
    """The same check continues (core.runs.kinds.RunKind.on_again)."""
    # Another check that starts now holds this lock.
    version = (
        ModelVersion.objects.select_for_update(of=("self",)).filter(pk=run.params.get("version")).first()
    )
    if version is None or version.files_check_id != run.pk:
        raise Conflict("A later run checks these files.", "See the version's page.")
