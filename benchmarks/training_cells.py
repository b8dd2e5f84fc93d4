"""One measurement of `benchmarks/training.py`, in a process of its own: memory and threads of one never touch another.

Reads a cell as JSON from its arguments, prints its figures as one JSON object in the last line.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:] = [str(HERE.parent), *(path for path in sys.path if Path(path).resolve() != HERE)]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# As the worker does, before torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import django

django.setup()

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from typing import Any

import psutil
import torch
from transformers import (
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from benchmarks.gpu_checks import LossesByStep
from core.text import lines_of
from training import checkpoints
from training.estimates import seconds_by_part, steps_of, unit_seconds
from training.host.machine import multiplies_bfloat16
from training.measuring import MeasuringPlan, within
from training.methods import METHODS, Recipe, recipe_from
from training.runner import loop
from training.runner.data import Encoded, EncodedRow, collate, encode_rows, stop_id_of
from training.runner.memory import PeakMemory
from training.runner.plan import TrainingPlan
from training.runner.scoring import row_losses
from training.runner.train import set_up_torch, tokenizer_of

STOP = "<|im_end|>"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
# Held-out rows are measured together, this many tokens at once.
TOKENS_AT_ONCE = 2048


class TrainingCell:
    """What is measured: `method`, its `recipe`, the rows in `pairs` (the first `rows` to train on, `held_out` after them)."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self.asked = asked
        self.folder = Path(asked["folder"])
        self.method = METHODS[asked["method"]]
        self.recipe: Recipe = recipe_from(self.method.recipe, asked["recipe"])
        set_up_torch(self.recipe.seed)
        self.tokenizer = tokenizer_of(self.folder)
        self.before = psutil.Process().memory_info().rss
        self.data = self._encoded()
        self.autocast = multiplies_bfloat16(DEVICE) if asked.get("bfloat16") is None else asked["bfloat16"]

    def _encoded(self, most_validation_rows: int = 0) -> Encoded:
        lines = lines_of(Path(self.asked["pairs"]).read_text())
        rows, held_out = int(self.asked["rows"]), int(self.asked["held_out"])
        split = ["train"] * rows + ["validation"] * held_out
        return encode_rows(
            [
                {**json.loads(line), "split": name, "position": at, "example": at}
                for at, (name, line) in enumerate(zip(split, lines, strict=False))
            ],
            self.tokenizer,
            stop_token=STOP,
            system_prompt="",
            max_length=self.recipe.max_length,
            most_validation_rows=most_validation_rows,
            seed=self.recipe.seed,
        )

    @property
    def rows(self) -> list[EncodedRow]:
        """Those to train on."""
        return [row for row in self.data.train if isinstance(row, EncodedRow)]

    def measuring(self) -> MeasuringPlan:
        """What the launch of such a run decides, with the general ratios of kinds of work: tokens a second cancel out."""
        facts = self.data.facts
        units = unit_seconds(
            tokens_per_second=self.asked.get("tokens_per_second", 300.0),
            validation_tokens=facts.validation_tokens,
            full=self.method.every_weight,
            recomputed=self.recipe.save_memory,
            device=DEVICE,
            trainable=0,
            stored_bytes=0,
            layers=1,
        )
        steps = steps_of(facts.train_rows, self.recipe.batch_size, self.recipe.epochs)
        tokens = round(facts.train_tokens / facts.train_rows * steps * self.recipe.batch_size)
        alone = seconds_by_part(units=units, tokens=tokens, evaluations=0, rounds=0)
        return within(
            share=self.recipe.measuring_share,
            others=sum(alone.values()),
            row=units["evaluate"] / facts.validation_rows,
            round_seconds=units["sample"],
            rows=facts.validation_rows,
            evaluations=self.recipe.evaluations,
        )

    def plan(self, *, watched: bool) -> TrainingPlan:
        measuring = self.measuring()
        if watched:
            self.data = self._encoded(measuring.rows)
        return TrainingPlan(
            recipe=self.recipe,
            data=self.data,
            steps=steps_of(len(self.data.train), self.recipe.batch_size, self.recipe.epochs),
            tokenizer=self.tokenizer,
            stop_id=stop_id_of(self.tokenizer, STOP),
            measuring=measuring,
            watched=watched,
        )

    def load(self) -> Any:
        return self.method.load(self.folder, self.recipe, DEVICE)

    def held_out_loss(self, model: torch.nn.Module) -> float:
        """Nats per completion token, of the held-out rows."""
        held_out = [row for row in self.data.validation if isinstance(row, EncodedRow)]
        rows = sorted(held_out, key=lambda row: len(row.ids))
        total, tokens = 0.0, 0
        model.eval()
        with torch.no_grad(), torch.autocast(DEVICE, torch.bfloat16, enabled=self.autocast):
            for batch in _by_tokens(rows):
                device = next(model.parameters()).device
                placed = _placed(collate(batch, self.tokenizer.pad_token_id or 0), device)
                total += float(row_losses(model, placed).sum())
                tokens += sum(row.answer_tokens for row in batch)
        return total / max(tokens, 1)


