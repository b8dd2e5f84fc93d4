"""What the methods that train something beside a frozen base model have in common."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from training.methods import stored
from training.methods.base import Recipe
from training.serving import Serving

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

# Bytes of a weight stored in float32.
STORED_WEIGHT = 4


class BesideFrozen(ABC):
    """Stores an adapter of peft that the transformers engine serves, unless a method says otherwise."""

    every_weight: ClassVar[bool] = False
    divisible: ClassVar[bool] = True
    package: ClassVar[str] = ""
    # The settings that decide the shape of what is stored.
    shape: ClassVar[tuple[str, ...]] = ()

    def version_kind(self, recipe: Recipe) -> str:
        return "adapter"

    def serving(self, recipe: Recipe) -> Serving:
        return Serving.TRANSFORMERS

    def unavailable(self, architecture: dict[str, Any], device: str) -> str:
        return ""

    def rank(self, recipe: Recipe) -> int | None:
        return None

    def virtual_tokens(self, recipe: Recipe) -> int:
        return 0

    def stored_bytes(self, parameters: int, trainable: int, recipe: Recipe) -> int:
        return trainable * STORED_WEIGHT

    def bytes_per_weight(self, device: str) -> int:
        # bfloat16 halves the frozen weights on a GPU; on a CPU it is slower than float32 (docs/decisions/training.md).
        return 2 if device == "cuda" else 4

    def weights_bytes(self, architecture: dict[str, Any], parameters: int, device: str) -> int:
        return parameters * self.bytes_per_weight(device)

    def dropout(self, recipe: Recipe) -> float:
        return 0.0

    def width(self, recipe: Recipe) -> int:
        return 0

    def fused(self, recipe: Recipe) -> bool:
        return False

    def pace(self, recipe: Recipe) -> float:
        return 1.0

    def load(self, folder: Path, recipe: Recipe, device: str) -> "PreTrainedModel | PeftModel":
        return self.adapted(stored.frozen_base(folder, device), recipe)

    @abstractmethod
    def adapted(self, model: "PreTrainedModel", recipe: Recipe) -> "PreTrainedModel | PeftModel":
        """The loaded model with what is trained beside it, ready to train."""

    def continuing(self, recipe: Recipe) -> dict[str, Any]:
        return {name: getattr(recipe, name) for name in self.shape}

    def fill(self, model: "PreTrainedModel | PeftModel", folder: Path) -> None:
        stored.fill(model, folder)

    def save(self, model: "PreTrainedModel | PeftModel", folder: Path) -> None:
        stored.save_adapter(model, folder)

    def attach(self, model: "PreTrainedModel", folder: Path) -> "PreTrainedModel | PeftModel":
        return stored.beside(model, folder)


class MergedIntoBase(BesideFrozen):
    """Trains beside the frozen base model and is merged into it when stored: served as complete weights."""

    def version_kind(self, recipe: Recipe) -> str:
        return "full"

    def serving(self, recipe: Recipe) -> Serving:
        return Serving.WHOLE

    def stored_bytes(self, parameters: int, trainable: int, recipe: Recipe) -> int:
        return parameters * STORED_WEIGHT

    def continuing(self, recipe: Recipe) -> dict[str, Any]:
        return {}

    def fill(self, model: "PreTrainedModel | PeftModel", folder: Path) -> None:
        raise ValueError("Complete weights are loaded, not filled in.")

    def save(self, model: "PreTrainedModel | PeftModel", folder: Path) -> None:
        stored.save_merged(model, folder)

    def attach(self, model: "PreTrainedModel", folder: Path) -> "PreTrainedModel":
        return stored.whole(model, folder)
