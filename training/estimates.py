"""Estimates what a training run needs: pure functions, no database, no torch.

Formulas are first-order and on the safe side; each constant has its source. The run page shows the estimate beside the
measurement.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

from training.methods.shapes import PLAIN_HEADS

# English text in chat form, SmolLM2's tokenizer on the demo examples; other tokenizers of 32k to 200k entries are 3.5 to 4.7.
CHARACTERS_PER_TOKEN = 4.1
# Role names and control tokens of ChatML-like templates.
TOKENS_PER_MESSAGE = 5
# What a worker needs besides weights and activations (measured on a CPU: 0.63 GB for Python, torch, transformers and peft). On a
# GPU the context and the libraries' own memory: 0.80 to 0.86 GB beside torch's on an H200.
PROCESS_BYTES = {"cpu": 800_000_000, "cuda": 1_000_000_000}
# Short greedy answers during training: two questions at once, the longer answer of about 60 tokens.
ROUND_TOKENS = 60
# A generated token costs about 25 trained ones on a CPU (measured). On a GPU tokens are made one after the other, and the
# processor hands each layer's work over: 2.4 ms a layer with 30 layers of 135M parameters, 3.4 with 32 layers of 8B (H200).
TRAINED_PER_GENERATED = 25
GENERATED_LAYER_SECONDS_ON_GPU = 0.0028
# Answers that are drawn together (training.runner.replay) cost so many times less each.
DRAWN_TOGETHER = {"cpu": 5, "cuda": 16}
# Reading a checkpoint, importing the libraries, tokenising: seconds (measured 12 s for 135M parameters).
START_SECONDS = {"cpu": 15.0, "cuda": 20.0}
# A killed worker loses at most this much work; writing an adapter's checkpoint takes a tenth of a second.
CHECKPOINT_SECONDS = 30.0
# Writing and hashing what is stored, bytes a second: a plain disk.
STORE_BYTES_PER_SECOND = 200e6
STORE_SECONDS = 2.0


@dataclass(frozen=True)
class DataFigures:
    """Rows by split, as the objective has them, and how long they are. `tokens_seen` are all tokens of the run, padding excluded;
    `completion_tokens` the mean of an answer. Tokens are counted with the base's tokenizer when `exact`, else from characters."""

    train_rows: int
    validation_rows: int
    validation_tokens: int
    tokens_seen: int
    longest_row: int
    completion_tokens: float
    exact: bool
    shortened: int = 0
    # Tokens that the model reads once before the first step, for an objective with a reference.
    reference_tokens: int = 0
    # Rows that are practised besides `train_rows`, and the tokens of answers that the base model draws for them first.
    replayed_rows: int = 0
    drawn_tokens: int = 0


@dataclass(frozen=True)
class Estimate:
    """What a run is expected to need: bytes, and seconds by kind of work (`parts`); `*_from` says where they come from.

    `unit_seconds` is what one unit of each kind of work takes: a token trained on, one evaluation, one round of sample
    answers, one checkpoint, the storing of the result. A run starts with these values and replaces them with its own
    measurements.
    """

    steps: int
    tokens: int
    trainable: int
    memory_bytes: int
    seconds: float
    parts: dict[str, float]
    unit_seconds: dict[str, float]
    tokens_per_second: float
    speed_from: str
    disk_bytes: int
    device: str
    tokens_exact: bool
    # training.measuring.Measuring: how often the run measures itself, and on how many rows.
    measuring: dict[str, int]
    # How many processes train it, on how many hosts; `memory_bytes` are those of each.
    processes: int = 1
    hosts: int = 1

    def as_values(self) -> dict[str, Any]:
        return asdict(self)


def tokens_in(characters: int, messages: int) -> int:
    """The estimated number of tokens of a rendered conversation, from its characters."""
    return ceil(characters / CHARACTERS_PER_TOKEN) + TOKENS_PER_MESSAGE * messages


def steps_of(rows: int, batch_size: int, epochs: float) -> int:
    """Optimiser steps: the last one of the run may be smaller than the rest. At least one."""
    return max(1, ceil(rows * epochs / batch_size)) if rows else 0


