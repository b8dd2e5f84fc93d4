"""One measured training of `benchmarks/gpu_training.py`: a model of a known shape with random weights, trained by the product's own loop.

Speed and memory depend on the shapes, not on the values of the weights.
"""

import gc
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from tests.training.tiny import make_tokenizer
from training.estimates.memory import memory_bytes
from training.host.machine import Machine, multiplies_bfloat16, this_machine, threads
from training.methods import METHODS, Recipe, recipe_from
from training.methods.lora import LoRA
from training.rows import EncodedRow
from training.runner import loop
from training.runner.data import Encoded
from training.runner.memory import PeakMemory
from training.runner.plan import TrainingPlan
from training.runner.samples import MOST_TOKENS
from training.runner.train import tokenizer_of
from training.speeds import general_speed

# The widths of published models: hidden, layers, heads, heads of keys and values, inner, vocabulary, tied embeddings.
SHAPES = {
    "tiny": (64, 2, 4, 2, 128, 512, True),
    "135M": (576, 30, 9, 3, 1536, 49_152, True),  # SmolLM2
    "1B": (2048, 16, 32, 8, 8192, 128_256, True),  # Llama 3.2
    "3B": (3072, 28, 24, 8, 8192, 128_256, True),  # Llama 3.2
    "8B": (4096, 32, 32, 8, 14_336, 128_256, False),  # Llama 3.1
}
UNCOUNTED_STEPS = 3
# The share of a row that the loss counts.
COMPLETION_SHARE = 1 / 3


@dataclass(frozen=True)
class GpuCell:
    """`changes` are those of the method's default recipe."""

    shape: str
    method: str
    rows: int
    length: int
    changes: dict[str, Any]
    same_length: bool = False
    questions: int = 0

    @property
    def recipe(self) -> Recipe:
        values = {
            "batch_size": self.rows,
            "rows_at_once": self.rows,
            "max_length": self.length,
            "evaluations": 1,
        }
        return recipe_from(METHODS[self.method].recipe, values | self.changes)

    @property
    def name(self) -> str:
        notes = [f"{name}={value}" for name, value in self.changes.items()]
        return ", ".join([self.method, *notes, *(["rows of one length"] if self.same_length else [])])


