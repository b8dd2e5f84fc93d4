"""Deployments: users and events say what is wanted; the reconciler reports what is served."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from core.audit.entries import record
from core.database.transitions import transition
from core.errors import Conflict, Refused
from core.models import User
from inference.actions import InferenceAction
from inference.models import Deployment, Engine, Route
from training.models import ModelVersion
from training.services import mark_ready, mark_rejected

Status = Deployment.Status


@transaction.atomic
def ensure_deployment(*, by: User | None, version: ModelVersion) -> Deployment:
    """The version's deployment, created if needed. A failed one, or one with a new check request, waits again."""
    deployment, created = Deployment.objects.select_for_update(of=("self",)).get_or_create(version=version)
    if created:
        record(by=by, project=version.project, action=InferenceAction.DEPLOYMENT_REQUESTED, obj=deployment)
    elif deployment.wanted == Deployment.Wanted.LOADED and deployment.status == Status.FAILED:
        _wait_anew(deployment)
        record(
            by=by, project=version.project, action=InferenceAction.DEPLOYMENT_REQUESTED_AGAIN, obj=deployment
        )
    return deployment


def _wait_anew(deployment: Deployment) -> None:
    transition(deployment, Status.WAITING, error="", requested_at=timezone.now())


@transaction.atomic
def request_load(*, by: User, version: ModelVersion) -> Deployment:
    """Requests that the engines serve a version. Conflict when it is requested already; a failed one is tried again."""
    if version.status == ModelVersion.Status.REJECTED:
        raise Refused(
            f"{version} was rejected: its token ids differ between trainer and engine.",
            "Start the check again on the version's page first.",
        )
    deployment, created = Deployment.objects.select_for_update(of=("self",)).get_or_create(version=version)
    if not created:
        if deployment.wanted == Deployment.Wanted.LOADED and deployment.status != Status.FAILED:
            raise Conflict(f"{version} is loaded or being loaded already.", "Reload the page.")
        Deployment.objects.filter(pk=deployment.pk).update(
            wanted=Deployment.Wanted.LOADED, requested_at=timezone.now(), loaded_at=None
        )
        if deployment.status != Status.WAITING:
            _wait_anew(deployment)
    deployment.refresh_from_db()
    record(by=by, project=version.project, action=InferenceAction.DEPLOYMENT_REQUESTED, obj=deployment)
    return deployment


@transaction.atomic
def request_unload(*, by: User, version: ModelVersion) -> Deployment:
    """Requests that the engines stop serving a version. Refused for the live one."""
    deployment = Deployment.objects.select_for_update(of=("self",)).filter(version=version).first()
    if deployment is None or deployment.wanted == Deployment.Wanted.UNLOADED:
        raise Conflict(f"{version} is not loaded.", "Reload the page.")
    if Route.objects.filter(version=version).exists():
        raise Refused(f"{version} is live: it answers applications.", "Release another version first.")
    Deployment.objects.filter(pk=deployment.pk).update(wanted=Deployment.Wanted.UNLOADED)
    deployment.wanted = Deployment.Wanted.UNLOADED
    record(by=by, project=version.project, action=InferenceAction.DEPLOYMENT_UNLOAD_REQUESTED, obj=deployment)
    return deployment


# --- what the reconciler found -----------------------------------------------------------------------------
def note_waiting(*, deployment: Deployment, reason: str = "", engine: Engine | None = None) -> None:
    """It is not served at the moment: its engine is offline, or it has none yet."""
    if deployment.status == Status.WAITING:
        if deployment.error != reason or deployment.engine != engine:
            Deployment.objects.filter(pk=deployment.pk).update(error=reason, engine=engine)
        return
    transition(deployment, Status.WAITING, error=reason, engine=engine)


def note_loading(*, deployment: Deployment, engine: Engine) -> None:
    transition(deployment, Status.LOADING, error="", engine=engine)


@transaction.atomic
def note_loaded(*, deployment: Deployment, report: dict[str, Any]) -> None:
    """Served, with equal token ids. A version that waited for its check becomes ready in the same transaction."""
    version = deployment.version
    now = timezone.now()
    updates: dict[str, Any] = {"loaded_at": now, "error": ""}
    # A reload after an engine's restart does not measure how long a request takes.
    if deployment.loaded_at is None or deployment.loaded_at < deployment.requested_at:
        updates["seconds_to_load"] = (now - deployment.requested_at).total_seconds()
    transition(deployment, Status.LOADED, **updates)
    if version.status == ModelVersion.Status.REGISTERED:
        mark_ready(by=None, version=version, report=report)
    record(
        by=None,
        project=version.project,
        action=InferenceAction.DEPLOYMENT_LOADED,
        obj=deployment,
        engine=deployment.engine.name if deployment.engine else "",
        checked=report["checked"],
    )


@transaction.atomic
def note_failed(*, deployment: Deployment, reason: str, report: dict[str, Any] | None = None) -> None:
    """It cannot be served, with the reason. If `report` shows differing ids, a version that is not ready yet is
    rejected."""
    version = deployment.version
    transition(deployment, Status.FAILED, error=reason[:2000])
    if report is not None and version.status == ModelVersion.Status.REGISTERED:
        mark_rejected(by=None, version=version, report=report)
    record(
        by=None,
        project=version.project,
        action=InferenceAction.DEPLOYMENT_FAILED,
        obj=deployment,
        reason=reason[:500],
    )


@transaction.atomic
def note_unloaded(*, deployment: Deployment) -> None:
    transition(deployment, Status.UNLOADED, error="", engine=None, loaded_at=None)
    record(
        by=None,
        project=deployment.version.project,
        action=InferenceAction.DEPLOYMENT_UNLOADED,
        obj=deployment,
    )
