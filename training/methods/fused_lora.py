"""LoRA's layers with fewer passes over their outputs, for training on processors. Runs in workers only.

peft adds the adapter's part to each layer's output: two thin products and two passes over the output, and twice as many in the
backward pass. Here one function does both passes, in one of two ways:

* Many rows in float32: the adapter is added to the weights first (W + s B A), which costs rank / rows of the large product, and the
  layer is then one product forwards and one backwards. The thin products that remain are those of the adapter's own gradients.
* Few rows, or bfloat16, where adding the adapter to the weights would lose it (they are too coarse for steps so small): the thin
  products are added to the large one's output in place, and the thin product of the input is kept for the backward pass.

Less is kept for the backward pass, too. The result differs by rounding only.
"""

from typing import Protocol

import torch
from peft.tuners.lora.layer import Linear
from torch.nn.functional import linear, silu


class _Context(Protocol):
    """What torch keeps between a function's two passes."""

    scale: float
    needs_input_grad: tuple[bool, ...]
    saved_tensors: tuple[torch.Tensor, ...]

    def save_for_backward(self, *tensors: torch.Tensor) -> None: ...


class _Sum(torch.autograd.Function):
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
        return linear(x, torch.addmm(weight, b, a, alpha=scale), bias)

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


class _Thin(torch.autograd.Function):
    """The same as x W^T + bias + scale (x A^T) B^T."""

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
        rows = x.reshape(-1, weight.shape[1])
        narrow = rows @ a.T
        result = linear(rows, weight, bias).addmm_(narrow, b.T, alpha=scale)
        ctx.save_for_backward(rows, weight, a, b, narrow)
        ctx.scale = scale
        return result.view(*x.shape[:-1], len(weight))

    @staticmethod
    def backward(ctx: _Context, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, weight, a, b, narrow = ctx.saved_tensors
        scale = ctx.scale
        grad = grads[0].reshape(-1, weight.shape[0])
        of_narrow = grad @ b
        grad_x = (grad @ weight).addmm_(of_narrow, a, alpha=scale) if ctx.needs_input_grad[0] else None
        grad_a = scale * (of_narrow.T @ rows)
        grad_b = scale * (grad.T @ narrow)
        shape = (*grads[0].shape[:-1], rows.shape[1])
        return None if grad_x is None else grad_x.view(shape), None, None, grad_a, grad_b, None


class _Gated(torch.autograd.Function):
    """_Thin of x = silu(gate) * up. The product and its first factor are made again in the backward pass: together with the input of
    the layer, two of the four numbers that are otherwise kept for each inner position."""

    @staticmethod
    def forward(
        ctx: _Context,
        gate: torch.Tensor,
        up: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        a: torch.Tensor,
        b: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        rows = (silu(gate) * up).reshape(-1, weight.shape[1])
        narrow = rows @ a.T
        result = linear(rows, weight, bias).addmm_(narrow, b.T, alpha=scale)
        ctx.save_for_backward(gate, up, weight, a, b, narrow)
        ctx.scale = scale
        return result.view(*gate.shape[:-1], len(weight))

    @staticmethod
    def backward(ctx: _Context, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        gate, up, weight, a, b, narrow = ctx.saved_tensors
        scale = ctx.scale
        grad = grads[0].reshape(-1, weight.shape[0])
        of_narrow = grad @ b
        grad_rows = (grad @ weight).addmm_(of_narrow, a, alpha=scale).view_as(gate)
        share = torch.sigmoid(gate)
        opened = gate * share
        grad_a = scale * (of_narrow.T @ (opened * up).reshape(-1, weight.shape[1]))
        grad_b = scale * (grad.T @ narrow)
        grad_up = grad_rows * opened
        # silu'(x) = s + x s (1 - s), with s the sigmoid of x
        grad_gate = grad_rows.mul_(up).mul_(share.add_(opened - opened * share))
        return grad_gate, grad_up, None, None, grad_a, grad_b, None


def _dtype_of_products(x: torch.Tensor) -> torch.dtype:
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype


class FusedLinear(Linear):
    """peft's layer, which computes as above where that is exact and cheaper, and as peft does elsewhere."""

    def forward(self, x: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        if args or kwargs or not self._can_fuse(x):
            result: torch.Tensor = super().forward(x, *args, **kwargs)
            return result
        outputs, inputs = self.get_base_layer().weight.shape
        many = x.numel() // inputs * (inputs + outputs) > inputs * outputs
        # Adding the adapter to weights in bfloat16 would lose it.
        exact = not torch.is_autocast_enabled("cpu")
        way: type[_Sum | _Thin] = _Sum if many and exact else _Thin
        dtype = _dtype_of_products(x)
        product: torch.Tensor = way.apply(x.to(dtype), *self._in(dtype))
        return product

    def gated(self, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        """This layer of silu(gate) * up, of which only the two factors are kept for the backward pass."""
        product: torch.Tensor = _Gated.apply(gate, up, *self._in(gate.dtype))
        return product

    def can_gate(self, x: torch.Tensor) -> bool:
        """Whether `gated` may take the place of the layer, for an input with the precision of `x`. In bfloat16 it saves nothing
        (docs/reference/training-memory.md)."""
        return torch.is_grad_enabled() and self._can_fuse(x) and not torch.is_autocast_enabled("cpu")

    def _in(self, dtype: torch.dtype) -> tuple[torch.Tensor | float | None, ...]:
        """(weight, bias, A, B, scale) in `dtype`."""
        (name,) = self.active_adapters
        base = self.get_base_layer()
        weights = (base.weight, base.bias, self.lora_A[name].weight, self.lora_B[name].weight)
        return (*(None if each is None else each.to(dtype) for each in weights), self.scaling[name])

    def _can_fuse(self, x: torch.Tensor) -> bool:
        if self.disable_adapters or self.merged or len(self.active_adapters) != 1 or x.device.type != "cpu":
            return False
        if torch.is_autocast_enabled("cpu"):
            return x.dtype in (torch.float32, torch.get_autocast_dtype("cpu"))
        return x.dtype == torch.float32


# Feed-forward parts that compute down(act(gate(x)) * up(x)) and nothing else.
GATED = ("LlamaMLP", "MistralMLP", "Olmo2MLP", "Qwen2MLP", "Qwen3MLP", "SmolLM3MLP")


class _GatedMLP(torch.nn.Module):
    """A feed-forward part whose down projection takes the two factors of its input."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.down_proj.can_gate(x):
            plain: torch.Tensor = super().forward(x)
            return plain
        gate, up = self.gate_proj(x), self.up_proj(x)
        result: torch.Tensor = self.down_proj.gated(gate, up)
        return result


def _with_gate(plain: type[torch.nn.Module]) -> type[torch.nn.Module]:
    return type(f"Fused{plain.__name__}", (_GatedMLP, plain), {})


def fuse(model: torch.nn.Module) -> None:
    """Lets the LoRA layers of `model` that are plain ones compute so. Their weights, names and files stay as they are."""
    for module in model.modules():
        if type(module) is Linear and _is_plain(module):
            module.__class__ = FusedLinear
    for module in model.modules():
        if (
            type(module).__name__ in GATED
            and type(module.down_proj) is FusedLinear
            and type(module.act_fn).__name__ in ("SiLU", "SiLUActivation")
        ):
            module.__class__ = _with_gate(type(module))


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
