"""QLoRA (Dettmers et al. 2023): LoRA beside a base model that is kept in 4 bits, for models that do not fit into the GPU's memory.

The base's linear layers are stored as NF4 with their scales quantised again (section 3 of the paper), and turned back into bfloat16 for
each product. The stored adapter is a plain LoRA adapter. vLLM serves it on the base model in full precision, which is not exactly what it
was trained beside: docs/reference/methods.md has the measured difference.

Learning rate: 2e-4 up to 13 billion parameters, 1e-4 for 33 and 65 billion (the paper, table 9).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from training.methods.base import Recipe, epochs_of
from training.methods.frozen import BesideFrozen
from training.methods.lora import LowRankRecipe, adapted_parameters, low_rank, peft_config
from training.methods.settings import setting
from training.methods.shapes import layers_of, widths_of
from training.serving import Serving

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

# 4 bits, and one 8-bit scale for 64 weights with a 32-bit scale for 256 of those: 0.127 bits (section 3 of the paper).
BYTES_OF_4_BIT_WEIGHT = (4 + 0.127) / 8
OTHER_WEIGHT = 2  # embeddings and norms stay in bfloat16


@dataclass(frozen=True, kw_only=True)
class QLoRARecipe(LowRankRecipe):
    learning_rate: float = setting(
        default=2e-4,
        label="Learning rate",
        help="The size of a step at its largest.",
        least=1e-7,
        most=1e-1,
        source="the paper's for up to 13 billion parameters; 1e-4 above",
    )


class QLoRA(BesideFrozen):
    name: ClassVar[str] = "qlora"
    label: ClassVar[str] = "QLoRA"
    summary: ClassVar[str] = (
        "LoRA beside a base model in 4 bits: a quarter of the memory for its weights, about a fifth slower. For models that do not fit "
        "otherwise. Needs an NVIDIA GPU. Served beside the base in full precision, so answers differ a little from training."
    )
    group: ClassVar[str] = "Small adapters"
    package: ClassVar[str] = "bitsandbytes"
    # Weights in 4 bits are bound to the device that they were quantised on.
    divisible: ClassVar[bool] = False
    recipe: type[Recipe] = QLoRARecipe
    shape: ClassVar[tuple[str, ...]] = ("rank", "alpha", "targets", "rslora")

    def serving(self, recipe: Recipe) -> Serving:
        return Serving.ADAPTER

    def unavailable(self, architecture: dict[str, Any], device: str) -> str:
        if device == "cuda":
            return ""
        return f"{self.label} needs an NVIDIA GPU, and the training machine has none."

    def rank(self, recipe: Recipe) -> int | None:
        return low_rank(recipe).rank

    def trainable(self, architecture: dict[str, Any], parameters: int, recipe: Recipe) -> int:
        return adapted_parameters(architecture, parameters, recipe)

    def weights_bytes(self, architecture: dict[str, Any], parameters: int, device: str) -> int:
        """The linear layers in 4 bits, the rest in bfloat16."""
        linear = sum(a * b for a, b in widths_of(architecture).values()) * layers_of(architecture)
        linear = min(linear, parameters)
        return round(linear * BYTES_OF_4_BIT_WEIGHT) + (parameters - linear) * OTHER_WEIGHT

    def dropout(self, recipe: Recipe) -> float:
        return low_rank(recipe).dropout

    def width(self, recipe: Recipe) -> int:
        return low_rank(recipe).rank

    def pace(self, recipe: Recipe) -> float:
        # 2,413 against 3,083 tokens a second with LoRA, Llama 3.1 8B on a 4090 (torchtune README).
        return 0.78

    def describe(self, recipe: Recipe) -> str:
        scaled = ", rank-stabilised" if low_rank(recipe).rslora else ""
        return f"4 bits, r {low_rank(recipe).rank}{scaled}, lr {recipe.learning_rate:g}, {epochs_of(recipe)}"

    def load(self, folder: Path, recipe: Recipe, device: str) -> "PreTrainedModel | PeftModel":
        """On "cpu" as well, where bitsandbytes computes the same in float32; far too slow for more than tests."""
        import torch
        from transformers import AutoModelForCausalLM, BitsAndBytesConfig

        dtype = torch.bfloat16 if device == "cuda" else torch.float32
        base = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            quantization_config=BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=dtype,
            ),
            # bitsandbytes quantises a weight when it reaches its device, and the model cannot be moved afterwards.
            device_map={"": device},
            trust_remote_code=False,
            use_safetensors=True,
        )
        return self.adapted(base, recipe)

    def adapted(self, model: "PreTrainedModel", recipe: Recipe) -> "PeftModel":
        from peft import get_peft_model

        return get_peft_model(model, peft_config(model, low_rank(recipe)))
