"""LoRA's layers with one large matrix product in place of three, for training in float32. Runs in workers only.

peft adds the adapter's part to each layer's output: two thin products and two passes over the output, and twice as many in the
backward pass. Here the adapter is added to the weights first (W + s B A), which costs rank / rows of the large product, and the
layer is then one product forwards and one backwards. The thin products that remain are those of the adapter's own gradients. Less is
kept for the backward pass, too. The result differs by rounding only.

Not in bfloat16, where adding the adapter to the weights would lose it: they are too coarse for steps so small.
"""

from typing import Protocol

import torch
from peft.tuners.lora.layer import Linear


class _Context(Protocol):
    """What torch keeps between a function's two passes."""

    scale: float
    needs_input_grad: tuple[bool, ...]
    saved_tensors: tuple[torch.Tensor, ...]

    def save_for_backward(self, *tensors: torch.Tensor) -> None: ...


class _Product(torch.autograd.Function):
    """x (W + scale B A)^T + bias, for frozen `weight` (outputs, inputs) and `bias`, trained `a` (rank, inputs), `b` (outputs, rank)."""

    @staticmethod
    def forward(
        ctx: _Context,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        a: torch.Tensor,
        b: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight, a, b)
        ctx.scale = scale
        return torch.nn.functional.linear(x, torch.addmm(weight, b, a, alpha=scale), bias)

    @staticmethod
    def backward(ctx: _Context, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, a, b = ctx.saved_tensors
        scale = ctx.scale
        grad = grads[0].reshape(-1, weight.shape[0])
        rows = x.reshape(-1, weight.shape[1])
        # The sum is made again: kept, it would be a second copy of all weights.
        grad_x = grad @ torch.addmm(weight, b, a, alpha=scale) if ctx.needs_input_grad[0] else None
        grad_a = scale * ((grad @ b).T @ rows)
        grad_b = scale * (grad.T @ (rows @ a.T))
        return None if grad_x is None else grad_x.view_as(x), None, None, grad_a, grad_b, None


class FusedLinear(Linear):
    """peft's layer, which computes as above where that is exact and cheaper, and as peft does elsewhere."""

    def forward(self, x: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        if args or kwargs or not self._can_fuse(x):
            result: torch.Tensor = super().forward(x, *args, **kwargs)
            return result
        (name,) = self.active_adapters
        base = self.get_base_layer()
        product: torch.Tensor = _Product.apply(
            x, base.weight, base.bias, self.lora_A[name].weight, self.lora_B[name].weight, self.scaling[name]
        )
        return product

    def _can_fuse(self, x: torch.Tensor) -> bool:
        if self.disable_adapters or self.merged or len(self.active_adapters) != 1:
            return False
        if torch.is_autocast_enabled(x.device.type) or x.dtype != torch.float32:
            return False
        # Few rows, as while an answer is written: two thin products are less work than changing all weights.
        outputs, inputs = self.get_base_layer().weight.shape
        return x.numel() // inputs * (inputs + outputs) > inputs * outputs


def fuse(model: torch.nn.Module) -> None:
    """Lets the LoRA layers of `model` that are plain ones compute so. Their weights, names and files stay as they are."""
    for module in model.modules():
        if type(module) is Linear and _is_plain(module):
            module.__class__ = FusedLinear


def _is_plain(module: Linear) -> bool:
    base = module.get_base_layer()
    names = list(module.lora_A)
    return (
        type(base) is torch.nn.Linear
        and base.weight.dtype == torch.float32
        and not base.weight.requires_grad
        and len(names) == 1
        and not module.fan_in_fan_out
        and not module.lora_variant  # DoRA and others
        and not any(module.lora_bias.get(name) for name in names)
        and isinstance(module.lora_dropout[names[0]], torch.nn.Identity)
        and module.lora_A[names[0]].weight.dtype == torch.float32
    )
