"""Base models as methods load them, and what methods store. Runs in workers and engines only."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


def frozen_base(folder: Path, device: str) -> "PreTrainedModel":
    """The base model as adapters are trained beside it: bfloat16 on a GPU, float32 on a CPU, where it is the faster one."""
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.bfloat16 if device == "cuda" else torch.float32,
        trust_remote_code=False,
        use_safetensors=True,
    )


def save_adapter(model: "PeftModel", folder: Path) -> None:
    """peft's files, the same bytes for the same weights."""
    model.save_pretrained(folder, safe_serialization=True)
    (folder / "README.md").unlink(missing_ok=True)
    # The base model's path is only valid on this host, and equal adapters should have equal bytes.
    config = folder / "adapter_config.json"
    values = json.loads(config.read_text())
    values["base_model_name_or_path"] = None
    for name in ("target_modules", "feedforward_modules"):
        if isinstance(values.get(name), list):
            values[name].sort()
    config.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")


def fill(model: "PeftModel", folder: Path) -> None:
    """Gives a new adapter the values of peft's files in `folder`. ValueError when they are of another shape."""
    from peft import get_peft_model_state_dict, set_peft_model_state_dict
    from peft.utils import load_peft_weights

    values, own = load_peft_weights(str(folder), device="cpu"), get_peft_model_state_dict(model)
    wrong = sorted(values.keys() ^ own.keys()) or sorted(
        name for name, value in values.items() if value.shape != own[name].shape
    )
    if wrong:
        raise ValueError(f"The stored adapter does not fit the model: {', '.join(wrong[:3])}.")
    set_peft_model_state_dict(model, values)


def save_merged(model: "PeftModel", folder: Path) -> None:
    """Complete weights, the adapter merged into its base.

    In float32: steps of training are smaller than bfloat16 can add to a weight, and the merged model should answer as the trained
    one does. On the processor, since a GPU may not hold the base model in float32.
    """
    import torch

    merged = model.to(device="cpu", dtype=torch.float32).merge_and_unload(progressbar=False, safe_merge=False)
    merged.save_pretrained(folder, safe_serialization=True)


def whole(model: "PreTrainedModel", folder: Path) -> "PreTrainedModel":
    """The complete model of `folder` in place of `model`, in its precision and on its device."""
    from transformers import AutoModelForCausalLM

    own = AutoModelForCausalLM.from_pretrained(
        folder, dtype=model.dtype, trust_remote_code=False, use_safetensors=True
    )
    return own.to(model.device).eval()


def beside(model: "PreTrainedModel", folder: Path) -> "PeftModel":
    """`model` with peft's adapter of `folder`."""
    from peft import PeftModel

    return PeftModel.from_pretrained(model, folder, is_trainable=False).to(model.device).eval()
