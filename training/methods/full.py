"""Full training: every weight is trained; the result is a complete model."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from training.methods import stored
from training.methods.base import Recipe, epochs_of
from training.methods.rounding import round_to_bfloat16
from training.methods.settings import setting
from training.serving import Serving

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


@dataclass(frozen=True, kw_only=True)
class FullRecipe(Recipe):
    learning_rate: float = setting(
        default=2e-5,
        label="Learning rate",
        help="The size of a step at its largest.",
        least=1e-7,
        most=1e-1,
        source="1e-5 to 5e-5 in published recipes; at most a tenth of LoRA's",
    )
    save_memory: bool = setting(
        default=True,
        label="Gradient checkpointing",
        help="Computes activations twice to save memory: about a third slower, and needs far less memory for long rows.",
        advanced=True,
        source="on: weights, gradients and optimiser already take 16 bytes a parameter",
    )


class FullFineTune:
    name: ClassVar[str] = "full"
    label: ClassVar[str] = "Full"
    summary: ClassVar[str] = "Trains every weight. Slower and larger; needs its own engine."
    group: ClassVar[str] = "Every weight"
    every_weight: ClassVar[bool] = True
    divisible: ClassVar[bool] = True
    package: ClassVar[str] = ""
    recipe: type[Recipe] = FullRecipe

    def version_kind(self, recipe: Recipe) -> str:
        return "full"

    def serving(self, recipe: Recipe) -> Serving:
        return Serving.WHOLE

    def unavailable(self, architecture: dict[str, Any], device: str) -> str:
        return ""

    def rank(self, recipe: Recipe) -> int | None:
        return None

    def virtual_tokens(self, recipe: Recipe) -> int:
        return 0

    def trainable(self, architecture: dict[str, Any], parameters: int, recipe: Recipe) -> int:
        return parameters

    def stored_bytes(self, parameters: int, trainable: int, recipe: Recipe) -> int:
        return 2 * parameters

    def bytes_per_weight(self, device: str) -> int:
        return 4

    def weights_bytes(self, architecture: dict[str, Any], parameters: int, device: str) -> int:
        return parameters * self.bytes_per_weight(device)

    def describe(self, recipe: Recipe) -> str:
        return f"all weights, lr {recipe.learning_rate:g}, {epochs_of(recipe)}"

    def dropout(self, recipe: Recipe) -> float:
        return 0.0

    def width(self, recipe: Recipe) -> int:
        return 0

    def fused(self, recipe: Recipe) -> bool:
        return False

    def pace(self, recipe: Recipe) -> float:
        return 1.0

    def load(self, folder: Path, recipe: Recipe, device: str) -> "PreTrainedModel":
        import torch
        from transformers import AutoModelForCausalLM

        # Master weights in float32: a bfloat16 weight cannot hold the small steps of fine-tuning. Matrix products run
        # in bfloat16 by autocast.
        return AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, trust_remote_code=False, use_safetensors=True
        )

    def continuing(self, recipe: Recipe) -> dict[str, Any]:
        return {}

    def fill(self, model: "PreTrainedModel | PeftModel", folder: Path) -> None:
        raise ValueError("Complete weights are loaded, not filled in.")

    def save(self, model: "PreTrainedModel | PeftModel", folder: Path) -> None:
        # Served in bfloat16 like its base. The Trainer no longer needs the model.
        round_to_bfloat16(model).save_pretrained(folder, safe_serialization=True)

    def attach(self, model: "PreTrainedModel", folder: Path) -> "PreTrainedModel":
        return stored.whole(model, folder)
