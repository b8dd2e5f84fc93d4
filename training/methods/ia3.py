"""IA3 (Liu et al. 2022): one trained factor for each key, value and inner feed-forward number.

A factor multiplies a row or a column of a weight, so the result is merged exactly into the base model when stored.

Learning rate: 3e-3 in the paper's recipe T-Few, with Adafactor; 5e-3 in PEFT's comparison of methods, where LoRA has 1e-4 (MetaMathQA, Llama 3.2
3B, 4 rows a step). Smaller models take larger steps.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from training.methods.base import Recipe, epochs_of
from training.methods.frozen import MergedIntoBase
from training.methods.settings import setting
from training.methods.shapes import layers_of, unlike_llama, widths_of

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

# The paper's places (section 3.3): keys, values, and what goes into the second feed-forward layer.
SCALED, FEED_FORWARD = ("k_proj", "v_proj"), "down_proj"


@dataclass(frozen=True, kw_only=True)
class IA3Recipe(Recipe):
    learning_rate: float = setting(
        default=1e-2,
        label="Learning rate",
        help="The size of a step at its largest.",
        least=1e-7,
        most=1e-1,
        source="few factors near 1 need large steps: 3e-3 in the paper's T-Few, 5e-3 in PEFT's comparison with 3 billion parameters",
    )


class IA3(MergedIntoBase):
    name: ClassVar[str] = "ia3"
    label: ClassVar[str] = "IA3"
    summary: ClassVar[str] = (
        "Trains one factor for each key, value and feed-forward number, a hundredth of LoRA's parameters. For small shifts of style "
        "from few rows. Merged into the base; needs its own engine."
    )
    group: ClassVar[str] = "Small adapters"
    recipe: type[Recipe] = IA3Recipe

    def unavailable(self, architecture: dict[str, Any], device: str) -> str:
        return unlike_llama(architecture, self.label)

    def trainable(self, architecture: dict[str, Any], parameters: int, recipe: Recipe) -> int:
        widths = widths_of(architecture)
        if not widths:
            return parameters // 2000
        each = sum(widths[name][1] for name in SCALED) + widths[FEED_FORWARD][0]
        return each * layers_of(architecture)

    def describe(self, recipe: Recipe) -> str:
        return f"factors, lr {recipe.learning_rate:g}, {epochs_of(recipe)}"

    def adapted(self, model: "PreTrainedModel", recipe: Recipe) -> "PeftModel":
        from peft import IA3Config, get_peft_model

        config = IA3Config(
            target_modules=[*SCALED, FEED_FORWARD], feedforward_modules=[FEED_FORWARD], task_type="CAUSAL_LM"
        )
        return get_peft_model(model, config)
