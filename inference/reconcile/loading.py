"""Makes the models of a running engine equal to the wanted ones: loads and unloads adapters, compares tokens."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from django.utils import timezone

from core.errors import ExpectedError
from core.host.disks import storage_error
from core.models import Artifact
from core.storage import storage
from inference.engines import BACKENDS, Backend, EngineRefused, Served
from inference.models import Deployment, Engine
from inference.queries import engine_model_name
from inference.reconcile import parity
from inference.reconcile.checking import Checking
from inference.reconcile.rows import has_room, take_load
from inference.services import deployments as notes
from training.models import ModelVersion
from training.serving import Serving

log = logging.getLogger(__name__)
Status = Deployment.Status

# Hashing weights takes time, and artifacts are never rewritten: each is verified once per process.
_verified: set[int] = set()


def verified_path(artifact: Artifact) -> Path:
    """The artifact's path. Raises EngineRefused when its files differ from what was stored."""
    store = storage()
    try:
        path = store.local_path(artifact)
        wrong = store.verify_copy(artifact) if artifact.pk not in _verified else []
    except OSError as error:
        log.warning("The files of %s could not be read: %s", artifact, error)
        raise EngineRefused(str(storage_error(error) or f"Its files could not be read: {error}")) from error
    if artifact.pk not in _verified:
        if wrong:
            raise EngineRefused(
                f"Its stored files are missing or differ from what was stored: {', '.join(wrong[:5])}. Restore them "
                "from a backup, or train again."
            )
        _verified.add(artifact.pk)
    return path


class NoRoom(Exception):
    """The engine cannot load more adapters before a restart."""


def bring_in_step(
    engine: Engine,
    deployments: Sequence[Deployment],
    checking: Checking,
    waiting: Mapping[int, str] | None = None,
) -> None:
    """One pass over the deployments of a running engine: unload, load, and check before serving.

    `waiting` has the reason why a deployment has no place in the engine, by its id. Raises EngineAway when the engine
    does not respond, NoRoom when it must be restarted for another adapter, and OutOfService when a check of its weights
    failed. Other errors affect only their deployment; the others continue.
    """
    backend = BACKENDS[engine.backend]
    served = {model.name: model for model in backend.served(engine.url)}
    shares = engine.version_id is None  # an engine with full weights has no other models
    checking.look(served.values())
    passed = checking.poll(engine)
    staying = []
    for deployment in deployments:
        reason = (waiting or {}).get(deployment.pk)
        out = partial(_out, backend, engine, deployment, served, checking, reason)
        if not _guarded(engine, deployment, out):
            staying.append(deployment)
    if shares and (checking.running or not checking.knows_base):
        checking.begin(engine, _adapters(served))
        return
    if passed:
        _announce(engine, staying, checking)
    # The base model first: it is served as soon as its answers alone are known.
    staying.sort(key=lambda deployment: deployment.version.kind == ModelVersion.Kind.ADAPTER)
    full: NoRoom | None = None
    for deployment in staying:
        try:
            _guarded(engine, deployment, partial(_in, backend, engine, deployment, served, checking))
        except NoRoom as error:
            full = error
        if not shares or not checking.due:
            _announce(engine, [deployment], checking)
    if shares and checking.due:
        checking.begin(engine, _adapters(served))
    if full is not None:
        raise full


def note_without_engine(deployment: Deployment, engine: Engine | None, reason: str) -> None:
    """Updates the status of a deployment without an engine. `engine`: the one that will serve it."""
    if deployment.wanted == Deployment.Wanted.UNLOADED:
        if deployment.status != Status.UNLOADED:
            notes.note_unloaded(deployment=deployment)
    elif deployment.status == Status.FAILED:
        return
    elif deployment.version.status == ModelVersion.Status.REJECTED:
        notes.note_failed(deployment=deployment, reason="The version is rejected, so it is not served.")
    else:
        notes.note_waiting(deployment=deployment, reason=reason, engine=engine)


def _adapters(served: Mapping[str, Served]) -> list[str]:
    return sorted(model.name for model in served.values() if model.parent)


def _guarded(engine: Engine, deployment: Deployment, step: Callable[[], bool | None]) -> bool:
    """The result of `step`; a refusal is stored with its deployment, and the result is then True."""
    try:
        return bool(step())
    except EngineRefused as error:
        if deployment.status in (Status.WAITING, Status.LOADING):
            notes.note_failed(deployment=deployment, reason=f"The engine refused it: {error.message}")
        else:
            log.warning("Engine %s refused to change %s: %s", engine.name, deployment, error.message)
    except ExpectedError as error:
        # The row changed meanwhile; the next pass reads it again.
        log.info("Deployment %s: %s", deployment.pk, error)
    return True


