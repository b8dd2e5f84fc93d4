"""Vectors: those of a stored soft prompt, and the token embeddings of a stored model."""

import base64
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.engines.soft_prompts.asgi import NotServed

# Models that scale their token embeddings: the stored table is not what enters their first layer.
SCALED = ("gemma",)


@dataclass(frozen=True)
class SoftPrompt:
    """`vectors`: (virtual tokens, hidden size)."""

    path: str
    vectors: Any


def prompt_embeds(table: Any, prompt: SoftPrompt, tokens: list[int]) -> str:
    """The soft prompt and then the tokens' embeddings, in the form that vLLM reads: base64 of a saved tensor."""
    import torch

    own = table[torch.tensor(tokens, dtype=torch.long)]
    file = io.BytesIO()
    torch.save(torch.cat([prompt.vectors.to(own.dtype), own]), file)
    return base64.b64encode(file.getvalue()).decode()


def is_soft_prompt(path: Any) -> bool:
    """Whether the folder has an adapter of PEFT's prompt tuning."""
    try:
        config = json.loads((Path(path) / "adapter_config.json").read_text())
    except (OSError, ValueError, TypeError):
        return False
    return isinstance(config, dict) and config.get("peft_type") == "PROMPT_TUNING"


def read_vectors(folder: Path, hidden: int) -> Any:
    from safetensors.torch import load_file

    weights = load_file(folder / "adapter_model.safetensors")
    vectors = weights["prompt_embeddings"]
    if vectors.dim() != 2 or vectors.shape[1] != hidden:
        raise NotServed(f"Its vectors have the shape {tuple(vectors.shape)}; the model needs width {hidden}.")
    return vectors


def embedding_table(folder: Path) -> Any:
    """The token embeddings of the stored model, mapped from their file, in its precision."""
    import torch
    from safetensors import safe_open
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    embedding = model.get_input_embeddings()
    if type(embedding) is not torch.nn.Embedding or config.model_type.startswith(SCALED):
        raise NotServed(
            f"Models of type {config.model_type} scale their embeddings; prompt tuning is not served for them."
        )
    name = next(key for key, module in model.named_modules() if module is embedding) + ".weight"
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as weights:
            if name in weights.keys():  # noqa: SIM118 (not a dict)
                return weights.get_tensor(name)
    raise NotServed(f"The stored model has no weight named {name}.")
