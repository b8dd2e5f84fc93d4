"""LoRA (Hu et al. 2021) and its variants: small matrices beside the frozen weights.

Plain and PiSSA adapters are stored as LoRA and served beside their base model. vLLM refuses DoRA, so it is merged when stored.

Learning rates of the variants: DoRA's authors train Llama 3 8B with 1e-4, and PEFT's comparison of methods has 1e-4 for LoRA, DoRA and
rank-stabilised LoRA alike (Llama 3.2 3B); PiSSA's authors compare it with LoRA at one rate, 2e-5 with 128 rows a step. So all have one default
here, which was measured with plain LoRA on the 135M model.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from training.methods import pissa, stored
from training.methods.base import Recipe, epochs_of
from training.methods.frozen import STORED_WEIGHT, BesideFrozen
from training.methods.settings import setting
from training.methods.shapes import ATTENTION, layers_of, widths_of
from training.serving import Serving

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedModel

PLAIN, DORA, PISSA = "lora", "dora", "pissa"


@dataclass(frozen=True, kw_only=True)
class LowRankRecipe(Recipe):
    """What LoRA and QLoRA share."""

    rank: int = setting(
        default=16,
        label="Rank",
        help="The adapter's size. A higher rank can learn more and forget more.",
        least=1,
        most=512,
        source="16 suffices for a few thousand rows; the engine's limit is checked before launch",
    )
    alpha: int = setting(
        default=32,
        label="Alpha",
        help="Scales what the adapter adds: alpha / rank.",
        least=1,
        most=4096,
        advanced=True,
        source="twice the rank, the usual choice since the LoRA paper",
    )
    dropout: float = setting(
        default=0.0,
        label="Dropout",
        help="Reduces memorising over many epochs. Makes training about a third slower and needs about a third more memory.",
        least=0.0,
        most=0.9,
        advanced=True,
        source="PEFT's default: one or two epochs hardly overfit; QLoRA used 0.05 for small models",
    )
    targets: str = setting(
        default="all-linear",
        label="Where",
        choices=(("all-linear", "All linear layers"), ("attention", "Attention only")),
        advanced=True,
        source="all layers learn better than attention alone at equal size (QLoRA; LoRA Without Regret)",
    )
    rslora: bool = setting(
        default=False,
        label="Rank-stabilised scaling (rsLoRA)",
        help="Scales by alpha / √rank, so that high ranks learn at the same speed.",
        advanced=True,
        source="off: it matters for ranks above 64 (Kalajdzievski 2023)",
    )


@dataclass(frozen=True, kw_only=True)
class LoRARecipe(LowRankRecipe):
    learning_rate: float = setting(
        default=1e-3,
        label="Learning rate",
        help="The size of a step at its largest.",
        least=1e-7,
        most=1e-1,
        source="measured on the demo examples: validation loss 1.71 against 1.80 with 5e-4; large models need less",
    )
    variant: str = setting(
        default=PLAIN,
        label="Variant",
        help="DoRA adds the length of each weight column; it is merged into its base when stored, and has its own engine. PiSSA "
        "starts from the base's largest directions instead of from zero; its adapter is stored with twice the rank.",
        choices=(
            (PLAIN, "LoRA"),
            (DORA, "DoRA, merged when stored"),
            (PISSA, "PiSSA, double rank when stored"),
        ),
        advanced=True,
        source="plain LoRA: the fastest, and the most widely measured",
    )


def low_rank(recipe: Recipe) -> LowRankRecipe:
    assert isinstance(recipe, LowRankRecipe)
    return recipe


def adapted_parameters(architecture: dict[str, Any], parameters: int, recipe: Recipe) -> int:
    """r * (inputs + outputs) for each adapted linear layer. Exact for Llama-like models, close for others."""
    widths = adapted_widths(architecture, low_rank(recipe).targets)
    if not widths:
        return parameters // 30
    return sum(low_rank(recipe).rank * sum(width) for width in widths) * layers_of(architecture)


def adapted_widths(architecture: dict[str, Any], targets: str) -> list[tuple[int, int]]:
    """(inputs, outputs) of the adapted linear layers of one decoder layer."""
    widths = widths_of(architecture)
    return [width for name, width in widths.items() if targets == "all-linear" or name in ATTENTION]


def peft_config(model: "PreTrainedModel", recipe: LowRankRecipe, **more: object) -> "LoraConfig":
    """peft's configuration of an adapter for `model`; `more` are fields of a variant."""
    from peft import LoraConfig

    present = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    targets: str | list[str] = recipe.targets
    if targets == "attention":
        targets = [name for name in ATTENTION if name in present]
    return LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=targets,
        use_rslora=recipe.rslora,
        bias="none",
        task_type="CAUSAL_LM",
        **more,
    )


