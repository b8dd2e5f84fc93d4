"""Plans the engines from the wanted deployments. Pure: rows in, a plan out."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from core.wording import counted, listed, noun
from inference.models import Deployment, Engine
from inference.queries import backend_of
from training.models import BaseModel, ModelVersion
from training.serving import Serving

VLLM, TRANSFORMERS = Engine.Backend.VLLM, Engine.Backend.TRANSFORMERS


@dataclass
class BaseNeed:
    """An engine for a base model with adapters up to `rank` (0: none yet), and with soft prompts or without."""

    base_model: BaseModel
    rank: int = 0
    prompt_embeds: bool = False


@dataclass
class EnginePlan:
    """`bases` by backend and base model id, `full` by version id; `waiting` has the reason why a deployment gets no
    engine, by its id."""

    bases: dict[tuple[str, int], BaseNeed] = field(default_factory=dict)
    full: dict[int, ModelVersion] = field(default_factory=dict)
    waiting: dict[int, str] = field(default_factory=dict)


def make_plan(
    deployments: Iterable[Deployment],
    *,
    live: Collection[int],
    previous: Collection[int] = (),
    max_full: int,
    max_adapters: int | None = None,
    max_transformers: int = 1,
) -> EnginePlan:
    """`deployments`: those to be served, version and base model selected; `live` and
    `previous`: ids of versions that are live, or that a rollback returns to.

    A full model needs its own engine, and at most `max_full` run at once. The engine of a base model has at most
    `max_adapters` adapters at once (None: any number), or any number of soft prompts. At most `max_transformers` engines
    run transformers, each for a full model or for a base model with adapters. Live versions come first, then rollback
    targets, then those that have a place already, then the earliest requests; personal adapters come after all of these.
    """
    plan = EnginePlan()
    full: list[Deployment] = []
    adapters: dict[int, list[Deployment]] = {}
    others: list[Deployment] = []
    for deployment in deployments:
        version = deployment.version
        if version.base_model.status != BaseModel.Status.READY:
            plan.waiting[deployment.pk] = f"The base model {version.base_model.name} is not ready yet."
            continue
        if backend_of(version) == TRANSFORMERS:
            others.append(deployment)
            continue
        if version.kind == ModelVersion.Kind.FULL:
            full.append(deployment)
            continue
        plan.bases.setdefault((VLLM, version.base_model_id), BaseNeed(version.base_model))
        # A failed one is not in the engine and waits for a person.
        if version.kind == ModelVersion.Kind.ADAPTER and deployment.status != Deployment.Status.FAILED:
            adapters.setdefault(version.base_model_id, []).append(deployment)

    def rank(deployment: Deployment, *, placed: bool) -> tuple[Any, ...]:
        return (
            deployment.version.personal,
            deployment.version_id not in live,
            deployment.version_id not in previous,
            not placed,
            deployment.requested_at,
            deployment.pk,
        )

    full.sort(key=lambda deployment: rank(deployment, placed=deployment.engine_id is not None))
    _place_full(plan, full, max_full)
    others.sort(key=lambda deployment: rank(deployment, placed=_was_loaded(deployment)))
    for several in adapters.values():
        several.sort(key=lambda deployment: rank(deployment, placed=_was_loaded(deployment)))
    loras = [_without_soft_prompts(plan, several) for several in adapters.values()]
    for several in (*loras, *_place_transformers(plan, others, max_transformers)):
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


def _without_soft_prompts(plan: EnginePlan, adapters: list[Deployment]) -> list[Deployment]:
    """Places the soft prompts of a base model in vLLM, or its LoRA adapters: the kind of the first of `adapters`. Returns the LoRA
    adapters to place.

    vLLM 0.32 on a CPU ends when it computes a soft prompt and a LoRA adapter together (its LoRA code counts a soft prompt's positions
    as tokens), and takes all answers of the engine with it.
    """
    soft = [one for one in adapters if one.version.serving == Serving.PROMPT_EMBEDS]
    loras = [one for one in adapters if one.version.serving != Serving.PROMPT_EMBEDS]
    if not soft:
        return loras
    first_is_soft = adapters[0] in soft
    placed, waiting = (soft, loras) if first_is_soft else (loras, soft)
    for deployment in waiting:
        plan.waiting[deployment.pk] = (
            f"vLLM cannot serve adapters and soft prompts of one base model together, and the engine of "
            f"{deployment.version.base_model.name} serves {_holders(deployment, placed)}. {_advice(deployment, placed)}"
        )
    if first_is_soft:
        plan.bases[VLLM, adapters[0].version.base_model_id].prompt_embeds = True
        return []
    return loras


def _place_transformers(plan: EnginePlan, others: list[Deployment], most: int) -> list[list[Deployment]]:
    """Chooses the engines that run transformers, for the first of `others`. Returns the adapters of each that gets one."""
    engines: dict[tuple[int, int | None], list[Deployment]] = {}
    for deployment in others:
        version = deployment.version
        own = version.pk if version.kind == ModelVersion.Kind.FULL else None
        # A failed one needs no engine; it waits for a person.
        if deployment.status != Deployment.Status.FAILED:
            engines.setdefault((version.base_model_id, own), []).append(deployment)
    placed = list(engines.items())[:most]
    holders = [deployment for _, several in placed for deployment in several]
    for _, several in list(engines.items())[most:]:
        for deployment in several:
            plan.waiting[deployment.pk] = (
                f"This host runs at most {counted(most, 'transformers engine')}, and {most} of {most} "
                f"{noun(most, 'is', 'are')} used by {_holders(deployment, holders)}. {_advice(deployment, holders)} "
                "GUILDHALL_ENGINE_MAX_TRANSFORMERS sets this number."
                if most
                else "This host runs no transformers engines: GUILDHALL_ENGINE_MAX_TRANSFORMERS is 0."
            )
    adapters = []
    for (base_id, own), several in placed:
        version = several[0].version
        if own is not None:
            plan.full[own] = version
            continue
        plan.bases[TRANSFORMERS, base_id] = BaseNeed(version.base_model)
        adapters.append([one for one in several if one.version.kind == ModelVersion.Kind.ADAPTER])
    return adapters


def _place_adapters(plan: EnginePlan, adapters: list[Deployment], limit: int | None) -> None:
    most = len(adapters) if limit is None else limit
    for deployment in adapters[:most]:
        need = plan.bases[backend_of(deployment.version), deployment.version.base_model_id]
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
