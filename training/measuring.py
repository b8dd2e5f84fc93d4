"""How often a run measures itself, and on how many rows: evaluations and sample answers within a share of its time.

Pure: seconds in, a plan out. It is made at the launch from the estimate and stored with it, so that a resumed run and the pages
have the same one.
"""

from dataclasses import asdict, dataclass
from math import floor, inf
from typing import Any

from core.wording import counted

# Rounds of sample answers: before the first step, half-way and after the last one.
MOST_ROUNDS = 3
# Sample answers take at most this part of the time for measuring. Answers to two questions are an impression, not a figure.
SAMPLE_PART = 1 / 3
# Fewer evaluations before fewer rows than this: with a spread of about 1 between rows, 50 give the mean loss to within 0.14.
ENOUGH_ROWS = 50
# The times of different kinds of work are known to about a fifth.
MARGIN = 0.8
# The loss before and after training is measured on this many rows, even where it takes a larger share of a run of seconds.
FEWEST_ROWS = 4


@dataclass(frozen=True)
class MeasuringPlan:
    """Validation loss is measured on `rows` rows before the first step and `evaluations` times afterwards, the last time after the
    last step. Sample answers are written `rounds` times: at the end; at the start too; half-way too."""

    rows: int
    evaluations: int
    rounds: int

    def as_values(self) -> dict[str, int]:
        return asdict(self)

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> "MeasuringPlan":
        return cls(**{name: int(values[name]) for name in ("rows", "evaluations", "rounds")})

    def words(self) -> str:
        """ "Validation loss before the first step, after the last one and once in between, on 50 rows; sample answers at the start and
        the end." """
        often = self.evaluations - 1
        between = {0: "and after the last one", 1: "after the last one and once in between"}.get(
            often, f"after the last one and {often} times in between"
        )
        samples = ("at the end", "at the start and the end", "at the start, half-way and at the end")
        return (
            f"Validation loss before the first step{' ' if not often else ', '}{between}, on {counted(self.rows, 'row')}; "
            f"sample answers {samples[self.rounds - 1]}."
        )

    def evaluate_at(self, steps: int) -> set[int]:
        """The steps after which validation loss is measured; before the first step it always is."""
        return {round(steps * part / self.evaluations) for part in range(1, self.evaluations + 1)} - {0}

    def sample_at(self, steps: int) -> set[int]:
        """The steps after which sample answers are written; 0 is before the first step."""
        places = (steps, 0, max(1, steps // 2))
        return set(places[: self.rounds])


def within(
    *, share: float, others: float, row: float, round_seconds: float, rows: int, evaluations: int
) -> MeasuringPlan:
    """The most that fits into `share` of a run's time. All arguments but counts are seconds: `others` is all work of the run except
    measuring, `row` one validation row, `round_seconds` one round of sample answers.

    `rows` and `evaluations` are the most to be measured. Evaluations half-way are given up before rows are.
    """
    aimed = MARGIN * share
    budget = aimed / (1 - aimed) * others if share < 1 else inf
    rounds = MOST_ROUNDS
    while rounds > 1 and rounds * round_seconds > SAMPLE_PART * budget:
        rounds -= 1
    left = budget - rounds * round_seconds
    times = evaluations

    def fitting() -> int:
        each = row * (times + 1)
        return rows if each <= 0 or left == inf else floor(left / each)

    while times > 1 and fitting() < min(rows, ENOUGH_ROWS):
        times -= 1
    return MeasuringPlan(
        rows=min(rows, max(fitting(), FEWEST_ROWS)), evaluations=max(1, times), rounds=rounds
    )


def words_of(values: dict[str, Any]) -> str:
    """The plan with these values in words; "" for a run of an earlier release, which measured what its recipe says."""
    return MeasuringPlan.from_values(values).words() if values else ""