def _by_tokens(rows: list[EncodedRow]) -> list[list[EncodedRow]]:
    batches: list[list[EncodedRow]] = []
    for row in rows:
        if not batches or len(row.ids) * (len(batches[-1]) + 1) > TOKENS_AT_ONCE:
            batches.append([])
        batches[-1].append(row)
    return batches


def _placed(batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
    return {
        name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in batch.items()
    }


class StepSeconds(TrainerCallback):
    """Seconds of all steps, from the first row's way into the model to the optimiser's end; the same for every Trainer."""

    def __init__(self) -> None:
        self.seconds, self._began = 0.0, 0.0

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        self._began = time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()  # it works behind: the clock would show how fast work is handed to it
        self.seconds += time.monotonic() - self._began


def _trained(
    cell: TrainingCell,
    model: PreTrainedModel,
    plan: TrainingPlan,
    reporter: LossesByStep,
    *,
    number: int,
    resume_from: Path | None,
) -> None:
    """The product's loop, to its end."""
    with tempfile.TemporaryDirectory() as work:
        loop.train(
            training_run_id=number,
            model=model,
            plan=plan,
            reporter=reporter,
            stop_asked=lambda: False,
            device=DEVICE,
            autocast=cell.autocast,
            work=Path(work),
            resume_from=resume_from,
        )


def ours(cell: TrainingCell) -> dict[str, Any]:
    """The product's loop, without evaluations and checkpoints in between."""
    plan = cell.plan(watched=False)
    with PeakMemory(DEVICE, every=0.02) as memory:
        model = cell.load()
        _trained(cell, model, plan, LossesByStep(), number=0, resume_from=None)
        peak = memory.peak
    adapter_mb = None
    if cell.method.name == "lora":
        with tempfile.TemporaryDirectory() as folder:
            cell.method.save(model, Path(folder))
            adapter_mb = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6
    return {
        "tokens": plan.tokens_until[-1],
        "seconds": plan.clock.seconds["train"],
        "memory_bytes": peak - (cell.before if DEVICE == "cpu" else 0),
        "heldout_loss": cell.held_out_loss(model),
        "adapter_mb": adapter_mb,
    }


def trl(cell: TrainingCell) -> dict[str, Any]:
    """TRL's SFTTrainer with the same token ids, adapter, learning rate and number of steps. `options` are of its SFTConfig, and
    `rows_at_once`, of which gradients are accumulated."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    recipe = cell.recipe
    rows = cell.rows
    columns = {
        "input_ids": [list(row.ids) for row in rows],
        "completion_mask": [[0] * row.prompt_length + [1] * row.answer_tokens for row in rows],
    }
    steps = steps_of(len(rows), recipe.batch_size, recipe.epochs)
    options = dict(cell.asked["options"])
    at_once = int(options.pop("rows_at_once", recipe.batch_size))
    clock = StepSeconds()
    with PeakMemory(DEVICE, every=0.02) as memory, tempfile.TemporaryDirectory() as work:
        trainer = SFTTrainer(
            model=cell.load(),
            args=SFTConfig(
                output_dir=work,
                max_steps=steps,
                per_device_train_batch_size=at_once,
                gradient_accumulation_steps=recipe.batch_size // at_once,
                learning_rate=recipe.learning_rate,
                lr_scheduler_type=recipe.schedule,
                warmup_steps=round(recipe.warmup * steps),
                max_length=recipe.max_length,
                use_cpu=DEVICE == "cpu",
                save_strategy="no",
                eval_strategy="no",
                report_to=[],
                disable_tqdm=True,
                seed=recipe.seed,
                data_seed=recipe.seed,
                dataloader_pin_memory=False,
                **options,
            ),
            train_dataset=Dataset.from_dict(columns),
            processing_class=cell.tokenizer,
            callbacks=[clock],
        )
        _quiet(trainer)
        trainer.train()
        peak = memory.peak
    return {
        "tokens": _tokens_seen(rows, recipe.batch_size * steps),
        "seconds": clock.seconds,
        "memory_bytes": peak - (cell.before if DEVICE == "cpu" else 0),
        "heldout_loss": cell.held_out_loss(trainer.model),
    }


def _tokens_seen(rows: list[EncodedRow], places: int) -> int:
    """Of whole epochs: the last batch of an epoch is smaller in this Trainer."""
    whole, rest = divmod(places, len(rows))
    lengths = [len(row.ids) for row in rows]
    return whole * sum(lengths) + round(rest * sum(lengths) / len(rows))


def _quiet(trainer: Trainer) -> None:
    for callback in list(trainer.callback_handler.callbacks):
        if type(callback).__name__ in ("PrinterCallback", "ProgressCallback"):
            trainer.remove_callback(callback)


def watched(cell: TrainingCell) -> dict[str, Any]:
    """The product's loop with its default evaluations, sample answers and checkpoints: seconds by kind of work."""
    plan = cell.plan(watched=True)
    number = 1
    checkpoints.remove(number)
    try:
        with plan.clock.measure("load"):
            model = cell.load()
        _trained(cell, model, plan, LossesByStep(), number=number, resume_from=None)
    finally:
        checkpoints.remove(number)
    return {
        "seconds_by_part": plan.clock.seconds,
        "units_by_part": plan.clock.units,
        "measuring": plan.measuring.as_values(),
    }


def resumed(cell: TrainingCell) -> dict[str, Any]:
    """Until the first new step after a kill: this process starts, loads and continues from the checkpoint that is there.

    Without a checkpoint it trains until one is written and says so; its parent kills it then.
    """
    number, at = 2, time.time()
    found = checkpoints.complete(number)
    plan = cell.plan(watched=True)
    from_step, folder = found[0] if found else (0, None)
    plan.begin_at(from_step)

    class Told(LossesByStep):
        def step(self, *, step: int, message: str, left: float | None) -> None:
            if step > from_step and folder is not None:
                print(json.dumps({"first_step": step, "from_step": from_step, "at": time.time()}), flush=True)
                os._exit(0)

        def saved(self, *, step: int) -> None:
            print(json.dumps({"saved": step, "at": time.time()}), flush=True)

    _trained(cell, cell.load(), plan, Told(), number=number, resume_from=folder)
    return {"seconds": time.time() - at}


KINDS: dict[str, Callable[[TrainingCell], dict[str, Any]]] = {
    "ours": ours, "trl": trl, "watched": watched, "resumed": resumed,
}  # fmt: skip


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    if asked.get("clean"):
        shutil.rmtree(checkpoints.folder_of(2), ignore_errors=True)
    print(json.dumps(KINDS[asked["kind"]](TrainingCell(asked))), flush=True)
