"""Estimates what a training run needs: pure functions, no database, no torch.

Formulas are first-order and on the safe side; each constant has its source. The run page shows the estimate beside the
measurement.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

# English text in chat form, SmolLM2's tokenizer on the demo examples; other tokenizers of 32k to 200k entries are 3.5 to 4.7.
CHARACTERS_PER_TOKEN = 4.1
# Role names and control tokens of ChatML-like templates.
TOKENS_PER_MESSAGE = 5
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
    # training.measuring.MeasuringPlan: how often the run measures itself, and on how many rows.
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
