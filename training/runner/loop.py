"""The training loop: transformers' Trainer with its own data order, loss, checkpoints and reports.

torch and transformers are imported when this module is, so only `training.runner.train` imports it, inside its function.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch.utils.data import Dataset, SequentialSampler
from transformers import (
    PreTrainedModel,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from core.runs.context import RunFailed
from training.estimates import CHECKPOINT_SECONDS
from training.objectives import Scores, Whole
from training.rows import TrainingRow
from training.runner import ranks, reference
from training.runner.arguments import trainer_arguments
from training.runner.data import collate_rows
from training.runner.divergence import losses_and_hold
from training.runner.plan import TrainingPlan
from training.runner.samples import sample_answers
from training.runner.scoring import apart, joined, log_ratios, on_processor, row_losses, scores_of, whole_of
from training.runner.sharded import ShardedTrainer

if TYPE_CHECKING:
    from peft import PeftModel

log = logging.getLogger(__name__)


class Reporter(Protocol):
    """What the loop reports. `training.runner.train` writes it to the database; tests collect it."""

    def step(self, *, step: int, message: str, left: float | None) -> None:
        """After each step and during longer work; `left` is seconds until the end. May raise RunCancelled or RunLost, which end the loop at once."""

    def train_point(
        self, *, step: int, loss: float, learning_rate: float | None, speed: float | None
    ) -> None: ...

    def validation_point(self, *, step: int, loss: float, figures: dict[str, float]) -> None: ...

    def samples(self, *, step: int, answers: list[tuple[TrainingRow, str]]) -> None: ...

    def saved(self, *, step: int) -> None: ...


@dataclass(frozen=True)
class LoopResult:
    """`stopped` is True when the worker was asked to stop before the last step; a checkpoint is saved then."""

    stopped: bool
    steps: int
    loss_after: float | None


class _Rows(Dataset):
    """The rows in training order, all epochs one after another."""

    def __init__(self, rows: list[TrainingRow], order: list[int]) -> None:
        self.rows, self.order = rows, order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, at: int) -> TrainingRow:
        return self.rows[self.order[at]]


class _Loop(ShardedTrainer):
    """Trainer with the loss of the objective and rows in planned order."""

    def __init__(
        self,
        *,
        training_run_id: int,
        plan: TrainingPlan,
        autocast: bool,
        model: "PreTrainedModel | PeftModel",
        args: TrainingArguments,
        callbacks: list[TrainerCallback],
    ) -> None:
        super().__init__(
            training_run_id=training_run_id,
            plan=plan,
            autocast=autocast,
            model=model,
            args=args,
            train_dataset=_Rows(plan.data.train, plan.order),
            data_collator=lambda rows: collate_rows(rows, plan.pad_id),
            callbacks=callbacks,
        )
        # The loss below divides by the rows or tokens of the whole step itself.
        self.model_accepts_loss_kwargs = True
        self._portions: list[dict[str, Any]] = []
        self._whole = Whole(rows=0, tokens=0)
        self._baseline: torch.Tensor | None = None

    def _get_train_sampler(self, train_dataset: _Rows | None = None) -> SequentialSampler:
        return SequentialSampler(train_dataset if train_dataset is not None else self.train_dataset)

    def get_batch_samples(
        self, epoch_iterator: Iterator[dict[str, Any]], num_batches: int, device: torch.device
    ) -> tuple[list[dict[str, Any]], torch.Tensor | int | None]:
        """This process's portions of the next step; what the loss divides by is counted over those of all processes."""
        portions, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        self._portions, self._baseline = portions, None
        own = whole_of(portions)
        rows, tokens = ranks.total(own.rows, own.tokens)
        self._whole = Whole(rows=rows, tokens=tokens)
        return portions, items

    def compute_loss(
        self,
        model: "PreTrainedModel | PeftModel",
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, dict[str, Any]]:
        objective = self._plan.objective
        if objective.needs_baseline and self._baseline is None:
            # The model does not change within a step, so one baseline serves all its portions.
            with apart(model):
                ratios = [log_ratios(model, self.on_device(portion)) for portion in self._portions]
            self._baseline = ranks.mean(torch.cat(ratios))
        losses, held = losses_and_hold(model, inputs, self._plan.recipe)
        scores = scores_of(losses, inputs, self._baseline)
        loss = objective.loss(scores, self._plan.recipe, self._whole) + held / self._whole.tokens
        # Gradients, and the loss that is reported, are averaged over the processes; a step's loss is the sum of their parts.
        loss = ranks.processes() * loss
        return (loss, {}) if return_outputs else loss

    def on_device(self, batch: dict[str, Any]) -> dict[str, Any]:
        return dict(self._prepare_inputs(batch))


def _diverged(figure: str, step: int) -> RunFailed:
    return RunFailed(
        "diverged",
        f"The {figure} became NaN or infinite at step {step}.",
        "Divide the learning rate by three to ten and launch again.",
    )


