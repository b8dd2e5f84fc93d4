"""PiSSA (Meng et al. 2024): a LoRA adapter that starts from the largest singular directions of each weight.

peft takes those directions out of the base weights (W - s B0 A0), so the adapter alone does not fit the stored base model. When it
is stored it becomes a plain LoRA adapter of twice the rank on the unchanged base:

    W - s B0 A0 + s B A  =  W + [s B, -s B0] [A; A0]

(Appendix of the paper; peft's `path_initial_model_for_weight_conversion` does the same but refuses rank-stabilised scaling.)
The start is computed from the base model alone, so a resumed run finds the same one.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from training.methods import stored

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor
    from transformers import PreTrainedModel

# The stored adapter's rank, as a multiple of the trained one's.
RANKS = 2
_START = "_pissa_start"


def _pairs(model: "PeftModel") -> "dict[str, tuple[Tensor, Tensor, float]]":
    """{module: (A, B, scale)} of the adapter."""
    return {
        name: (module.lora_A["default"].weight, module.lora_B["default"].weight, module.scaling["default"])
        for name, module in model.named_modules()
        if hasattr(module, "lora_A") and "default" in module.lora_A
    }


def keep_start(model: "PeftModel") -> None:
    """Remembers A0 and B0 of a new adapter."""
    setattr(
        model,
        _START,
        {
            name: (a.detach().cpu().clone(), b.detach().cpu().clone())
            for name, (a, b, _) in _pairs(model).items()
        },
    )


def has_start(model: "PreTrainedModel | PeftModel") -> bool:
    return hasattr(model, _START)


def save_as_lora(model: "PeftModel", folder: Path) -> None:
    """Stores the plain LoRA adapter that answers as `model` does on the unchanged base model."""
    import torch

    start = getattr(model, _START)
    config = model.peft_config["default"]
    with torch.no_grad():
        for name, (a, b, scale) in _pairs(model).items():
            first_a, first_b = (tensor.to(a.device, a.dtype) for tensor in start[name])
            module = model.get_submodule(name)
            module.lora_A["default"].weight = torch.nn.Parameter(torch.cat([a, first_a]))
            module.lora_B["default"].weight = torch.nn.Parameter(
                torch.cat([scale * b, -scale * first_b], dim=1)
            )
    config.r = RANKS * config.r
    config.lora_alpha = config.r  # the scale is in B
    config.use_rslora = False
    config.init_lora_weights = True
    stored.save_adapter(model, folder)