def _of_lora(recipe: Recipe) -> LoRARecipe:
    assert isinstance(recipe, LoRARecipe)
    return recipe


class LoRA(BesideFrozen):
    name: ClassVar[str] = "lora"
    label: ClassVar[str] = "LoRA"
    summary: ClassVar[str] = (
        "Trains a small adapter beside the frozen model. Fast and small; several share one engine."
    )
    group: ClassVar[str] = "Small adapters"
    recipe: type[Recipe] = LoRARecipe

    def version_kind(self, recipe: Recipe) -> str:
        return "full" if _of_lora(recipe).variant == DORA else "adapter"

    def serving(self, recipe: Recipe) -> Serving:
        return Serving.WHOLE if _of_lora(recipe).variant == DORA else Serving.ADAPTER

    def rank(self, recipe: Recipe) -> int | None:
        own = _of_lora(recipe)
        if own.variant == DORA:
            return None
        return pissa.RANKS * own.rank if own.variant == PISSA else own.rank

    def trainable(self, architecture: dict[str, Any], parameters: int, recipe: Recipe) -> int:
        """Those of the two matrices, and for DoRA the length of each output's weights."""
        own = _of_lora(recipe)
        pairs = adapted_parameters(architecture, parameters, recipe)
        if own.variant != DORA:
            return pairs
        outputs = sum(width[1] for width in adapted_widths(architecture, own.targets))
        return pairs + outputs * layers_of(architecture)

    def stored_bytes(self, parameters: int, trainable: int, recipe: Recipe) -> int:
        variant = _of_lora(recipe).variant
        if variant == DORA:
            return parameters * STORED_WEIGHT
        return trainable * STORED_WEIGHT * (pissa.RANKS if variant == PISSA else 1)

    def describe(self, recipe: Recipe) -> str:
        own = _of_lora(recipe)
        variant = {PLAIN: "", DORA: "DoRA, ", PISSA: "PiSSA, "}[own.variant]
        scaled = ", rank-stabilised" if own.rslora else ""
        return f"{variant}r {own.rank}{scaled}, lr {recipe.learning_rate:g}, {epochs_of(recipe)}"

    def dropout(self, recipe: Recipe) -> float:
        return _of_lora(recipe).dropout

    def pace(self, recipe: Recipe) -> float:
        # Processor time of a step on one thread, SmolLM2 135M, 2 rows of 221 tokens, least of three: 3.53 s with DoRA and 2.89 with LoRA in
        # float32, 2.10 and 1.32 with products in bfloat16. The middle of the two shares.
        return 0.7 if _of_lora(recipe).variant == DORA else 1.0

    def fused(self, recipe: Recipe) -> bool:
        own = _of_lora(recipe)
        return own.variant != DORA and not own.dropout

    def width(self, recipe: Recipe) -> int:
        return _of_lora(recipe).rank

    def continuing(self, recipe: Recipe) -> dict[str, Any]:
        own = _of_lora(recipe)
        if own.variant == DORA:
            return {}
        same = {"variant": PLAIN, "targets": own.targets}
        if own.variant == PISSA:
            # As it is stored: the scale is in the weights (pissa.save_as_lora).
            ranks = pissa.RANKS * own.rank
            return same | {"rank": ranks, "alpha": ranks, "rslora": False}
        return same | {"rank": own.rank, "alpha": own.alpha, "rslora": own.rslora}

    def adapted(self, model: "PreTrainedModel", recipe: Recipe) -> "PeftModel":
        from peft import get_peft_model

        from training.methods.fused_lora import fuse

        own = _of_lora(recipe)
        config = peft_config(
            model,
            own,
            use_dora=own.variant == DORA,
            init_lora_weights="pissa" if own.variant == PISSA else True,
        )
        adapted = get_peft_model(model, config)
        if own.variant == PISSA:
            pissa.keep_start(adapted)
        fuse(adapted)
        return adapted

    def save(self, model: "PreTrainedModel | PeftModel", folder: Path) -> None:
        if model.peft_config["default"].use_dora:
            stored.save_merged(model, folder)
        elif pissa.has_start(model):
            pissa.save_as_lora(model, folder)
        else:
            stored.save_adapter(model, folder)

    def attach(self, model: "PreTrainedModel", folder: Path) -> "PreTrainedModel | PeftModel":
        is_adapter = (folder / "adapter_config.json").is_file()
        return stored.beside(model, folder) if is_adapter else stored.whole(model, folder)