class _Watch(TrainerCallback):
    """Evaluates, samples, saves and reports between steps."""

    def __init__(self, plan: TrainingPlan, reporter: Reporter, stop_asked: Callable[[], bool]) -> None:
        self.plan, self.reporter, self.stop_asked = plan, reporter, stop_asked
        self.loop: _Loop | None = None
        self.stopped = False
        self.last_loss: float | None = None
        self._saved_at = time.monotonic()
        self._step_began = 0.0

    # --- hooks of the Trainer
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        assert self.loop is not None
        self.plan.begin_at(state.global_step)
        self.loop.own_random_numbers()
        if state.global_step == 0 and self.plan.watched:
            self._evaluate(0)
            if 0 in self.plan.sample_at:
                self._sample(0)
        self._saved_at = time.monotonic()

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        self._step_began = time.monotonic()
        self.plan.stretches.step_begins()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        step = state.global_step
        if args.device.type == "cuda":
            torch.cuda.synchronize()  # it works behind: the clock would show how fast work is handed to it
        self.plan.stepped(step, seconds=time.monotonic() - self._step_began)
        if ranks.processes() == 1:  # several would not all measure the same
            self.plan.keep_to_share()
        self._tell(step, self.plan.sentence(step))
        # What is due can depend on a clock: the first process's, since all must do the same.
        evaluate, sample = ranks.decided(step in self.plan.evaluate_at, step in self.plan.sample_at)
        if evaluate:
            self._evaluate(step)
        if sample:
            self._sample(step)
        old = time.monotonic() - self._saved_at >= CHECKPOINT_SECONDS
        stop, save = ranks.decided(self.stop_asked(), old)
        if step < self.plan.steps and (stop or save):
            self.stopped = control.should_training_stop = stop
            control.should_save = self.plan.watched

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        self._saved_at = time.monotonic()
        self.reporter.saved(step=state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: object,
    ) -> None:
        loss = (logs or {}).get("loss")
        if loss is None:
            return
        if not math.isfinite(float(loss)):
            raise _diverged("loss", state.global_step)
        self.reporter.train_point(
            step=state.global_step,
            loss=float(loss),
            learning_rate=(logs or {}).get("learning_rate"),
            speed=self.plan.speed,
        )

    # --- work
    def _tell(self, step: int, message: str) -> None:
        self.reporter.step(step=step, message=message, left=self.plan.seconds_left(step))

    def _evaluate(self, step: int) -> None:
        assert self.loop is not None
        plan, model = self.plan, self.loop.model
        rows = sorted(plan.data.validation, key=lambda row: row.tokens)
        size = self.loop.args.per_device_train_batch_size
        parts: list[Scores] = []
        ratios: list[torch.Tensor] = []
        with plan.doing("evaluate"), apart(model):
            starts = range(0, len(rows), size)
            for at in ranks.own_share(starts):
                plan.time_left.progress(at / len(rows))
                self._tell(step, f"Measuring validation loss, row {at + 1} of {len(rows)}.")
                batch = self.loop.on_device(collate_rows(rows[at : at + size], plan.pad_id))
                with self.loop.compute_loss_context_manager():
                    parts.append(on_processor(scores_of(row_losses(model, batch), batch)))
                    if plan.objective.needs_baseline:
                        ratios.append(log_ratios(model, batch).double().cpu())
        parts, ratios = (
            ranks.together(parts, len(starts)),
            ranks.together(ratios, len(starts) if ratios else 0),
        )
        scores = joined(parts, torch.cat(ratios).mean() if ratios else None)
        whole = Whole(rows=len(rows), tokens=int(scores.tokens[:, 0].sum()))
        self.last_loss = float(plan.objective.loss(scores, plan.recipe, whole))
        if not math.isfinite(self.last_loss):
            raise _diverged("validation loss", step)
        figures = plan.objective.figures(scores, plan.recipe)
        self.reporter.validation_point(step=step, loss=self.last_loss, figures=figures)

    def _sample(self, step: int) -> None:
        assert self.loop is not None
        with self.plan.doing("sample"), apart(self.loop.model):
            written = sample_answers(
                self.loop.model,
                self.plan,
                autocast=self.loop.args.bf16,
                tell=lambda: self._tell(step, "Writing answers to validation questions."),
            )
        self.reporter.samples(step=step, answers=written)


def train(
    *,
    training_run_id: int,
    model: "PreTrainedModel | PeftModel",
    plan: TrainingPlan,
    reporter: Reporter,
    stop_asked: Callable[[], bool],
    device: str,
    autocast: bool,
    work: Path,
    resume_from: Path | None,
    keep: Callable[[dict[str, torch.Tensor]], None] | None = None,
) -> LoopResult:
    """Trains `model` in place until the last planned step, or until the worker must stop. At the end `keep` gets the trained weights,
    whole, where several processes have parts of them."""
    if plan.objective.needs_reference:

        def tell(share: float, message: str) -> None:
            plan.time_left.progress(share)
            reporter.step(step=plan.first_step, message=message, left=plan.seconds_left(plan.first_step))

        if not reference.attach(
            training_run_id=training_run_id,
            model=model,
            plan=plan,
            device=device,
            autocast=autocast,
            tell=tell,
            stop_asked=stop_asked,
        ):
            return LoopResult(stopped=True, steps=plan.first_step, loss_after=None)
    arguments = trainer_arguments(plan, device=device, autocast=autocast, work=work)
    watch = _Watch(plan, reporter, stop_asked)
    loop = _Loop(
        training_run_id=training_run_id,
        plan=plan,
        autocast=autocast,
        model=model,
        args=arguments,
        callbacks=[watch],
    )
    _silence(loop)
    watch.loop = loop
    loop.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
    if keep is not None and not watch.stopped:
        keep(loop.whole_weights())
    return LoopResult(stopped=watch.stopped, steps=loop.state.global_step, loss_after=watch.last_loss)


def _silence(loop: _Loop) -> None:
    """It prints every log line to standard output; they are in the database and on the page."""
    for name in ("PrinterCallback", "ProgressCallback"):
        for callback in list(loop.callback_handler.callbacks):
            if type(callback).__name__ == name:
                loop.remove_callback(callback)
