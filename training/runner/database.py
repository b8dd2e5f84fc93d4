"""What a training run writes into the database while it trains."""

import time
from typing import Any, Protocol

from core.runs.context import RunContext
from core.text import storable
from training.models import MetricPoint, SampleAnswer, TrainingRun
from training.rows import TrainingRow
from training.runner.plan import TrainingPlan
from training.services import results


class Memory(Protocol):
    @property
    def peak(self) -> int:
        """Bytes, the highest so far."""


class DatabaseReporter:
    """The loop's reporter: writes points, samples and figures during training."""

    def __init__(
        self, ctx: RunContext, training_run: TrainingRun, plan: TrainingPlan, memory: Memory
    ) -> None:
        self.ctx, self.training_run, self.plan, self.memory = ctx, training_run, plan, memory
        self._written = time.monotonic()
        # Figures of earlier attempts are included.
        self._before = dict(training_run.measured)
        self._counted_before = dict(training_run.counted)
        self._peak_before = training_run.peak_memory_bytes or 0

    def figures(self, step: int) -> None:
        """Steps, tokens, speed, memory and seconds so far."""
        self._written = time.monotonic()
        spent, units = self.plan.clock.seconds, self.plan.clock.units
        kinds: tuple[str, ...] = ("train", "evaluate", "sample", "save", "store")
        if self.plan.objective.needs_reference:
            kinds = ("reference", *kinds)
        if "replay" in spent:
            kinds = ("replay", *kinds)
        figures: dict[str, Any] = {
            "done_steps": step,
            "data_facts": self.plan.facts,
            "train_tokens": self.plan.tokens_until[step],
            "peak_memory_bytes": max(self._peak_before, self.memory.peak),
            "measured": {
                name: round(self._before.get(name, 0.0) + spent.get(name, 0.0), 2)
                for name in ("load", *kinds)
            },
            "counted": {name: self._counted_before.get(name, 0) + units.get(name, 0) for name in kinds},
        }
        if self.plan.stretches.speed is not None:
            figures["undisturbed_speed"] = self.plan.stretches.speed
        if self.plan.speed is not None:
            figures["tokens_per_second"] = self.plan.speed
        results.note_progress(training_run=self.training_run, **figures)

    def step(self, *, step: int, message: str, left: float | None) -> None:
        self.ctx.report(done=step, message=message, left=left)
        if time.monotonic() - self._written >= FIGURES_EVERY_SECONDS:
            self.figures(step)

    def _point(self, series: str, step: int, loss: float, **more: Any) -> MetricPoint:
        return MetricPoint(
            training_run=self.training_run,
            series=series,
            step=step,
            epoch=self.plan.epoch(step),
            loss=loss,
            **more,
        )

    def train_point(
        self, *, step: int, loss: float, learning_rate: float | None, speed: float | None
    ) -> None:
        point = self._point(
            MetricPoint.Series.TRAIN, step, loss, learning_rate=learning_rate, tokens_per_second=speed
        )
        results.note_progress(training_run=self.training_run, points=[point])

    def validation_point(self, *, step: int, loss: float, figures: dict[str, float]) -> None:
        point = self._point(MetricPoint.Series.VALIDATION, step, loss, figures=figures)
        name = "loss_before" if step == 0 else "loss_after"
        results.note_progress(training_run=self.training_run, points=[point], **{name: loss})

    def samples(self, *, step: int, answers: list[tuple[TrainingRow, str]]) -> None:
        results.note_samples(
            training_run=self.training_run,
            samples=[
                SampleAnswer(
                    training_run=self.training_run,
                    step=step,
                    question=row.question,
                    answer=storable(answer),  # a model can write NUL
                    reference=row.completion,
                )
                for row, answer in answers
            ],
        )

    def saved(self, *, step: int) -> None:
        self.figures(step)
        results.note_progress(training_run=self.training_run, checkpoint_step=step)


# Figures of the run's row are written at most this often; points and samples at once.
FIGURES_EVERY_SECONDS = 2.0
