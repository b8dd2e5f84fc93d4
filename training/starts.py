"""What a training run starts from: the base model or an earlier version of the project, and what its result then is.

Exact for each kind of version:
    complete weights            any method starts from them, as from a base model
    a part beside its weights   the same method, with the same shape, continues from the trained values
A part is a LoRA adapter, a prompt, a prefix and so on; DoRA, OFT and IA3 are merged when they are stored, so their versions are
complete weights. The optimiser starts again from nothing.
"""

from dataclasses import dataclass
from typing import Any

from core.errors import Invalid
from core.json_types import Json
from training.methods import METHODS, Method, Recipe, recipe_from, settings_of
from training.models import BaseModel, ModelVersion
from training.objectives import known_recipe_type
from training.serving import Serving

Kind = ModelVersion.Kind


@dataclass(frozen=True)
class StoredResult:
    """What a run stores: `kind` of ModelVersion.Kind, and the rank of the adapter that vLLM loads."""

    kind: str
    serving: Serving
    rank: int | None
    stored_bytes: int


@dataclass(frozen=True)
class Refusal:
    """Why a run cannot start from a version, what to do, and the field of the form that it is about."""

    message: str
    advice: str
    setting: str = "continued_from"


def has_own_weights(version: ModelVersion | None) -> bool:
    """Whether the version stores complete weights, alone or with a part beside them."""
    return version is not None and version.kind == Kind.FULL


def has_part(version: ModelVersion | None) -> bool:
    """Whether a trained part stands beside the weights: a run can only continue it with the same method."""
    if version is None:
        return False
    return version.kind == Kind.ADAPTER or (
        version.kind == Kind.FULL and version.serving == Serving.TRANSFORMERS
    )


def result_of(
    method: Method, recipe: Recipe, start: ModelVersion | None, parameters: int = 0, trainable: int = 0
) -> StoredResult:
    """An adapter is served beside a base model. Beside the complete weights of a version there is no engine for it, so it is merged
    into them (LoRA), or stored with them for the transformers engine."""
    stored = method.stored_bytes(parameters, trainable, recipe)
    kind, serving = method.version_kind(recipe), method.serving(recipe)
    if not has_own_weights(start) or kind == Kind.FULL:
        return StoredResult(kind, serving, method.rank(recipe), stored)
    assert start is not None
    if serving == Serving.ADAPTER:
        return StoredResult(Kind.FULL, Serving.WHOLE, None, 4 * parameters)
    return StoredResult(Kind.FULL, Serving.TRANSFORMERS, None, start.artifact.size_bytes + stored)


def serving_words(method: Method, recipe: Recipe, start: ModelVersion | None) -> str:
    """ "by its own engine, merged into the weights of v3" """
    own = result_of(method, recipe, start)
    changed = own.kind != method.version_kind(recipe)
    how = "merged into" if own.serving == Serving.WHOLE else "with"
    return f"{own.serving.label}, {how} the weights of {start}" if changed else own.serving.label


def settings_to_continue(version: ModelVersion | None) -> dict[str, Any]:
    """The settings that a run must have to continue the part of this version; empty when it has none."""
    if version is None or version.training_run is None or not has_part(version):
        return {}
    training_run = version.training_run
    known = known_recipe_type(training_run.method, training_run.objective)
    if known is None:
        return {}
    try:
        return METHODS[training_run.method].continuing(recipe_from(known, training_run.recipe))
    except Invalid:  # a recipe of an earlier release
        return {}


def refusals(
    method: Method, recipe: Recipe, base_model: BaseModel | None, version: ModelVersion | None
) -> list[Refusal]:
    """Why a run with these values cannot start from `version`; empty when it can."""
    if version is None:
        return []
    if version.kind == Kind.BASE:
        return [Refusal(f"{version} is the base model itself.", "Leave “Continue from” empty.")]
    if version.status == ModelVersion.Status.REJECTED:
        return [Refusal(f"{version} was rejected by the token check.", "Choose another version.")]
    if base_model is not None and version.base_model_id != base_model.pk:
        return [
            Refusal(
                f"{version} was made from {version.base_model}, and tokenizer and template are those of its base model.",
                f"Choose {version.base_model} as the base model, or start from {base_model} itself.",
                "base_model",
            )
        ]
    return _of_part(method, recipe, version) if has_part(version) else []


def _of_part(method: Method, recipe: Recipe, version: ModelVersion) -> list[Refusal]:
    run = version.training_run
    own = METHODS.get(run.method) if run else None
    if own is None:
        return [
            Refusal(f"{version} was trained with a method that is not known here.", "Choose another version.")
        ]
    if own.name != method.name:
        return [
            Refusal(
                f"{version} is what {own.label} trained beside other weights, and {method.label} cannot continue that.",
                f"Choose {own.label}, start from the base model, or continue from a version with complete weights.",
                "method",
            )
        ]
    labels = {setting.name: setting for setting in settings_of(type(recipe))}
    needed = settings_to_continue(version)
    if not needed:
        return [Refusal(f"The settings of {version} cannot be read any more.", "Choose another version.")]
    return [
        Refusal(
            f"{version} was trained with another “{labels[name].label}”, which cannot change afterwards.",
            f"Set it to {_shown(labels[name].choices, value)}, or start from the base model.",
            name,
        )
        for name, value in needed.items()
        if getattr(recipe, name) != value
    ]


def _shown(choices: tuple[tuple[str, str], ...], value: Json) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"“{dict(choices)[value]}”" if value in dict(choices) else f"{value}"
