"""Two LoRA adapters as one: what a person's adapter adds is exported together with the shared adapter that it stands on.

An engine answers a request with one adapter. With W the base's weight and s the scaling of each adapter,
W + s1 B1 A1 + s2 B2 A2 = W + [s1 B1, s2 B2] [A1; A2]: one adapter of rank r1 + r2 with scaling 1. Exact but for rounding.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
Pair = tuple["torch.Tensor", "torch.Tensor"]


class NotPlain(Exception):
    """An adapter that is more than B A beside each weight, so it cannot be joined."""


def join(first: Path, second: Path, target: Path) -> int:
    """Writes the sum of two adapters of peft (folders) into the empty folder `target`; returns its rank.

    A layer that only one of them has gets zeros for the other, since engines take one rank for all layers. NotPlain for DoRA, biases,
    trained modules and ranks that differ by layer.
    """
    import torch
    from safetensors.torch import save_file

    sides = [_read(folder) for folder in (first, second)]
    ranks = [config["r"] for config, _ in sides]
    layers = sorted({name for _, pairs in sides for name in pairs})
    tensors: dict[str, torch.Tensor] = {}
    for name in layers:
        downs, ups = [], []
        present = next(pairs[name] for _, pairs in sides if name in pairs)
        for (config, pairs), rank in zip(sides, ranks, strict=True):
            down, up = pairs.get(name) or (
                torch.zeros(rank, present[0].shape[1]),
                torch.zeros(present[1].shape[0], rank),
            )
            downs.append(down.float())
            ups.append(up.float() * scaling(config))
        tensors[f"{name}.lora_A.weight"] = torch.cat(downs, dim=0).contiguous()
        tensors[f"{name}.lora_B.weight"] = torch.cat(ups, dim=1).contiguous()
    save_file(tensors, target / WEIGHTS, metadata={"format": "pt"})
    rank = sum(ranks)
    modules = sorted({name.rpartition(".")[2] for name in layers})
    # lora_alpha equal to the rank: the scaling is in the weights already.
    config = sides[0][0] | {
        "r": rank,
        "lora_alpha": rank,
        "use_rslora": False,
        "target_modules": modules,
        "lora_dropout": 0.0,
        "init_lora_weights": True,
        "inference_mode": True,
    }
    (target / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    return rank


def scaling(config: dict[str, Any]) -> float:
    """alpha / r, or alpha / sqrt(r) for rsLoRA (Kalajdzievski 2023)."""
    rank = config["r"]
    return float(config["lora_alpha"] / (rank**0.5 if config.get("use_rslora") else rank))


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Pair]]:
    """(config, {layer: (A, B)})."""
    from safetensors.torch import load_file

    config = json.loads((folder / CONFIG).read_text())
    several = (
        "rank_pattern",
        "alpha_pattern",
        "modules_to_save",
        "use_dora",
        "lora_bias",
        "layer_replication",
    )
    if any(config.get(name) for name in several) or config.get("bias", "none") != "none":
        raise NotPlain("This adapter is not a plain LoRA adapter.")
    weights = load_file(folder / WEIGHTS)
    pairs: dict[str, Pair] = {}
    for name in weights:
        layer, found, _ = name.partition(".lora_A.weight")
        if found:
            pairs[layer] = (weights[name], weights[f"{layer}.lora_B.weight"])
    if 2 * len(pairs) != len(weights):
        raise NotPlain("This adapter has weights other than those of LoRA.")
    return config, pairs
