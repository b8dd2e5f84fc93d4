"""Plans the engines from the wanted deployments. Pure: rows in, a plan out."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from core.wording import counted, listed, noun
from inference.models import Deployment
from training.models import BaseModel, ModelVersion


@dataclass
class BaseNeed:
    """An engine for a base model with adapters up to `rank` (0: none yet)."""

    base_model: BaseModel
    rank: int = 0


@dataclass
class EnginePlan:
    """`bases` by base model id, `full` by version id; `waiting` has the reason why a deployment gets no engine, by its
    id."""

    bases: dict[int, BaseNeed] = field(default_factory=dict)
    full: dict[int, ModelVersion] = field(default_factory=dict)
    waiting: dict[int, str] = field(default_factory=dict)


def make_plan(
    deployments: Iterable[Deployment],
    *,
    live: Collection[int],
    previous: Collection[int] = (),
    max_full: int,
    max_adapters: int | None = None,
) -> EnginePlan:
    """`deployments`: those to be served, version and base model selected; `live` and
    `previous`: ids of versions that are live, or that a rollback returns to.

    A full model needs its own engine, and at most `max_full` run at once. The engine of a base model has at most
    `max_adapters` adapters at once (None: any number). Live versions come first, then rollback targets, then those that
    have a place already, then the earliest requests.
    """
    plan = EnginePlan()
    full: list[Deployment] = []
    adapters: dict[int, list[Deployment]] = {}
    for deployment in deployments:
        version = deployment.version
        if version.base_model.status != BaseModel.Status.READY:
            plan.waiting[deployment.pk] = f"The base model {version.base_model.name} is not ready yet."
            continue
        if version.kind == ModelVersion.Kind.FULL:
            full.append(deployment)
            continue
        plan.bases.setdefault(version.base_model_id, BaseNeed(version.base_model))
        # A failed one is not in the engine and waits for a person.
        if version.kind == ModelVersion.Kind.ADAPTER and deployment.status != Deployment.Status.FAILED:
            adapters.setdefault(version.base_model_id, []).append(deployment)

    def rank(deployment: Deployment, *, placed: bool) -> tuple[Any, ...]:
        return (
            deployment.version_id not in live,
            deployment.version_id not in previous,
            not placed,
            deployment.requested_at,
            deployment.pk,
        )

    full.sort(key=lambda deployment: rank(deployment, placed=deployment.engine_id is not None))
    _place_full(plan, full, max_full)
    for several in adapters.values():
        several.sort(key=lambda deployment: rank(deployment, placed=_was_loaded(deployment)))
        _place_adapters(plan, several, max_adapters)
    return plan


def _was_loaded(deployment: Deployment) -> bool:
    """Loaded since it was requested, also before a restart of the engine."""
    return deployment.loaded_at is not None and deployment.loaded_at >= deployment.requested_at


def _place_full(plan: EnginePlan, full: list[Deployment], most: int) -> None:
    for deployment in full[:most]:
        plan.full[deployment.version_id] = deployment.version
    for deployment in full[most:]:
        plan.waiting[deployment.pk] = (
            f"Full models need their own engine, and {most} of {most} is used by "
            f"{_holders(deployment, full[:most])}. {_advice(deployment, full[:most])}"
            if most
            else "This host serves no full models: GUILDHALL_ENGINE_MAX_FULL is 0."
        )


def _place_adapters(plan: EnginePlan, adapters: list[Deployment], limit: int | None) -> None:
    most = len(adapters) if limit is None else limit
    for deployment in adapters[:most]:
        need = plan.bases[deployment.version.base_model_id]
        need.rank = max(need.rank, deployment.version.adapter_rank or 0)
    for deployment in adapters[most:]:
        plan.waiting[deployment.pk] = (
            f"The engine of {deployment.version.base_model.name} has room for {counted(most, 'adapter')}, "
            f"and {most} of {most} {noun(most, 'is', 'are')} used by {_holders(deployment, adapters[:most])}. "
            f"{_advice(deployment, adapters[:most])} GUILDHALL_ENGINE_MAX_LORAS sets this number."
        )


def _holders(waiting: Deployment, holders: list[Deployment]) -> str:
    """The versions that use the places: by name in the same project, only counted in other projects."""
    project = waiting.version.project_id
    own = [str(holder.version) for holder in holders if holder.version.project_id == project]
    others = len(holders) - len(own)
    if others:
        own.append(f"{counted(others, 'version')} of other projects")
    return listed(own)


def _advice(waiting: Deployment, holders: list[Deployment]) -> str:
    if any(holder.version.project_id == waiting.version.project_id for holder in holders):
        return "Unload one of this project. The live version stays."
    return "An admin of another project must unload one first."
