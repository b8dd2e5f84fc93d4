"""LoRA (Hu et al. 2021): small matrices beside the frozen weights, stored and served as an adapter."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from training.methods.base import Recipe, epochs_of, setting
from training.serving import Serving

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")


@dataclass(frozen=True, kw_only=True)
class LoRARecipe(Recipe):
    learning_rate: float = setting(
        default=1e-3,
        label="Learning rate",
        help="The size of a step at its largest.",
        least=1e-7,
        most=1e-1,
        source="measured on the demo examples: validation loss 1.71 against 1.80 with 5e-4; large models need less",
    )
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


def _of_lora(recipe: Recipe) -> LoRARecipe:
    assert isinstance(recipe, LoRARecipe)
    return recipe


class LoRA:
    name: ClassVar[str] = "lora"
    label: ClassVar[str] = "LoRA"
    summary: ClassVar[str] = (
        "Trains a small adapter beside the frozen model. Fast and small; several share one engine."
    )
    recipe: type[Recipe] = LoRARecipe

    def version_kind(self, recipe: Recipe) -> str:
        return "adapter"

    def serving(self, recipe: Recipe) -> Serving:
        return Serving.ADAPTER

    def unavailable(self, architecture: dict[str, Any], device: str) -> str:
        return ""

    def rank(self, recipe: Recipe) -> int | None:
        return _of_lora(recipe).rank

    def trainable(self, architecture: dict[str, Any], parameters: int, recipe: Recipe) -> int:
        """r * (inputs + outputs) for each linear layer. Exact for Llama-like models, close for others."""
        own = _of_lora(recipe)
        hidden = int(architecture.get("hidden_size") or 0)
        layers = int(architecture.get("num_hidden_layers") or 0)
        if not hidden or not layers:
            return parameters // 30
        heads = int(architecture.get("num_attention_heads") or 1)
        head = int(architecture.get("head_dim") or hidden // heads)
        queries = heads * head
        keys = int(architecture.get("num_key_value_heads") or heads) * head
        inner = int(architecture.get("intermediate_size") or 4 * hidden)
        width = 2 * (hidden + queries) + 2 * (hidden + keys)
        if own.targets == "all-linear":
            width += 3 * (hidden + inner)
        return own.rank * width * layers

    def bytes_per_weight(self, device: str) -> int:
        # bfloat16 halves the frozen weights on a GPU; on a CPU it is slower than float32 (docs/decisions/training.md).
        return 2 if device == "cuda" else 4

    def describe(self, recipe: Recipe) -> str:
        own = _of_lora(recipe)
        scaled = ", rank-stabilised" if own.rslora else ""
        return f"r {own.rank}{scaled}, lr {recipe.learning_rate:g}, {epochs_of(recipe)}"

    def dropout(self, recipe: Recipe) -> float:
        return _of_lora(recipe).dropout

    def load(self, folder: Path, recipe: Recipe, device: str) -> "PeftModel":
        import torch
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.bfloat16 if device == "cuda" else torch.float32,
            trust_remote_code=False,
            use_safetensors=True,
        )
        return self.adapted(model, recipe)

    def adapted(self, model: "PreTrainedModel", recipe: Recipe) -> "PeftModel":
        """The loaded model with a new adapter beside it, ready to train."""
        from peft import LoraConfig, get_peft_model

        present = {name.rpartition(".")[2] for name, _ in model.named_modules()}
        own = _of_lora(recipe)
        targets: str | list[str] = own.targets
        if targets == "attention":
            targets = [name for name in ATTENTION if name in present]
        config = LoraConfig(
            r=own.rank,
            lora_alpha=own.alpha,
            lora_dropout=own.dropout,
            target_modules=targets,
            use_rslora=own.rslora,
            bias="none",
            task_type="CAUSAL_LM",
        )
        return get_peft_model(model, config)

    def attach(self, model: "PreTrainedModel", folder: Path) -> "PeftModel":
        from peft import PeftModel

        return PeftModel.from_pretrained(model, folder, is_trainable=False)

    def save(self, model: "PreTrainedModel | PeftModel", folder: Path) -> None:
        model.save_pretrained(folder, safe_serialization=True)
        (folder / "README.md").unlink(missing_ok=True)
        # The base model's path is only valid on this host, and equal adapters should have equal bytes.
        config = folder / "adapter_config.json"
        values = json.loads(config.read_text())
        values["base_model_name_or_path"] = None
        if isinstance(values.get("target_modules"), list):
            values["target_modules"].sort()
        config.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")
