"""The loop's reporter of trainings that are not watched: only steps are reported."""

from collections.abc import Callable
from dataclasses import dataclass

from training.rows import TrainingRow


@dataclass(frozen=True)
class StepsOnly:
    """`told` is called with the number of each step, and may raise RunCancelled or RunLost."""

    told: Callable[[int], None]

    def step(self, *, step: int, message: str, left: float | None) -> None:
        self.told(step)

    def train_point(
        self, *, step: int, loss: float, learning_rate: float | None, speed: float | None
    ) -> None:
        """Not kept."""

    def validation_point(self, *, step: int, loss: float, figures: dict[str, float]) -> None:
        """Never called: the plan is not watched."""

    def samples(self, *, step: int, answers: list[tuple[TrainingRow, str]]) -> None:
        """Never called: the plan is not watched."""

    def saved(self, *, step: int) -> None:
        """Never called: the plan is not watched."""
