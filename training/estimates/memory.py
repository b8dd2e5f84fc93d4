"""The memory of a training step, first-order and on the safe side; each constant has its source. Pure functions."""

from dataclasses import dataclass
from typing import Any

from training.methods.shapes import PLAIN_HEADS

# What a worker needs besides weights and activations (measured on a CPU: 0.63 GB for Python, torch, transformers and peft). On a
# GPU the context and the libraries' own memory: 0.80 to 0.86 GB beside torch's on an H200.
PROCESS_BYTES = {"cpu": 800_000_000, "cuda": 1_000_000_000}


@dataclass(frozen=True)
class Kept:
    """Bytes that a Llama-like layer keeps per token for the backward pass, by width: hidden, queries, keys and values,
    inner, adapter rank, heads, and a constant. Counted exactly by autograd's hooks (benchmarks/activations.py)."""

    hidden: int
    queries: int
    keys: int
    inner: int
    rank: int

    def bytes_for(self, shape: "Shape", rank: int) -> int:
        return (
            self.hidden * shape.hidden
            + self.queries * shape.queries
            + self.keys * shape.keys
            + self.inner * shape.inner
            + self.rank * rank
            # The log-sum-exp of each head in float32, and two norms' scales.
            + 4 * shape.heads
            + 8
        )


# (method keeps an adapter, products in bfloat16 by autocast, dropout) to what is kept. The residual stream and what norms need
# are float32 in all of them; an adapter's input in float32 too.
KEPT = {
    (True, True, False): Kept(hidden=18, queries=6, keys=4, inner=8, rank=14),
    (True, True, True): Kept(hidden=38, queries=10, keys=4, inner=12, rank=14),
    (True, False, False): Kept(hidden=16, queries=8, keys=8, inner=16, rank=28),
    (True, False, True): Kept(hidden=48, queries=16, keys=8, inner=20, rank=28),
    (False, True, False): Kept(hidden=26, queries=4, keys=4, inner=8, rank=0),
    (False, False, False): Kept(hidden=24, queries=8, keys=8, inner=16, rank=0),
}
# Plain LoRA on a CPU by training.methods.fused_lora, by whether products are in bfloat16: one function a layer, and of the
# feed-forward part only the two factors. Counted in the same way; in float32 the larger of its two ways.
KEPT_FUSED = {
    True: Kept(hidden=18, queries=4, keys=4, inner=8, rank=14),
    False: Kept(hidden=16, queries=8, keys=8, inner=8, rank=28),
}
# CUDA's dropout keeps one byte for each number that goes into an adapter, in (hidden, queries, inner) widths: queries, keys, values,
# gate and up read the hidden state. On an H200 dropout added 20.1 kB a token and layer to the 1B shape; this gives 20.5.
GPU_DROPOUT_INPUTS = (5, 1, 1)
# Bytes a parameter while AdamW takes its step on a GPU: weights, gradients, two moments and one temporary, all in float32. It
# was the peak of full training with activations computed twice: 64.3 GB for 3.2 billion parameters on an H200.
GPU_STEP_BYTES = 20
# What the process needs beyond that: the results of matrix products, and freed blocks of other sizes, which a CPU's allocator keeps.
# CUDA's allocator gives back far more: on an H200 the estimates with 1.1 were 0 to 17%
# above the need. docs/reference/training-memory.md has the measurements on a CPU.
HELD = {"cpu": 1.5, "cuda": 1.1}
# Logits of a portion of positions in float32, their softmax and one temporary (training.runner.completion_loss).
LOGITS_BYTES = 3 * 4 * 8_000_000


