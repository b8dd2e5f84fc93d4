"""Whether a method can train this base model here, and whether its result can be served."""

from django.conf import settings

from training.estimates import DataFigures
from training.host.machine import Machine
from training.methods import Method, Recipe
from training.models import BaseModel, ModelVersion
from training.objectives.supervised import divergence_weight
from training.preflight.findings import PreflightFinding
from training.serving import Serving
from training.starts import result_of


def method_findings(method: Method, base_model: BaseModel | None, machine: Machine) -> list[PreflightFinding]:
    """Whether this base model can be trained so on this machine at all."""
    if base_model is None or base_model.status != BaseModel.Status.READY:
        return []
    if why := method.unavailable(base_model.architecture, machine.device):
        return [PreflightFinding("stop", why, "Choose another method or base model.", "method")]
    if method.package and method.package not in machine.packages:
        return [
            PreflightFinding(
                "stop",
                f"{method.label} needs the package {method.package}, which is not installed on {machine.host}.",
                "Choose another method, or ask an operator to install what requirements/gpu.lock names.",
                "method",
            )
        ]
    return []


def rank_findings(
    method: Method, recipe: Recipe, start: ModelVersion | None = None
) -> list[PreflightFinding]:
    rank = result_of(method, recipe, start).rank
    if rank is not None and rank > settings.ENGINE_MAX_LORA_RANK:
        # A method may store its adapter with a higher rank than it trains.
        chosen = getattr(recipe, "rank", rank)
        stored = f"Rank {chosen} is stored as {rank}, which" if chosen != rank else f"Rank {rank}"
        return [
            PreflightFinding(
                "stop",
                f"{stored} is more than the engines serve ({settings.ENGINE_MAX_LORA_RANK}).",
                f"Choose at most {settings.ENGINE_MAX_LORA_RANK * chosen // rank}, or ask an operator to raise GUILDHALL_ENGINE_MAX_LORA_RANK.",
                "rank",
            )
        ]
    return []


# Of these peft can switch the adapter off, and what remains is the base model.
CAN_BE_HELD = ("lora", "oft", "ia3")


def holding_findings(method: Method, recipe: Recipe) -> list[PreflightFinding]:
    """Whether the method can be held to its base model without a second model in memory."""
    if not divergence_weight(recipe):
        return []
    if method.name in CAN_BE_HELD and getattr(recipe, "variant", "") != "pissa":
        return []
    return [
        PreflightFinding(
            "stop",
            "This method cannot be held to its base model: the base model would have to be in memory a second time.",
            "Choose LoRA without PiSSA, OFT or IA3, or set “Hold to the base model” to 0.",
            "divergence_weight",
        )
    ]


def length_findings(method: Method, recipe: Recipe, base_model: BaseModel) -> list[PreflightFinding]:
    """Whether the longest row, with the trained positions before it, fits the base model's context."""
    virtual = method.virtual_tokens(recipe)
    context = base_model.context_length
    if not context or recipe.max_length + virtual <= context:
        return []
    before = f" and {virtual:,} trained positions before them" if virtual else ""
    return [
        PreflightFinding(
            "stop",
            f"Rows of {recipe.max_length:,} tokens{before} do not fit into {base_model}, which supports {context:,}.",
            f"Choose at most {max(0, context - virtual):,}.",
            "max_length",
        )
    ]


def serving_findings(
    method: Method, recipe: Recipe, data: DataFigures, start: ModelVersion | None = None
) -> list[PreflightFinding]:
    findings = []
    result = result_of(method, recipe, start)
    if (
        result.kind == ModelVersion.Kind.FULL
        and result.serving == Serving.WHOLE
        and settings.ENGINE_MAX_FULL == 0
    ):
        findings.append(
            PreflightFinding(
                "warn",
                "No engine can be started for full models here, so the result could not be served.",
                "Ask an operator to raise GUILDHALL_ENGINE_MAX_FULL, or train an adapter.",
            )
        )
    if result.serving == Serving.TRANSFORMERS and settings.ENGINE_MAX_TRANSFORMERS == 0:
        findings.append(
            PreflightFinding(
                "warn",
                "No transformers engine can be started here, so the result could not be served.",
                "Ask an operator to raise GUILDHALL_ENGINE_MAX_TRANSFORMERS, or choose another method.",
            )
        )
    longest = data.longest_row + method.virtual_tokens(recipe)
    if longest > settings.ENGINE_MAX_MODEL_LEN:
        about = "" if data.exact else "about "
        findings.append(
            PreflightFinding(
                "warn",
                f"The longest row has {about}{longest:,} tokens and engines accept "
                f"{settings.ENGINE_MAX_MODEL_LEN:,}: it could not be served.",
                "Ask an operator to raise GUILDHALL_ENGINE_MAX_MODEL_LEN.",
                "max_length",
            )
        )
    return findings
