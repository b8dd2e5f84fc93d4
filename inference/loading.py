"""Making what an engine that is up serves equal to what is wanted: adapters in and out, tokens compared."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.utils import timezone

from core.errors import ExpectedError
from core.models import Artifact
from core.storage import storage
from inference import parity
from inference.engines import BACKENDS, Backend, EngineAway, EngineRefused, Served
from inference.models import Deployment, Engine
from inference.queries import engine_model_name
from inference.services import deployments as notes
from training.models import ModelVersion

log = logging.getLogger(__name__)
Status = Deployment.Status

# Hashing weights takes time, and artifacts are never rewritten: each is verified once per life of this process.
_verified: set[int] = set()


def verified_path(artifact: Artifact) -> Path:
    """The artifact's path. Raises EngineRefused when its files are not what was stored."""
    store = storage()
    path = store.local_path(artifact)
    if artifact.pk not in _verified:
        wrong = store.verify_copy(artifact)
        if wrong:
            raise EngineRefused(
                f"Its stored files are missing or differ from what was stored: {', '.join(wrong[:5])}. Restore them "
                "from a backup, or train again."
            )
        _verified.add(artifact.pk)
    return path


def bring_in_step(engine: Engine, deployments: Sequence[Deployment]) -> bool:
    """One pass over the deployments of an engine that is up. True when anything changed.

    Raises EngineAway when the engine does not answer; whatever else goes wrong ends with the deployment it
    concerns, and the others go on.
    """
    backend = BACKENDS[engine.backend]
    served = {one.name: one for one in backend.served(engine.url)}
    changed = False
    for deployment in deployments:
        try:
            changed |= _step(backend, engine, deployment, served)
        except EngineAway:
            raise
        except EngineRefused as error:
            if deployment.status in (Status.WAITING, Status.LOADING):
                notes.note_failed(deployment=deployment, reason=f"The engine refused it: {error.message}")
                changed = True
            else:
                log.warning("Engine %s refused to change %s: %s", engine.name, deployment, error.message)
        except ExpectedError as error:
            # Somebody changed the row meanwhile; the next pass sees what it is now.
            log.info("Deployment %s: %s", deployment.pk, error)
    return changed


def _step(backend: Backend, engine: Engine, deployment: Deployment, served: dict[str, Served]) -> bool:
    version = deployment.version
    is_adapter = version.kind == ModelVersion.Kind.ADAPTER
    name = engine_model_name(version)
    wanted = deployment.wanted == Deployment.Wanted.LOADED and deployment.status != Status.FAILED
    if wanted and version.status == ModelVersion.Status.REJECTED:
        notes.note_failed(deployment=deployment, reason="The version is rejected, so it is not served.")
        return True
    if version.project.archived_at is not None and wanted:
        if is_adapter and name in served:
            backend.unload_adapter(engine.url, name)
        notes.note_waiting(deployment=deployment, reason="The project is archived.")
        return False
    if not wanted:
        return _take_out(backend, engine, deployment, name if is_adapter and name in served else "")
    if deployment.status == Status.LOADED:
        if name in served:
            return False
        notes.note_waiting(
            deployment=deployment, engine=engine, reason="The engine lost it; it is loaded again."
        )
    return _bring_in(backend, engine, deployment, name, served)


def _take_out(backend: Backend, engine: Engine, deployment: Deployment, loaded_name: str) -> bool:
    if loaded_name:
        backend.unload_adapter(engine.url, loaded_name)
    if deployment.wanted == Deployment.Wanted.UNLOADED and deployment.status != Status.UNLOADED:
        notes.note_unloaded(deployment=deployment)
        return True
    return bool(loaded_name)


def _bring_in(
    backend: Backend, engine: Engine, deployment: Deployment, name: str, served: dict[str, Served]
) -> bool:
    version = deployment.version
    if deployment.status == Status.WAITING:
        notes.note_loading(deployment=deployment, engine=engine)
    if version.kind == ModelVersion.Kind.ADAPTER:
        path = verified_path(version.artifact)
        holder = served.get(name)
        # A name stands for one set of weights for ever; a second path under it would answer from the first's cache.
        if holder is not None and holder.path and Path(holder.path) != path:
            raise EngineRefused(
                f"The name {name} is already taken by other files. Restart the engine to free the name."
            )
        if holder is None:
            backend.load_adapter(engine.url, name, path)
    elif name not in served:
        raise EngineRefused(
            f"The engine does not serve {name}, only {', '.join(sorted(served)) or 'nothing'}."
        )
    return _check(backend, engine, deployment, name)


def _check(backend: Backend, engine: Engine, deployment: Deployment, name: str) -> bool:
    """Compares token ids and says served, or takes it out again and says why."""
    version = deployment.version
    prompts: list[dict[str, Any]] = version.parity_prompts
    if not prompts:
        _withdraw(backend, engine, version, name)
        notes.note_failed(
            deployment=deployment,
            reason="No prompts for the token check were recorded with this version, so it cannot be shown that training "
            "and serving read the same text. Ask for its check on the version's page.",
        )
        return True
    report = parity.compare(
        prompts,
        lambda messages: backend.tokenize(engine.url, name, messages),
        engine=engine.name,
        at=timezone.now(),
    )
    if report["differing_count"]:
        _withdraw(backend, engine, version, name)
        notes.note_failed(deployment=deployment, reason=parity.sentence(report), report=report)
    else:
        notes.note_loaded(deployment=deployment, report=report)
    return True


def _withdraw(backend: Backend, engine: Engine, version: ModelVersion, name: str) -> None:
    if version.kind == ModelVersion.Kind.ADAPTER:
        backend.unload_adapter(engine.url, name)
