"""What a fine-tune will need, by arithmetic: pure functions, no database, no torch.

Formulas are first-order and lean to the safe side; each constant says where it was measured. The run page shows the
estimate beside what was measured, so that they can be judged.
"""

from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

# English text in chat form, SmolLM2's tokenizer on the demo pairs; other tokenizers of 32k to 200k entries are 3.5 to 4.7.
CHARACTERS_PER_TOKEN = 4.1
# Role names and turn marks of ChatML-like templates.
TOKENS_PER_MESSAGE = 5
# What a worker takes besides weights and activations (measured on a CPU: 0.55 GB for Python, torch, transformers and peft,
# and as much again that the allocator holds by the end of a run; a CUDA context adds to it).
PROCESS_BYTES = {"cpu": 1_100_000_000, "cuda": 1_000_000_000}
# Tokens times parameters a second and thread, float32 LoRA on a CPU: 257 tokens/s with 134.5M parameters on two
# threads; native bfloat16 gave 529, a full fine-tune 0.8 of each (docs/decisions/training.md).
CPU_LORA_PACE = 1.7e10
CPU_BFLOAT16_GAIN = 2.0
CPU_FULL_SHARE = 0.8
# Effective floating point operations a second on a GPU with small batches; 6 a parameter and token in full
# training, 4 with frozen weights (Kaplan et al. 2020, appendix B; no gradient for frozen weights saves a third).
GPU_EFFECTIVE_FLOPS = 2.0e13
# Reading a checkpoint, importing the libraries, tokenising: seconds (measured 12 s for 135M parameters).
START_SECONDS = {"cpu": 15.0, "cuda": 20.0}
# Short greedy answers on the way: 3 times 2 of about 60 tokens; a generated token costs about 25 trained ones.
SAMPLED_TOKENS = 360
TRAINED_PER_GENERATED = 25


@dataclass(frozen=True)
class DataFigures:
    """Rows by split and how long they are. Tokens are exact when `exact`, else from characters."""

    train_rows: int
    validation_rows: int
    tokens_per_row: float
    longest_row: int
    completion_tokens: float
    exact: bool


@dataclass(frozen=True)
class Estimate:
    """Bytes and seconds that a run is expected to need; `*_from` says what they rest on."""

    steps: int
    tokens: int
    trainable: int
    memory_bytes: int
    seconds: float
    tokens_per_second: float
    speed_from: str
    disk_bytes: int
    device: str
    tokens_exact: bool

    def as_values(self) -> dict[str, Any]:
        return asdict(self)


def tokens_in(characters: int, messages: int) -> int:
    """How many tokens a rendered conversation has, from its characters."""
    return ceil(characters / CHARACTERS_PER_TOKEN) + TOKENS_PER_MESSAGE * messages


def steps_of(rows: int, batch_size: int, epochs: float) -> int:
    """Optimiser steps: the last one of the run may be smaller than the rest. At least one."""
    return max(1, ceil(rows * epochs / batch_size)) if rows else 0


def memory_bytes(
    *,
    architecture: dict[str, Any],
    parameters: int,
    trainable: int,
    bytes_per_weight: int,
    rows: int,
    length: int,
    completion: int,
    save_memory: bool,
    device: str,
    bfloat16: bool,
    dropout: bool,
) -> int:
    """Peak memory of a training step: weights, gradients, Adam's two moments, activations, scores of answer tokens.

    `rows` and `length` describe the largest portion that is in memory at once. Activations are counted as the floats a
    Llama-like layer keeps for the backward pass; scores are kept for answer tokens only, three copies in float32.
    """
    hidden = int(architecture.get("hidden_size") or 1024)
    layers = int(architecture.get("num_hidden_layers") or 24)
    inner = int(architecture.get("intermediate_size") or 4 * hidden)
    vocabulary = int(architecture.get("vocab_size") or 50_000)
    adapter = trainable < parameters
    # Autocast keeps a copy of float32 weights in bfloat16.
    weights = parameters * (bytes_per_weight + (2 if bfloat16 and bytes_per_weight == 4 else 0))
    # Gradient and two moments in float32, and for an adapter its own weights.
    trained = trainable * (16 if adapter else 12)
    float_bytes = 3.5 if bfloat16 else 4  # norms and softmax stay in float32
    # Measured with LoRA on all linear layers of SmolLM2 135M, megabytes a token: 3.2 in float32 with dropout (a copy of
    # each input), 2.3 without. 5% added.
    per_layer = ((26 if dropout else 12) if adapter else 18) * hidden + 8 * inner
    kept = (2 * hidden * layers + per_layer) if save_memory else per_layer * layers
    activations = rows * length * kept * float_bytes
    scores = 3 * 4 * rows * min(completion, length) * vocabulary
    return int(PROCESS_BYTES[device] + weights + trained + activations + scores)


def default_speed(*, parameters: int, full: bool, device: str, threads: int, bfloat16: bool) -> float:
    """Tokens a second where nothing was measured yet."""
    if device == "cuda":
        return GPU_EFFECTIVE_FLOPS / ((6 if full else 4) * max(parameters, 1))
    pace = CPU_LORA_PACE * (CPU_FULL_SHARE if full else 1.0) * (CPU_BFLOAT16_GAIN if bfloat16 else 1.0)
    return pace * max(threads, 1) / max(parameters, 1)


def seconds_needed(
    *,
    data: DataFigures,
    epochs: float,
    evaluations: int,
    tokens_per_second: float,
    full: bool,
    save_memory: bool,
    device: str,
) -> float:
    """Start, training, evaluations and sample answers. Evaluating is the forward part of a step."""
    pace = tokens_per_second * (0.75 if save_memory else 1.0)
    trained = data.train_rows * data.tokens_per_row * epochs
    evaluated = data.validation_rows * data.tokens_per_row * (evaluations + 1) / (3 if full else 2)
    sampled = SAMPLED_TOKENS * TRAINED_PER_GENERATED if device == "cpu" else 0
    return START_SECONDS[device] + (trained + evaluated) / pace + sampled / tokens_per_second


def disk_bytes(*, parameters: int, trainable: int, full: bool) -> int:
    """Two checkpoints (weights and Adam's moments), the result on its way, and the result in the store."""
    checkpoint = trainable * 12
    result = parameters * 2 if full else trainable * 4
    return 2 * checkpoint + 2 * result
