"""Bottleneck adapters (Houlsby et al. 2019): a small network after the attention and after the feed-forward part of each layer.

Learning rate: the paper tried 3e-5, 3e-4 and 3e-3 for each task (section 3.1), with Adam.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from training.methods.base import Recipe, epochs_of
from training.methods.frozen import BesideFrozen
from training.methods.settings import setting
from training.methods.shapes import layers_of, unlike_llama

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


@dataclass(frozen=True, kw_only=True)
class BottleneckRecipe(Recipe):
    learning_rate: float = setting(
        default=1e-3,
        label="Learning rate",
        help="The size of a step at its largest.",
        least=1e-7,
        most=1e-1,
        source="the paper searched 3e-5 to 3e-3, with the best results towards the top",
    )
    size: int = setting(
        default=64,
        label="Bottleneck",
        help="The width between the two projections of each adapter.",
        least=1,
        most=4096,
        source="the paper's middle size: 8 to 256 worked, with little difference",
    )


class Bottleneck(BesideFrozen):
    name: ClassVar[str] = "bottleneck"
    label: ClassVar[str] = "Bottleneck adapters"
    summary: ClassVar[str] = (
        "Adds two small networks to each layer, with a nonlinearity between their projections, which LoRA lacks. vLLM cannot serve it: "
        "answers come from the slower transformers engine."
    )
    group: ClassVar[str] = "Small adapters"
    recipe: type[Recipe] = BottleneckRecipe
    shape: ClassVar[tuple[str, ...]] = ("size",)

    def unavailable(self, architecture: dict[str, Any], device: str) -> str:
        return unlike_llama(architecture, self.label)

    def trainable(self, architecture: dict[str, Any], parameters: int, recipe: Recipe) -> int:
        """Two projections with their biases, twice in each layer."""
        assert isinstance(recipe, BottleneckRecipe)
        hidden = int(architecture.get("hidden_size") or 0)
        return 2 * layers_of(architecture) * (2 * hidden * recipe.size + recipe.size + hidden)

    def describe(self, recipe: Recipe) -> str:
        assert isinstance(recipe, BottleneckRecipe)
        return f"width {recipe.size}, lr {recipe.learning_rate:g}, {epochs_of(recipe)}"

    def width(self, recipe: Recipe) -> int:
        assert isinstance(recipe, BottleneckRecipe)
        return recipe.size

    def adapted(self, model: "PreTrainedModel", recipe: Recipe) -> "PreTrainedModel":
        from training.methods import bottleneck_layers

        assert isinstance(recipe, BottleneckRecipe)
        return bottleneck_layers.insert(model.requires_grad_(False), recipe.size)

    def fill(self, model: "PreTrainedModel | PeftModel", folder: Path) -> None:
        from training.methods import bottleneck_layers

        bottleneck_layers.fill(model, folder)

    def save(self, model: "PreTrainedModel | PeftModel", folder: Path) -> None:
        from training.methods import bottleneck_layers

        bottleneck_layers.save(model, folder)

    def attach(self, model: "PreTrainedModel", folder: Path) -> "PreTrainedModel":
        from training.methods import bottleneck_layers

        return bottleneck_layers.attach(model, folder)
