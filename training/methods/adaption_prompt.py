"""Adaption prompts (LLaMA-Adapter, Zhang et al. 2023): trained prompts in the attention of each layer, let in by a gate that starts
closed.

Learning rate: 5e-3 in PEFT's comparison of methods (MetaMathQA, Llama 3.2 3B, 4 rows a step). The 9e-3 of the authors' code is for 256 rows a
step; the code scales it by the rows.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from training.methods.base import Recipe, epochs_of
from training.methods.frozen import BesideFrozen
from training.methods.settings import setting
from training.methods.shapes import layers_of, widths_of

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

# Those that peft knows and whose attention is Llama's (peft.tuners.adaption_prompt.config).
KNOWN = ("llama", "mistral")


@dataclass(frozen=True, kw_only=True)
class AdaptionPromptRecipe(Recipe):
    learning_rate: float = setting(
        default=5e-3,
        label="Learning rate",
        help="The size of a step at its largest.",
        least=1e-7,
        most=1.0,
        source="PEFT's comparison of methods, with 4 rows a step; the gates start at zero",
    )
    length: int = setting(
        default=10,
        label="Prompt length",
        help="Trained vectors in each layer.",
        least=1,
        most=512,
        source="the paper's",
    )
    layers: int = setting(
        default=0,
        label="Layers",
        help="Counted from the top. 0 takes all.",
        least=0,
        most=1000,
        advanced=True,
        source="the paper leaves out 2 of 32, which made little difference",
    )


class AdaptionPrompt(BesideFrozen):
    name: ClassVar[str] = "adaption-prompt"
    label: ClassVar[str] = "Adaption prompts"
    summary: ClassVar[str] = (
        "Adds trained prompts to each layer's attention through gates that start closed, so that training starts exactly at the base "
        "model. vLLM cannot serve it: answers come from the slower transformers engine."
    )
    group: ClassVar[str] = "Trained prompts"
    recipe: type[Recipe] = AdaptionPromptRecipe
    shape: ClassVar[tuple[str, ...]] = ("length", "layers")

    def unavailable(self, architecture: dict[str, Any], device: str) -> str:
        kind = str(architecture.get("model_type") or "")
        if kind not in KNOWN:
            return f"{self.label} exist for {' and '.join(KNOWN)}, and this base model is of type {kind or 'unknown'}."
        widths = widths_of(architecture)
        if not widths or widths["q_proj"][0] != widths["q_proj"][1]:
            return f"{self.label} need queries as wide as the hidden state, and this base model's are not."
        return ""

    def trainable(self, architecture: dict[str, Any], parameters: int, recipe: Recipe) -> int:
        """The vectors of each layer and its gate."""
        assert isinstance(recipe, AdaptionPromptRecipe)
        hidden = int(architecture.get("hidden_size") or 0)
        return _layers(layers_of(architecture), recipe) * (recipe.length * hidden + 1)

    def describe(self, recipe: Recipe) -> str:
        assert isinstance(recipe, AdaptionPromptRecipe)
        return f"{recipe.length} vectors a layer, lr {recipe.learning_rate:g}, {epochs_of(recipe)}"

    def adapted(self, model: "PreTrainedModel", recipe: Recipe) -> "PeftModel":
        from peft import AdaptionPromptConfig, get_peft_model

        assert isinstance(recipe, AdaptionPromptRecipe)
        config = AdaptionPromptConfig(
            adapter_len=recipe.length,
            adapter_layers=_layers(model.config.num_hidden_layers, recipe),
            task_type="CAUSAL_LM",
        )
        return get_peft_model(model, config)


def _layers(all_layers: int, recipe: AdaptionPromptRecipe) -> int:
    return min(recipe.layers or all_layers, all_layers)
