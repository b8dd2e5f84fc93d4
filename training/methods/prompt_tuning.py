"""Prompt tuning (Lester et al. 2021): trained vectors stand before the embeddings of every prompt.

Learning rate: 0.3 in the paper, with Adafactor; 3e-2 in PEFT's guide to prompt-based methods, with AdamW; 1e-3 in PEFT's comparison of
methods, where LoRA has 1e-4 (MetaMathQA, Llama 3.2 3B, 5,000 steps of 4 rows). A run here has a hundredth of those steps.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from training.methods.base import Recipe, epochs_of
from training.methods.frozen import BesideFrozen
from training.methods.settings import setting
from training.serving import Serving

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor
    from transformers import PreTrainedModel


@dataclass(frozen=True, kw_only=True)
class PromptTuningRecipe(Recipe):
    learning_rate: float = setting(
        default=3e-2,
        label="Learning rate",
        help="The size of a step at its largest.",
        least=1e-7,
        most=1.0,
        source="few vectors need large steps: 0.3 in the paper with another optimiser, 3e-2 in PEFT's guide",
    )
    length: int = setting(
        default=20,
        label="Trained positions",
        help="Vectors before each prompt. They count towards the context.",
        least=1,
        most=1024,
        source="the paper: beyond 20 the gain is small",
    )


class PromptTuning(BesideFrozen):
    name: ClassVar[str] = "prompt"
    label: ClassVar[str] = "Prompt tuning"
    summary: ClassVar[str] = (
        "Trains a few vectors that stand before every prompt, the fewest parameters of all. For a tone or a format, best on large "
        "models; learns few new facts. Shares the base model's engine."
    )
    group: ClassVar[str] = "Trained prompts"
    recipe: type[Recipe] = PromptTuningRecipe
    shape: ClassVar[tuple[str, ...]] = ("length",)

    def serving(self, recipe: Recipe) -> Serving:
        return Serving.PROMPT_EMBEDS

    def virtual_tokens(self, recipe: Recipe) -> int:
        assert isinstance(recipe, PromptTuningRecipe)
        return recipe.length

    def trainable(self, architecture: dict[str, Any], parameters: int, recipe: Recipe) -> int:
        return self.virtual_tokens(recipe) * int(architecture.get("hidden_size") or 0)

    def describe(self, recipe: Recipe) -> str:
        return f"{self.virtual_tokens(recipe)} positions, lr {recipe.learning_rate:g}, {epochs_of(recipe)}"

    def adapted(self, model: "PreTrainedModel", recipe: Recipe) -> "PeftModel":
        from peft import PromptTuningConfig, get_peft_model

        # The start: embeddings of random words, which the paper found better than random numbers.
        config = PromptTuningConfig(
            num_virtual_tokens=self.virtual_tokens(recipe),
            prompt_tuning_init="SAMPLE_VOCAB",
            task_type="CAUSAL_LM",
        )
        return with_positions(get_peft_model(model, config))

    def attach(self, model: "PreTrainedModel", folder: Path) -> "PeftModel":
        return with_positions(super().attach(model, folder))


def with_positions(model: "PeftModel") -> "PeftModel":
    """Gives the base model position ids, which peft leaves out here, so that padding on the left does not move a row away from the
    trained vectors before it."""

    def positions(
        _: object, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        mask: Tensor | None = kwargs.get("attention_mask")
        given = kwargs.get("inputs_embeds")
        given = kwargs.get("input_ids") if given is None else given
        if kwargs.get("position_ids") is None and mask is not None and mask.dim() == 2 and given is not None:
            # A later token of an answer comes alone, with the mask of everything before it.
            kwargs["position_ids"] = (mask.long().cumsum(1) - 1).clamp(min=0)[:, -given.shape[1] :]
        return args, kwargs

    model.get_base_model().register_forward_pre_hook(positions, with_kwargs=True)
    return model
