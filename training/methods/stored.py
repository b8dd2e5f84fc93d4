"""Stored weights beside a loaded base model, ready to answer. Runs in workers and engines only."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

PEFT_CONFIG = "adapter_config.json"


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