@dataclass(frozen=True)
class Shape:
    """A Llama-like decoder's widths, in floats."""

    hidden: int
    layers: int
    queries: int
    keys: int  # keys, or values: as wide as num_key_value_heads says
    inner: int
    heads: int
    vocabulary: int

    @classmethod
    def of(cls, architecture: dict[str, Any]) -> "Shape":
        """From a config.json, with the usual values for missing keys."""
        hidden = int(architecture.get("hidden_size") or 1024)
        heads = int(architecture.get("num_attention_heads") or max(1, hidden // 64))
        head = int(architecture.get("head_dim") or hidden // heads)
        return cls(
            hidden=hidden,
            layers=int(architecture.get("num_hidden_layers") or 24),
            queries=heads * head,
            keys=int(architecture.get("num_key_value_heads") or heads) * head,
            inner=int(architecture.get("intermediate_size") or 4 * hidden),
            heads=heads,
            vocabulary=int(architecture.get("vocab_size") or 50_000),
        )


def activation_bytes(
    *,
    shape: Shape,
    adapter: bool,
    rank: int,
    bfloat16: bool,
    dropout: bool,
    save_memory: bool,
    bytes_per_weight: int,
    length: int,
    device: str,
    rows: int = 2,
    fused: bool = False,
) -> float:
    """Bytes kept per token of a portion of rows of `length` tokens, over all layers.

    With `save_memory` only each layer's input is kept, as wide as the weights are (float32 or bfloat16), and one layer's
    inside at a time. `fused`: by training.methods.fused_lora. Several rows of different length need a mask: each layer keeps a
    number for every pair of tokens, and on a GPU keys and values are repeated for every query head (transformers,
    integrations/sdpa_attention.py).
    """
    number = 2 if bfloat16 else 4
    drops = dropout and adapter
    kept = KEPT_FUSED[bfloat16] if fused else KEPT[adapter, bfloat16, drops and device != "cuda"]
    layer = kept.bytes_for(shape, rank) + (number * length if rows > 1 else 0)
    if device == "cuda":
        layer += 2 * number * (shape.queries - shape.keys)
        if drops:
            hidden, queries, inner = GPU_DROPOUT_INPUTS
            layer += hidden * shape.hidden + queries * shape.queries + inner * shape.inner
    if save_memory:
        return bytes_per_weight * shape.hidden * shape.layers + layer
    return layer * shape.layers


def memory_bytes(
    *,
    architecture: dict[str, Any],
    parameters: int,
    trainable: int,
    rank: int | None,
    bytes_per_weight: int,
    rows: int,
    length: int,
    completion: int,
    save_memory: bool,
    device: str,
    bfloat16: bool,
    dropout: bool,
    weights_bytes: int | None = None,
    processes: int = 1,
    whole_first: bool = False,
    fused: bool = False,
) -> int:
    """Peak memory of a training step: weights, gradients, Adam's two moments, activations, logits of completion tokens.

    `weights_bytes` is for weights that are kept in fewer bytes than `bytes_per_weight`. Of each of several `processes`: they divide
    what is trained and the frozen weights, and put two layers and the embeddings together at a time. `whole_first`: the whole model
    computes something before it is divided.

    `rows` and `length` describe the largest portion that is in memory at once. Logits are made for completion tokens
    only, a portion of them at a time where the model's output layer allows it. On a GPU the memory of activations is free again before
    all gradients are there.
    """
    shape = Shape.of(architecture)
    adapter = trainable < parameters
    loaded = weights = parameters * bytes_per_weight if weights_bytes is None else weights_bytes
    if processes > 1:
        held_here = _held_here(shape, parameters, processes)
        weights = weights * held_here // parameters
        parameters, trainable = held_here, trainable // processes
    # Autocast keeps a copy of float32 weights in bfloat16.
    weights += 2 * parameters if bfloat16 and bytes_per_weight == 4 else 0
    kept = activation_bytes(
        shape=shape,
        adapter=adapter,
        rank=rank or 0,
        bfloat16=bfloat16,
        dropout=dropout,
        save_memory=save_memory,
        bytes_per_weight=bytes_per_weight,
        length=length,
        device=device,
        rows=rows,
        fused=fused,
    )
    scores = 3 * 4 * rows * min(completion, length) * shape.vocabulary
    if architecture.get("model_type") in PLAIN_HEADS:
        scores = min(scores, LOGITS_BYTES)
    held = HELD[device] * rows * length * kept + scores
    needed = _with_training(weights, trainable, held, adapter=adapter, device=device)
    if processes > 1 and (whole_first or device == "cpu"):
        needed = max(needed, loaded)  # each process loads the model into the host's memory first
    return int(PROCESS_BYTES[device] + needed)


def _held_here(shape: Shape, parameters: int, processes: int) -> int:
    """Parameters that each of several processes has at a time: its part, and two layers and the embeddings whole."""
    embeddings = min(parameters, shape.vocabulary * shape.hidden)
    at_work = embeddings + 2 * (parameters - embeddings) // shape.layers
    return min(parameters, parameters // processes + at_work)


def _with_training(weights: int, trainable: int, held: float, *, adapter: bool, device: str) -> float:
    """Bytes of weights and activations together with gradients and Adam's two moments."""
    if adapter:
        return weights + trainable * 16 + held  # its own weights, gradients and two moments, in float32
    if device == "cuda":
        return max(weights + trainable * 8 + held, trainable * GPU_STEP_BYTES)
    return weights + trainable * 12 + held
