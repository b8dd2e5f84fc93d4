"""The layers of bottleneck adapters, and their files. Imports torch, so only functions that run in workers import this module.

bottleneck_config.json         {"size", "hidden_size", "layers", "format"}
bottleneck.safetensors         <layer>.<attention|mlp>.<down|up>.<weight|bias>, float32
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CONFIG, WEIGHTS = "bottleneck_config.json", "bottleneck.safetensors"
FORMAT = 1
# "Near-identity initialization", section 2 of the paper: a truncated normal with this deviation.
START_DEVIATION = 1e-2
# The part of a decoder layer that each adapter follows.
AFTER = {"attention": "self_attn", "mlp": "mlp"}


class BottleneckLayer(nn.Module):
    """x + up(gelu(down(x))): (..., hidden) to (..., hidden), in the precision of x."""

    def __init__(self, hidden: int, size: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(hidden, size), nn.Linear(size, hidden)
        for linear in (self.down, self.up):
            nn.init.trunc_normal_(
                linear.weight, std=START_DEVIATION, a=-2 * START_DEVIATION, b=2 * START_DEVIATION
            )
            nn.init.zeros_(linear.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = nn.functional.gelu(self.down(x.to(self.down.weight.dtype)))
        return x + self.up(inner).to(x.dtype)


def _follow(module: nn.Module, _: object, output: Any) -> Any:
    """A forward hook of attention or feed-forward: their output, or its first part, through the adapter."""
    layer = module.bottleneck
    return (layer(output[0]), *output[1:]) if isinstance(output, tuple) else layer(output)


def insert(model: "PreTrainedModel", size: int) -> "PreTrainedModel":
    """Adds new adapters to each decoder layer, in float32 on the model's device."""
    hidden = model.config.hidden_size
    for layer in model.get_decoder().layers:
        for part in AFTER.values():
            module = layer.get_submodule(part)
            module.bottleneck = BottleneckLayer(hidden, size).to(model.device)
            module.register_forward_hook(_follow)
    return model


def _adapters(model: nn.Module) -> Iterator[tuple[str, BottleneckLayer]]:
    """("<layer>.<attention|mlp>", adapter) of each."""
    for at, layer in enumerate(model.get_decoder().layers):
        for name, part in AFTER.items():
            yield f"{at}.{name}", layer.get_submodule(part).bottleneck


def save(model: nn.Module, folder: Path) -> None:
    weights = {
        f"{place}.{name}": weight.detach().float().cpu().contiguous()
        for place, adapter in _adapters(model)
        for name, weight in adapter.state_dict().items()
    }
    down = weights["0.attention.down.weight"]
    config = {
        "format": FORMAT,
        "size": down.shape[0],
        "hidden_size": down.shape[1],
        "layers": len(model.get_decoder().layers),
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    save_file(weights, folder / WEIGHTS)


def attach(model: "PreTrainedModel", folder: Path) -> "PreTrainedModel":
    """The stored adapters in `model`, ready to answer. ValueError when they were made for a model of another shape."""
    config = json.loads((folder / CONFIG).read_text())
    shape = (model.config.hidden_size, model.config.num_hidden_layers)
    if config["format"] != FORMAT or (config["hidden_size"], config["layers"]) != shape:
        raise ValueError(
            f"{CONFIG} does not describe adapters of a model with hidden size and layers {shape}."
        )
    fill(insert(model.requires_grad_(False), config["size"]), folder)
    return model.eval()


def fill(model: nn.Module, folder: Path) -> None:
    """Gives the adapters in `model` the stored values. ValueError when they are of another shape."""
    weights = load_file(folder / WEIGHTS)
    for place, adapter in _adapters(model):
        own = adapter.state_dict()
        values = {name: weights.get(f"{place}.{name}") for name in own}
        if any(value is None or value.shape != own[name].shape for name, value in values.items()):
            raise ValueError(f"{WEIGHTS} does not fit the adapters of the model.")
        adapter.load_state_dict(values)