class Silent:
    """A reporter that keeps the losses."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def step(self, *, step: int, message: str, left: float | None) -> None: ...

    def train_point(self, *, step: int, loss: float, **_: float | None) -> None:
        self.losses.append(loss)

    def validation_point(self, *, step: int, loss: float, figures: dict[str, float]) -> None: ...

    def samples(self, *, step: int, answers: list[tuple[EncodedRow, str]]) -> None: ...

    def saved(self, *, step: int) -> None: ...


class TimedPlan(TrainingPlan):
    """Also notes the seconds of each step, by the loop and by the clock on the wall."""

    def __init__(self, **made_from: Any) -> None:
        super().__init__(**made_from)
        self.ended: list[float] = []
        self.told: list[float] = []

    def stepped(self, step: int, *, seconds: float) -> None:
        super().stepped(step, seconds=seconds)
        self.ended.append(time.monotonic())
        self.told.append(seconds)


def config_of(shape: str) -> LlamaConfig:
    hidden, layers, heads, keys, inner, vocabulary, tied = SHAPES[shape]
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=keys,
        max_position_embeddings=8192,
        tie_word_embeddings=tied,
        attn_implementation="sdpa",
    )


def made_model(cell: GpuCell, device: str) -> Any:
    """Random weights in the type that the method loads, on the device."""
    method = METHODS[cell.method]
    dtype = torch.bfloat16 if method.bytes_per_weight(device) == 2 else torch.float32
    torch.manual_seed(3)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config_of(cell.shape), dtype=dtype)
    return method.adapted(model, cell.recipe) if isinstance(method, LoRA) else model


def made_rows(cell: GpuCell, count: int) -> list[EncodedRow]:
    """Rows of almost one length, so that they need a mask and hardly any padding, as sorted rows do."""
    vocabulary = SHAPES[cell.shape][5]
    generator = torch.Generator().manual_seed(5)
    rows = []
    for at in range(count):
        length = cell.length - (0 if cell.same_length else at % 16)
        ids = torch.randint(3, vocabulary, (length,), generator=generator).tolist()
        rows.append(EncodedRow(at, ids, length - round(cell.length * COMPLETION_SHARE), f"question {at}", ""))
    return rows


def planned(cell: GpuCell, steps: int) -> TimedPlan:
    with tempfile.TemporaryDirectory() as folder:
        make_tokenizer(Path(folder))
        tokenizer = tokenizer_of(Path(folder))
    rows = made_rows(cell, cell.rows * steps)
    return TimedPlan(
        recipe=cell.recipe,
        data=Encoded(rows, rows[: min(4, len(rows))], facts=None),  # type: ignore[arg-type]
        steps=steps,
        tokenizer=tokenizer,
        stop_id=0,
        questions=cell.questions,
    )


def expected(cell: GpuCell, machine: Machine) -> dict[str, Any]:
    """What the preflight would say before the first run: bytes and tokens a second."""
    method, recipe = METHODS[cell.method], cell.recipe
    architecture = config_of(cell.shape).to_dict()
    parameters = parameters_of(cell.shape)
    trainable = method.trainable(architecture, parameters, recipe)
    memory = memory_bytes(
        architecture=architecture,
        parameters=parameters,
        trainable=trainable,
        rank=method.width(recipe),
        bytes_per_weight=method.bytes_per_weight(machine.device),
        rows=cell.rows,
        length=cell.length,
        completion=round(cell.length * COMPLETION_SHARE),
        save_memory=recipe.save_memory,
        device=machine.device,
        bfloat16=machine.bfloat16,
        dropout=method.dropout(recipe) > 0,
    )
    speed = general_speed(
        parameters=parameters,
        full=method.every_weight,
        save_memory=recipe.save_memory,
        dropout=method.dropout(recipe) > 0,
        device=machine.device,
        device_name=machine.device_name,
        threads=machine.threads,
        bfloat16=machine.bfloat16,
        layers=SHAPES[cell.shape][1],
        portion_tokens=cell.rows * cell.length,
    )
    return {"memory_bytes": memory, "tokens_per_second": speed.tokens_per_second}


def parameters_of(shape: str) -> int:
    with torch.device("meta"):
        return sum(
            weight.numel() for weight in AutoModelForCausalLM.from_config(config_of(shape)).parameters()
        )


def process_bytes() -> int | None:
    """What the driver says this process holds on the GPU, its context included; of the whole GPU where it cannot tell processes apart."""
    for query in ("--query-compute-apps=pid,used_memory", "--query-gpu=index,memory.used"):
        answer = subprocess.run(
            ["nvidia-smi", query, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        rows = [line.split(",") for line in answer.split("\n") if line.count(",") == 1]
        own = [row[1] for row in rows if "compute" not in query or int(row[0]) == os.getpid()]
        if own and own[0].strip().isdigit():
            return int(own[0]) * 2**20
    return None


def steps_for(cell: GpuCell, tokens_per_second: float, seconds: float) -> int:
    step = cell.rows * cell.length / tokens_per_second
    return UNCOUNTED_STEPS + min(20, max(4, ceil(seconds / step)))


@contextmanager
def no_checkpoints() -> Iterator[None]:
    """A checkpoint of a large model would take the time of many steps."""
    before, loop.CHECKPOINT_SECONDS = loop.CHECKPOINT_SECONDS, float("inf")
    try:
        yield
    finally:
        loop.CHECKPOINT_SECONDS = before


def measure(cell: GpuCell, *, seconds: float = 3.0) -> dict[str, Any]:
    """Trains some steps; figures beside the estimate. "error" instead of figures when they do not fit."""
    machine = this_machine()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    guess = expected(cell, machine)
    found = {
        "shape": cell.shape,
        "how": cell.name,
        "rows": cell.rows,
        "length": cell.length,
        "expected": guess,
    }
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
    try:
        return found | _trained(cell, device, steps_for(cell, guess["tokens_per_second"], seconds))
    except RuntimeError as error:
        full = isinstance(error, torch.cuda.OutOfMemoryError)
        return found | {"error": "out of memory" if full else str(error)[:200]}


def _trained(cell: GpuCell, device: str, steps: int) -> dict[str, Any]:
    plan = planned(cell, steps)
    reporter = Silent()
    with PeakMemory(device) as memory, tempfile.TemporaryDirectory() as work, no_checkpoints():
        loop.train(
            training_run_id=0,
            model=made_model(cell, device),
            plan=plan,
            reporter=reporter,
            stop_asked=lambda: False,
            device=device,
            autocast=multiplies_bfloat16(device),
            work=Path(work),
            resume_from=None,
        )
        figures = {"reserved_bytes": memory.peak}
    if device == "cuda":
        figures |= {
            "allocated_bytes": torch.cuda.max_memory_allocated(),
            "process_bytes": process_bytes() or 0,
        }
    return figures | _timed(plan, cell) | {"losses": [reporter.losses[0], reporter.losses[-1]]}


def _timed(plan: TimedPlan, cell: GpuCell) -> dict[str, Any]:
    """Tokens a second from one step's end to the next one's, and by the seconds that the loop counts."""
    counted = range(UNCOUNTED_STEPS, plan.steps)
    tokens = {at: plan.tokens_until[at + 1] - plan.tokens_until[at] for at in counted}
    seconds, units = plan.clock.seconds, plan.clock.units
    found = {
        "steps": plan.steps,
        "tokens_per_second": median(tokens[at] / (plan.ended[at] - plan.ended[at - 1]) for at in counted),
        "by_own_clock": median(tokens[at] / plan.told[at] for at in counted),
        "evaluate_seconds": seconds["evaluate"] / units["evaluate"],
    }
    if cell.questions:
        answered = units["sample"] * cell.questions * MOST_TOKENS
        found["generated_per_second"] = answered / seconds["sample"]
    return found


def use_threads() -> None:
    torch.set_num_threads(threads())
