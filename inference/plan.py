"""What the engines should be, worked out from what is wanted. Pure: rows in, a plan out."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from inference.models import Deployment
from training.models import BaseModel, ModelVersion


@dataclass
class BaseNeed:
    """An engine for a base model, with room for adapters up to `rank` (0: none yet)."""

    base_model: BaseModel
    rank: int = 0


@dataclass
class Plan:
    """`bases` by base model id, `full` by version id; `waiting` says why a deployment gets no engine, by its id."""

    bases: dict[int, BaseNeed] = field(default_factory=dict)
    full: dict[int, ModelVersion] = field(default_factory=dict)
    waiting: dict[int, str] = field(default_factory=dict)


def make_plan(
    wanted: Iterable[Deployment], *, live: Collection[int], previous: Collection[int] = (), max_full: int
) -> Plan:
    """`wanted`: deployments to be served, version and base model selected; `live` and
    `previous`: ids of versions that are live, or that a rollback goes back to.

    A full fine-tune needs an engine of its own and at most `max_full` run at once: live ones first, then what a
    rollback goes back to, then those that have an engine already, then whoever asked first.
    """
    plan = Plan()
    full: list[Deployment] = []
    for deployment in wanted:
        version = deployment.version
        if version.base_model.status != BaseModel.Status.READY:
            plan.waiting[deployment.pk] = f"The base model {version.base_model.name} is not ready yet."
        elif version.kind == ModelVersion.Kind.FULL:
            full.append(deployment)
        else:
            need = plan.bases.setdefault(version.base_model_id, BaseNeed(version.base_model))
            need.rank = max(need.rank, version.adapter_rank or 0)
    full.sort(
        key=lambda one: (
            one.version_id not in live,
            one.version_id not in previous,
            one.engine_id is None,
            one.requested_at,
            one.pk,
        )
    )
    for deployment in full[:max_full]:
        plan.full[deployment.version_id] = deployment.version
    holders = ", ".join(f"{version} of {version.project.name}" for version in plan.full.values())
    for deployment in full[max_full:]:
        reason = (
            f"Full weights need an engine of their own, and {max_full} of {max_full} is taken by {holders}. "
            "Unload that one to make room."
            if max_full
            else "This host serves no full weights: GUILDHALL_ENGINE_MAX_FULL is 0."
        )
        plan.waiting[deployment.pk] = reason
    return plan
