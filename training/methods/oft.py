"""OFT (Qiu et al. 2023): each weight's inputs are rotated in blocks, which keeps the angles between its outputs.

A rotation is a product with the weight, so the result is merged into the base model when stored.

Learning rate: LoRA's. PEFT's comparison of methods (MetaMathQA, Llama 3.2 3B, 4 rows a step) trains LoRA, DoRA and OFT with one rate, 1e-4.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from training.methods.base import Recipe, epochs_of
from training.methods.frozen import MergedIntoBase
from training.methods.settings import setting
from training.methods.shapes import ATTENTION, MLP, layers_of, unlike_llama, widths_of

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


@dataclass(frozen=True, kw_only=True)
class OFTRecipe(Recipe):
    learning_rate: float = setting(
        default=1e-3,
        label="Learning rate",
        help="The size of a step at its largest.",
        least=1e-7,
        most=1e-1,
        source="LoRA's: PEFT's comparison of methods has one rate for both",
    )
    block: int = setting(
        default=32,
        label="Block",
        help="How many inputs are rotated together. Larger blocks can learn more. Where a layer's inputs do not divide by it, the "
        "nearest divisor is taken.",
        least=2,
        most=1024,
        source="PEFT's default",
    )


def block_for(inputs: int, wanted: int) -> int:
    """The divisor of `inputs` that peft takes for a wanted block: the nearest one, of two equally near the smaller
    (peft.tuners.oft.layer, adjust_oft_parameters)."""
    higher = next((size for size in range(wanted, inputs + 1) if inputs % size == 0), inputs)
    lower = next(size for size in range(min(wanted, inputs), 0, -1) if inputs % size == 0)
    return lower if wanted - lower <= higher - wanted else higher


class OFT(MergedIntoBase):
    name: ClassVar[str] = "oft"
    label: ClassVar[str] = "OFT"
    summary: ClassVar[str] = (
        "Rotates the inputs of each layer and keeps the angles between its outputs: tends to forget little. Slower than LoRA. Merged "
        "into the base; needs its own engine."
    )
    group: ClassVar[str] = "Small adapters"
    recipe: type[Recipe] = OFTRecipe

    def unavailable(self, architecture: dict[str, Any], device: str) -> str:
        return unlike_llama(architecture, self.label)

    def trainable(self, architecture: dict[str, Any], parameters: int, recipe: Recipe) -> int:
        """A skew-symmetric matrix, b (b - 1) / 2 numbers, for each block of b inputs of each linear layer."""
        assert isinstance(recipe, OFTRecipe)
        widths = widths_of(architecture)
        if not widths:
            return parameters // 30
        each = 0
        for inputs, _ in widths.values():
            block = block_for(inputs, recipe.block)
            each += inputs // block * (block * (block - 1) // 2)
        return each * layers_of(architecture)

    def pace(self, recipe: Recipe) -> float:
        # Measured as DoRA was (training.methods.lora): 3.41 s for a step in float32 and 1.82 in bfloat16, against 2.89 and 1.32.
        return 0.8

    def describe(self, recipe: Recipe) -> str:
        assert isinstance(recipe, OFTRecipe)
        return f"blocks of {recipe.block}, lr {recipe.learning_rate:g}, {epochs_of(recipe)}"

    def adapted(self, model: "PreTrainedModel", recipe: Recipe) -> "PeftModel":
        from peft import OFTConfig, get_peft_model

        assert isinstance(recipe, OFTRecipe)
        config = OFTConfig(
            oft_block_size=recipe.block, target_modules=[*ATTENTION, *MLP], bias="none", task_type="CAUSAL_LM"
        )
        return get_peft_model(model, config)
