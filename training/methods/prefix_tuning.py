"""Prefix tuning (Li and Liang 2021): trained keys and values in every layer, as if a text stood before each prompt.

Learning rate: 5e-3 to 1e-2 in P-Tuning v2 (Liu et al. 2022), which trains keys and values themselves, as here; 5e-3 in PEFT's comparison of
methods from the keys and values of a real text (MetaMathQA, Llama 3.2 3B). The paper's 5e-5 is for its second network.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from training.methods.base import Recipe, epochs_of
from training.methods.frozen import BesideFrozen
from training.methods.settings import setting
from training.methods.shapes import layers_of, unlike_llama, widths_of

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


@dataclass(frozen=True, kw_only=True)
class PrefixTuningRecipe(Recipe):
    learning_rate: float = setting(
        default=1e-2,
        label="Learning rate",
        help="The size of a step at its largest.",
        least=1e-7,
        most=1.0,
        source="5e-3 to 1e-2 where keys and values are trained themselves (P-Tuning v2, Liu et al. 2022)",
    )
    length: int = setting(
        default=20,
        label="Trained positions",
        help="Keys and values before each prompt, in every layer. They count towards the context.",
        least=1,
        most=1024,
        source="the paper: 10 for table-to-text, 200 for summaries",
    )
    save_memory: bool = setting(
        default=False,
        label="Gradient checkpointing",
        advanced=True,
        source="off",
        fixed="Gradient checkpointing is not possible with prefix tuning: the prefix is a cache of keys and values, and computing "
        "activations twice works without a cache only.",
    )


class PrefixTuning(BesideFrozen):
    name: ClassVar[str] = "prefix"
    label: ClassVar[str] = "Prefix tuning"
    summary: ClassVar[str] = (
        "Trains keys and values that stand before every prompt in each layer. Steers more than prompt tuning and leaves every weight as "
        "it is. vLLM cannot serve it: answers come from the slower transformers engine."
    )
    group: ClassVar[str] = "Trained prompts"
    recipe: type[Recipe] = PrefixTuningRecipe
    shape: ClassVar[tuple[str, ...]] = ("length",)

    def unavailable(self, architecture: dict[str, Any], device: str) -> str:
        return unlike_llama(architecture, self.label)

    def virtual_tokens(self, recipe: Recipe) -> int:
        assert isinstance(recipe, PrefixTuningRecipe)
        return recipe.length

    def trainable(self, architecture: dict[str, Any], parameters: int, recipe: Recipe) -> int:
        """One key and one value for each position, layer and head of keys and values."""
        widths = widths_of(architecture)
        if not widths:
            return parameters // 500
        return self.virtual_tokens(recipe) * layers_of(architecture) * 2 * widths["k_proj"][1]

    def describe(self, recipe: Recipe) -> str:
        return f"{self.virtual_tokens(recipe)} positions, lr {recipe.learning_rate:g}, {epochs_of(recipe)}"

    def adapted(self, model: "PreTrainedModel", recipe: Recipe) -> "PeftModel":
        from peft import PrefixTuningConfig, get_peft_model

        # Before peft: with its prefix the base model would start from random numbers.
        length = self.virtual_tokens(recipe)
        start = _real_words(model, length)
        # Without the paper's second network: peft stores only its result, which a resumed run could not train on.
        config = PrefixTuningConfig(num_virtual_tokens=length, prefix_projection=False, task_type="CAUSAL_LM")
        adapted = get_peft_model(model, config)
        weight = adapted.prompt_encoder["default"].embedding.weight
        weight.data.copy_(start)
        return adapted


def _real_words(model: "PreTrainedModel", length: int) -> Any:
    """(length, layers x 2 x heads x head size): keys and values of random tokens, in peft's order. The paper starts from real words:
    random numbers train worse and vary more (section 7.4)."""
    import torch

    ids = torch.randint(0, model.config.vocab_size, (1, length), device=model.device)
    with torch.no_grad():
        cache = model(input_ids=ids, use_cache=True).past_key_values
    parts = [part[0] for layer in cache.layers for part in (layer.keys, layer.values)]
    # Each part is (heads, length, head size).
    return torch.stack(parts).permute(2, 0, 1, 3).reshape(length, -1).float()
