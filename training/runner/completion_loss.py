"""Cross entropy of completion tokens without all their logits at once. Imports torch, as `training.runner.loop` does.

A row of logits is as wide as the vocabulary: 1,200 completion tokens of a model with 128,000 entries are 600 MB in float32, and plain
cross entropy keeps three of them. Here the output layer works on a few positions at a time. Where it is frozen, the gradient of each
position is calculated at once and kept instead of the logits; where it is trained, its products are made again in the backward pass.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch.nn.functional import cross_entropy, linear

from training.methods.shapes import PLAIN_HEADS

# Logits that exist at once, 32 MB in float32.
LOGITS_AT_ONCE = 8_000_000


class _Context(Protocol):
    """What torch keeps between a function's two passes."""

    ignored: int
    needs_input_grad: tuple[bool, ...]
    saved_tensors: tuple[torch.Tensor, ...]

    def save_for_backward(self, *tensors: torch.Tensor) -> None: ...


def _portions(positions: int, vocabulary: int) -> Iterator[slice]:
    size = max(1, LOGITS_AT_ONCE // vocabulary)
    return (slice(at, at + size) for at in range(0, positions, size))


def _of_logits(logits: torch.Tensor, labels: torch.Tensor, ignored: int) -> torch.Tensor:
    """The gradient of each position's loss by its logits: probabilities, less one at the label. Ignored positions have none."""
    grad = torch.softmax(logits, dim=-1)
    known = labels.clamp(min=0).unsqueeze(1)
    grad.scatter_add_(1, known, torch.full_like(known, -1, dtype=grad.dtype))
    return grad.masked_fill_((labels == ignored).unsqueeze(1), 0.0)


class _TokenLosses(torch.autograd.Function):
    """(positions,) cross entropy in nats of `hidden` (positions, width) through `weight` (vocabulary, width), 0 where ignored."""

    @staticmethod
    def forward(
        ctx: _Context, hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, ignored: int
    ) -> torch.Tensor:
        ctx.ignored = ignored
        of_hidden, of_weight = ctx.needs_input_grad[:2]
        losses = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        at_once = torch.empty_like(hidden) if of_hidden and not of_weight else None
        for part in _portions(len(hidden), len(weight)):
            logits = linear(hidden[part], weight).float()
            losses[part] = cross_entropy(logits, labels[part], reduction="none", ignore_index=ignored)
            if at_once is not None:
                at_once[part] = _of_logits(logits, labels[part], ignored).to(weight.dtype) @ weight
        if at_once is not None:
            ctx.save_for_backward(at_once)
        else:
            ctx.save_for_backward(hidden, weight, labels)
        return losses

    @staticmethod
    def backward(ctx: _Context, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        each = grads[0].unsqueeze(1)
        if len(ctx.saved_tensors) == 1:
            at_once = ctx.saved_tensors[0]
            return (at_once * each).to(at_once.dtype), None, None, None
        hidden, weight, labels = ctx.saved_tensors
        grad_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        grad_weight = torch.zeros_like(weight)
        for part in _portions(len(hidden), len(weight)):
            logits = linear(hidden[part], weight).float()
            of_logits = (_of_logits(logits, labels[part], ctx.ignored) * each[part]).to(weight.dtype)
            if grad_hidden is not None:
                grad_hidden[part] = of_logits @ weight
            grad_weight.addmm_(of_logits.T, hidden[part])
        return grad_hidden, grad_weight, None, None


def token_losses(
    hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, *, ignored: int
) -> torch.Tensor:
    """(positions,) cross entropy in nats of `hidden` (positions, width) through the output layer's `weight` (vocabulary, width)."""
    kind = hidden.device.type
    if torch.is_autocast_enabled(kind):
        hidden, weight = (each.to(torch.get_autocast_dtype(kind)) for each in (hidden, weight))
    losses: torch.Tensor = _TokenLosses.apply(hidden, weight, labels, ignored)
    return losses


def plain_head(model: torch.nn.Module) -> torch.nn.Linear | None:
    """The output layer of a model whose logits are its product alone; None for other models."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return None  # its weights may be divided
    config = getattr(model, "config", None)
    found: Any = getattr(model, "get_output_embeddings", lambda: None)()
    plain = type(found) is torch.nn.Linear and found.bias is None and found.weight.dtype.is_floating_point
    return found if plain and getattr(config, "model_type", "") in PLAIN_HEADS else None


@contextmanager
def losses_for_logits(head: torch.nn.Linear, labels: torch.Tensor, *, ignored: int) -> Iterator[None]:
    """Inside, a model gives losses in place of logits: (rows, positions) in nats, those of the last positions but one for `labels`
    (rows, positions). The output layer works within the model's own forward pass, with its precision and its shards."""

    def forward(hidden: torch.Tensor) -> torch.Tensor:
        last = hidden[:, -1 - labels.shape[1] : -1]
        flat = last.reshape(-1, last.shape[-1])
        return token_losses(flat, head.weight, labels.reshape(-1), ignored=ignored).view(labels.shape)

    before = head.__dict__.get("forward")
    head.forward = forward
    try:
        yield
    finally:
        del head.forward
        if before is not None:
            head.forward = before