def _out(
    backend: Backend,
    engine: Engine,
    deployment: Deployment,
    served: dict[str, Served],
    checking: Checking,
    reason: str | None,
) -> bool:
    """Unloads what should not be in the engine. True when the deployment needs nothing else in this pass."""
    version = deployment.version
    name = engine_model_name(version)
    loaded = version.kind == ModelVersion.Kind.ADAPTER and name in served
    needed = deployment.wanted == Deployment.Wanted.LOADED and deployment.status != Status.FAILED
    rejected = version.status == ModelVersion.Status.REJECTED
    archived = version.project.archived_at is not None
    if needed and not rejected and not archived and reason is None:
        return False
    if loaded:
        checking.cancel()
        backend.unload_adapter(engine.url, name)
        del served[name]
    checking.reports.pop(deployment.pk, None)
    if needed and rejected:
        notes.note_failed(deployment=deployment, reason="The version is rejected, so it is not served.")
    elif needed and archived:
        notes.note_waiting(deployment=deployment, reason="The project is archived.")
    elif needed:
        notes.note_waiting(deployment=deployment, reason=reason or "")
    elif deployment.wanted == Deployment.Wanted.UNLOADED and deployment.status != Status.UNLOADED:
        notes.note_unloaded(deployment=deployment)
    return True


def _in(
    backend: Backend,
    engine: Engine,
    deployment: Deployment,
    served: dict[str, Served],
    checking: Checking,
) -> None:
    """Loads the version and compares its token ids; `_announce` makes it served."""
    version = deployment.version
    name = engine_model_name(version)
    if name not in served:
        checking.reports.pop(deployment.pk, None)
    if deployment.status == Status.LOADED:
        if name in served:
            return
        notes.note_waiting(
            deployment=deployment, engine=engine, reason="The engine lost it. It is loaded again."
        )
    if deployment.pk in checking.reports:
        return
    if version.personal and name not in served and not has_room(engine=engine):
        # A restart interrupts everybody's answers; for one person's adapter there is none.
        notes.note_waiting(
            deployment=deployment,
            engine=engine,
            reason="The engine can load no more adapters until its next start. The shared version answers until then.",
        )
        return
    if deployment.status == Status.WAITING:
        notes.note_loading(deployment=deployment, engine=engine)
    if version.kind == ModelVersion.Kind.ADAPTER:
        _load(backend, engine, version, served, checking)
    elif name not in served:
        raise EngineRefused(
            f"The engine does not serve {name}, only {', '.join(sorted(served)) or 'nothing'}."
        )
    _compare_tokens(backend, engine, deployment, served, checking)


def _load(
    backend: Backend,
    engine: Engine,
    version: ModelVersion,
    served: dict[str, Served],
    checking: Checking,
) -> None:
    name = version.served_name
    path = verified_path(version.artifact)
    holder = served.get(name)
    # A name belongs to one set of weights permanently. A second path under it would answer from the first one's cache.
    if holder is not None and holder.path and Path(holder.path) != path:
        raise EngineRefused(
            f"The name {name} is already taken by other files. Restart the engine to free the name."
        )
    if holder is None:
        rank, room = (
            backend.rank_to_start_with(version.adapter_rank or 0),
            engine.options.get("max_lora_rank"),
        )
        if room is not None and rank > room:
            raise NoRoom(f"Restarting for adapters of rank {rank}.")
        if version.serving == Serving.PROMPT_EMBEDS:
            if not engine.attached and not engine.options.get("prompt_embeds"):
                raise NoRoom("Restarting for soft prompts.")
        elif not take_load(engine=engine):
            raise NoRoom("Restarting to free the places of unloaded adapters.")
        checking.note_load(name)
        run = version.training_run
        method = run.method if run else "lora"  # a personal adapter has no training run
        backend.load_adapter(engine.url, name, path, method)
        served[name] = Served(name, str(path), engine.base_model.slug)


def _compare_tokens(
    backend: Backend,
    engine: Engine,
    deployment: Deployment,
    served: dict[str, Served],
    checking: Checking,
) -> None:
    """Compares token ids. If they differ, it unloads the version and stores the reason."""
    version = deployment.version
    name = engine_model_name(version)
    prompts: list[dict[str, Any]] = version.parity_prompts
    if not prompts:
        _withdraw(backend, engine, version, served)
        notes.note_failed(
            deployment=deployment,
            reason="No prompts for the token check were recorded with this version, so training and serving cannot be "
            "compared. Start the check on the version's page.",
        )
        return
    report = parity.compare(
        prompts,
        lambda messages: backend.tokenize(engine.url, name, messages),
        engine=engine.name,
        at=timezone.now(),
    )
    if report["differing_count"]:
        _withdraw(backend, engine, version, served)
        notes.note_failed(deployment=deployment, reason=parity.sentence(report), report=report)
    else:
        checking.reports[deployment.pk] = report


def _announce(engine: Engine, deployments: Sequence[Deployment], checking: Checking) -> None:
    """The versions with equal tokens are served from now on."""
    for deployment in deployments:
        report = checking.reports.pop(deployment.pk, None)
        if report is not None:
            _guarded(engine, deployment, partial(notes.note_loaded, deployment=deployment, report=report))


def _withdraw(backend: Backend, engine: Engine, version: ModelVersion, served: dict[str, Served]) -> None:
    if version.kind == ModelVersion.Kind.ADAPTER:
        served.pop(version.served_name, None)
        backend.unload_adapter(engine.url, version.served_name)