# --- memory ------------------------------------------------------------------------------------------------
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
    inside at a time. `fused`: by training.methods.fused_lora. Several rows of different length need a mask: each layer keeps a number for every pair of tokens, and on a
    GPU keys and values are repeated for every query head (transformers, integrations/sdpa_attention.py).
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
        embeddings = min(parameters, shape.vocabulary * shape.hidden)
        at_work = embeddings + 2 * (parameters - embeddings) // shape.layers
        held_here = min(parameters, parameters // processes + at_work)
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
    if adapter:
        needed = weights + trainable * 16 + held  # its own weights, gradients and two moments, in float32
    elif device == "cuda":
        needed = max(weights + trainable * 8 + held, trainable * GPU_STEP_BYTES)
    else:
        needed = weights + trainable * 12 + held
    if processes > 1 and (whole_first or device == "cpu"):
        needed = max(needed, loaded)  # each process loads the model into the host's memory first
    return int(PROCESS_BYTES[device] + needed)


# --- time --------------------------------------------------------------------------------------------------
def passes_of_a_step(*, full: bool, recomputed: bool) -> int:
    """A step in units of one forward pass: with all weights the backward pass costs two, with an adapter one."""
    return (3 if full else 2) + int(recomputed)


def unit_seconds(
    *,
    tokens_per_second: float,
    validation_tokens: int,
    full: bool,
    recomputed: bool,
    device: str,
    trainable: int,
    stored_bytes: int,
    layers: int,
    reference_tokens: int = 0,
    baseline: bool = False,
    drawn_tokens: int = 0,
    held_to_base: bool = False,
) -> dict[str, float]:
    """Seconds of one unit of each kind of work, from the speed of training. Evaluating is the forward part of a step, and so is the
    pass over `reference_tokens` before the first step. With a `baseline`, a step and an evaluation have one forward pass more."""
    parts_of_a_step = passes_of_a_step(full=full, recomputed=recomputed) + int(baseline)
    generated = (
        ROUND_TOKENS * layers * GENERATED_LAYER_SECONDS_ON_GPU
        if device == "cuda"
        else ROUND_TOKENS * TRAINED_PER_GENERATED / tokens_per_second
    )
    drawn = drawn_tokens * generated / ROUND_TOKENS / DRAWN_TOGETHER[device]
    reference = (
        {"reference": reference_tokens / tokens_per_second / parts_of_a_step} if reference_tokens else {}
    )
    return {
        "load": START_SECONDS[device],
        **reference,
        **({"replay": drawn} if drawn else {}),
        # The base model reads each token, too: one forward pass more.
        "train": (1 + int(held_to_base) / parts_of_a_step) / tokens_per_second,
        "evaluate": validation_tokens * (1 + int(baseline)) / tokens_per_second / parts_of_a_step,
        "sample": generated,
        "save": trainable * 12 / STORE_BYTES_PER_SECOND,
        "store": STORE_SECONDS + stored_bytes / STORE_BYTES_PER_SECOND,
    }


def seconds_by_part(
    *, units: dict[str, float], tokens: int, evaluations: int, rounds: int
) -> dict[str, float]:
    """{load, train, evaluate, sample, save, store}: seconds of the whole run, with `evaluations` and `rounds` of sample answers in all."""
    parts = {"load": units["load"], "train": tokens * units["train"]}
    parts |= {kind: units[kind] for kind in ("reference", "replay") if kind in units}
    for kind, times in (("evaluate", evaluations), ("sample", rounds)):
        parts[kind] = times * units[kind]
    worked = parts["train"] + parts["evaluate"] + parts["sample"]
    parts["save"] = int(worked // CHECKPOINT_SECONDS) * units["save"]
    parts["store"] = units["store"]
    return parts


def curve_seconds(
    *,
    units: dict[str, float],
    tokens: int,
    validation_rows: int,
    held_out_rows: int,
    shares: Sequence[int],
    repeats: int,
) -> float:
    """Seconds of a learning curve: each point loads the model, trains its share (percent) of the run's `tokens`, and measures the
    held-out rows once, which are about as long as validation rows. Libraries are loaded once; that is part of loading."""
    measuring = units["evaluate"] * held_out_rows / max(1, validation_rows)
    training = units["train"] * tokens * sum(shares) / 100
    return repeats * (training + len(shares) * (units["load"] + measuring))


def disk_bytes(*, trainable: int, stored_bytes: int) -> int:
    """Two checkpoints (weights and Adam's moments), the temporary copy of the result, and the result in the store."""
    checkpoint = trainable * 12
    return 2 * checkpoint + 2 * stored_bytes
