"""The plan of a training run, made before the first step, and the time of its work."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from training.host.undisturbed import Stretches
from training.measuring import MOST_ROUNDS, MeasuringPlan, within
from training.methods import Recipe
from training.objectives import SUPERVISED, Objective
from training.rows import TrainingRow
from training.runner.data import Encoded, plan_order
from training.time_left import TimeLeft

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Losses written to the database: a chart cannot show more.
MOST_POINTS = 200


@dataclass
class Clock:
    """Seconds by kind of work, and the units done (tokens for training), in this attempt."""

    seconds: dict[str, float] = field(default_factory=dict)
    units: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, seconds: float, units: int = 1) -> None:
        self.seconds[kind] = self.seconds.get(kind, 0.0) + seconds
        self.units[kind] = self.units.get(kind, 0) + units

    @contextmanager
    def measure(self, kind: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.add(kind, time.monotonic() - began)


class TrainingPlan:
    """All that is decided before the first step, from the recipe and the encoded rows."""

    def __init__(
        self,
        *,
        recipe: Recipe,
        data: Encoded,
        steps: int,
        tokenizer: "PreTrainedTokenizerBase",
        stop_id: int,
        objective: Objective = SUPERVISED,
        time_left: TimeLeft | None = None,
        stretches: Stretches | None = None,
        measuring: MeasuringPlan | None = None,
        kept: bool = False,
        questions: int = 2,
        watched: bool = True,
    ) -> None:
        self.recipe, self.data, self.steps, self.objective = recipe, data, steps, objective
        self.tokenizer, self.stop_id = tokenizer, stop_id
        self.pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else stop_id
        lengths = [row.tokens for row in data.train]
        self.order = plan_order(lengths, batch_size=recipe.batch_size, steps=steps, seed=recipe.seed)
        # tokens_until[s]: tokens seen after step s, so that a resumed run does not count again.
        per_step = [
            sum(lengths[row] for row in self.order[at : at + recipe.batch_size])
            for at in range(0, len(self.order), recipe.batch_size)
        ]
        self.tokens_until = [0, *accumulate(per_step)]
        # A resumed run keeps what was decided before it stopped.
        self._kept = kept
        self.measuring = measuring or MeasuringPlan(len(data.validation), recipe.evaluations, MOST_ROUNDS)
        self.evaluate_at = self.measuring.evaluate_at(steps)
        self.sample_at = self.measuring.sample_at(steps)
        # A point of a learning curve is only trained: no validation loss, sample answers or checkpoints in between.
        self.watched = watched
        if not watched:
            self.evaluate_at, self.sample_at = set(), set()
            self._kept = True
        self.log_every = max(1, math.ceil(steps / MOST_POINTS))
        self.questions = _questions(data.validation, questions)
        self.clock = Clock()
        self.time_left = time_left or TimeLeft(expected={})
        self.stretches = stretches or Stretches("cpu")
        # Whether the model before training is not its base model alone: a run that continues a trained part.
        self.continues = False
        self._waiting = {"reference": int(objective.needs_reference), "evaluate": 0, "sample": 0}
        self.begin_at(0)

    # --- time
    def begin_at(self, step: int) -> None:
        """The step this attempt continues from: 0, or a checkpoint's. Work at a step is done before its checkpoint."""
        # Validation loss is measured before the first step too, and answers are written then if there is time for it.
        first = int(step == 0 and self.watched)
        self.first_step = step
        self._waiting |= {
            "evaluate": first + sum(at > step for at in self.evaluate_at),
            "sample": sum(at > step or at == step == 0 for at in self.sample_at),
        }

    def reference_is_there(self) -> None:
        """What the model before training gives to the rows is known, from this attempt or an earlier one."""
        self._waiting["reference"] = 0

    @property
    def facts(self) -> dict[str, Any]:
        """What is stored about the rows; and how often they are measured, once it is decided from measured times."""
        values = self.data.facts.as_values()
        return values | {"measuring": self.measuring.as_values()} if self._kept and self.watched else values

    def keep_to_share(self) -> None:
        """Once the speed of steps is known: gives up what is measured in between, where that took longer than was expected at the launch.

        Rows stay as they are, so that the losses of a run can be compared, and so do the start and the end.
        """
        if self._kept or not self.time_left.settled:
            return
        self._kept = True
        unit = self.time_left.unit
        fits = within(
            share=self.recipe.measuring_share,
            others=self.tokens_until[-1] * unit("train") + unit("load") + unit("store"),
            row=unit("evaluate") / max(1, self.measuring.rows),
            round_seconds=unit("sample"),
            rows=self.measuring.rows,
            evaluations=self.measuring.evaluations,
        )
        rounds = min(self.measuring.rounds, max(fits.rounds, 2))
        self.measuring = replace(self.measuring, evaluations=fits.evaluations, rounds=rounds)
        self.evaluate_at = self.measuring.evaluate_at(self.steps)
        self.sample_at = self.measuring.sample_at(self.steps)

    def stepped(self, step: int, *, seconds: float) -> None:
        """Step number `step` took `seconds`."""
        tokens = self.tokens_until[step] - self.tokens_until[step - 1]
        self.clock.add("train", seconds, tokens)
        self.time_left.step(seconds=seconds, tokens=tokens)
        self.stretches.step_ended(tokens=tokens)

    @contextmanager
    def doing(self, kind: str) -> Iterator[None]:
        """Around one evaluation, round of samples, checkpoint or storing."""
        with self.clock.measure(kind), self.time_left.doing(kind):
            yield
        if kind in self._waiting:
            self._waiting[kind] -= 1

    def seconds_left(self, step: int) -> float | None:
        tokens = self.tokens_until[-1] - self.tokens_until[step]
        return self.time_left.left({"train": tokens, **self._waiting, "store": 1})

    @property
    def speed(self) -> float | None:
        """Tokens a second over the steps of this attempt, padding not counted."""
        spent, tokens = self.clock.seconds.get("train", 0.0), self.clock.units.get("train", 0)
        return tokens / spent if spent > 0 and tokens else None

    def epoch(self, step: int) -> float:
        return step * self.recipe.batch_size / len(self.data.train)

    def sentence(self, step: int) -> str:
        """ "Step 62 of 100, epoch 2. Next evaluation at step 70." """
        later = [evaluation for evaluation in sorted(self.evaluate_at) if evaluation > step]
        after = f" Next evaluation at step {later[0]}." if later else ""
        return f"Step {step} of {self.steps}, epoch {min(self.epoch(step), self.recipe.epochs):.1f}.{after}"


def _questions(rows: list[TrainingRow], count: int) -> list[TrainingRow]:
    """Different validation questions, spread evenly over the set, the same ones each time."""
    by_question: dict[str, TrainingRow] = {}
    most = min(count, len(rows))
    for part in range(most):
        for row in rows[part * len(rows) // most :]:
            if row.question not in by_question:
                by_question[row.question] = row
                break
    return list(by_question.values())
