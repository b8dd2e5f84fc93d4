"""What a run trains on, step by step, decided before the first one: the dataset's rows, in whose words, and what is practised besides."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.runs.context import RunContext
from dataset.rows import iter_rows
from training import checkpoints
from training.estimates import CHECKPOINT_SECONDS, steps_of
from training.host.undisturbed import Stretches
from training.measuring import MeasuringPlan
from training.methods import Recipe
from training.models import TrainingRun
from training.objectives import OBJECTIVES
from training.objectives.supervised import learns_own_words
from training.runner.base_answers import BaseWriter
from training.runner.data import encode_rows, stop_id_of
from training.runner.plan import TrainingPlan
from training.runner.replay import with_replay
from training.runner.rewriting import rewritten
from training.time_left import TimeLeft

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def system_prompt_of_run(training_run: TrainingRun) -> str:
    return str(training_run.dataset.settings.get("system_prompt", ""))


def plan_of(
    ctx: RunContext,
    training_run: TrainingRun,
    recipe: Recipe,
    base_folder: Path,
    tokenizer: "PreTrainedTokenizerBase",
    device: str,
) -> TrainingPlan:
    """The rows as token ids, and the steps that they make."""
    objective = OBJECTIVES[training_run.objective]
    writer = BaseWriter(
        base_folder=base_folder,
        tokenizer=tokenizer,
        stop_token=training_run.base_model.stop_token,
        device=device,
        seed=recipe.seed,
        keep=checkpoints.folder_of(training_run.pk),
        tell=lambda message: ctx.report(message=message),
    )
    began = time.monotonic()
    rows: Iterable[dict[str, Any]] = _watched(iter_rows(training_run.dataset), ctx)
    changed = 0
    if learns_own_words(recipe):
        rows, changed = rewritten(
            rows,
            writer,
            system_prompt=system_prompt_of_run(training_run),
            context=training_run.base_model.context_length or recipe.max_length,
        )
    written = time.monotonic() - began
    kept, measuring = _measuring_of(training_run)
    data = encode_rows(
        rows,
        tokenizer,
        stop_token=training_run.base_model.stop_token,
        system_prompt=system_prompt_of_run(training_run),
        max_length=recipe.max_length,
        most_rows=recipe.most_rows,
        most_validation_rows=measuring.rows if measuring else recipe.most_validation_rows,
        seed=recipe.seed,
        objective=objective,
    )
    began = time.monotonic()
    data = with_replay(data, recipe, writer, training_run_id=training_run.pk)
    written += time.monotonic() - began
    plan = TrainingPlan(
        measuring=measuring,
        kept=kept,
        recipe=recipe,
        data=replace(data, facts=replace(data.facts, rewritten_rows=changed)),
        steps=steps_of(len(data.train), recipe.batch_size, recipe.epochs),
        tokenizer=tokenizer,
        stop_id=stop_id_of(tokenizer, training_run.base_model.stop_token),
        objective=objective,
        time_left=_time_left(training_run),
        stretches=Stretches(device),
    )
    if changed or data.facts.replayed_rows:
        plan.clock.add("replay", written)
    return plan


def _measuring_of(training_run: TrainingRun) -> tuple[bool, MeasuringPlan | None]:
    """(whether an earlier attempt has kept it, how the run measures itself): decided at the launch, so that a run that goes on
    measures on the same rows at the same steps. None for a run of a version before there was such a plan."""
    kept = training_run.data_facts.get("measuring")
    decided = kept or training_run.estimate.get("measuring")
    return bool(kept), MeasuringPlan.from_values(decided) if decided else None


def _time_left(training_run: TrainingRun) -> TimeLeft:
    """The estimate and the measurements of earlier attempts, as a start."""
    before = {
        kind: (float(training_run.measured.get(kind) or 0), float(units))
        for kind, units in training_run.counted.items()
    }
    expected = training_run.estimate.get("unit_seconds") or {}
    return TimeLeft(expected=expected, before=before, save_every=CHECKPOINT_SECONDS)


def _watched(rows: Iterable[dict[str, Any]], ctx: RunContext) -> Iterator[dict[str, Any]]:
    """The rows, with a check for cancellation."""
    for number, row in enumerate(rows):
        if number % 200 == 0:
            ctx.report(message=f"Reading the dataset and counting its tokens, row {number:,}.")
        yield row
