"""What training took away: the figures of each task before and after, and what they say. Pure; no torch, no database.

Of tasks with a check the share of right answers decides, of the others the loss. All differences are "worse by": above zero, something
was lost. Shares differ in points of one (0.1 is 10 points), losses in nats per token.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from core.wording import counted
from training.general import TASKS
from training.statistics.paired import PairedRow, holm, paired_difference
from training.statistics.shares import share_difference

KIND = "forgetting"  # of the run
PREVIOUS = "previous"  # the task of the previous version's own test rows
LEVEL = 0.95
# With fewer items one unusual item decides (release.held_out.LEAST_ROWS has the same reason and value).
LEAST_ITEMS = 20
# A base model that gets fewer right has nothing that could be seen to be lost.
LEAST_RIGHT = 10
# The largest loss that still counts as none: the smallest that 80 to 90 items can exclude when about one answer in ten changes, either
# way; and 10% more perplexity.
TOLERANCE_SHARE, TOLERANCE_LOSS = 0.10, 0.10

Verdict = Literal["forgot", "kept", "better", "unknown"]
WORDS: dict[str, str] = {
    "forgot": "Forgot",
    "kept": "No sign of forgetting",
    "better": "Better",
    "unknown": "Cannot be told",
}


@dataclass(frozen=True)
class ItemResult:
    """One item before and after. `right` is None for items without a check; losses are summed over `tokens`, in nats."""

    loss_before: float
    loss: float
    tokens: float
    right_before: bool | None = None
    right: bool | None = None
    group: str = ""
    weight: float = 1.0


@dataclass(frozen=True)
class BeforeAfter:
    """Before, after, and how much worse, with an interval. Bounds and p-value are None with fewer than two groups of items."""

    before: float
    after: float
    worse: float
    low: float | None
    high: float | None
    p_worse: float | None

    @property
    def worse_points(self) -> float:
        return 100 * self.worse

    @property
    def low_points(self) -> float | None:
        return None if self.low is None else 100 * self.low

    @property
    def high_points(self) -> float | None:
        return None if self.high is None else 100 * self.high


@dataclass(frozen=True)
class TaskFigures:
    """A task as it was measured. `right` is None for a task without a check. `lost` and `gained` count items that changed."""

    task: str
    n: int
    right: BeforeAfter | None
    loss: BeforeAfter
    lost: int = 0
    gained: int = 0
    right_before: int = 0

    @property
    def deciding(self) -> BeforeAfter:
        return self.right or self.loss

    @property
    def label(self) -> str:
        return TASKS[self.task].label if self.task in TASKS else "Test rows of the version before it"

    def as_values(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "TaskFigures":
        right = values["right"]
        return cls(
            **{
                **values,
                "right": BeforeAfter(**right) if right else None,
                "loss": BeforeAfter(**values["loss"]),
            }
        )


def figures_of(task: str, results: Sequence[ItemResult]) -> TaskFigures | None:
    """None without items. Results of one `group` are treated as similar; without a name each is its own group."""
    rows = [
        PairedRow(result.group or number, result.loss, result.loss_before, result.tokens, result.weight)
        for number, result in enumerate(results)
    ]
    loss = paired_difference(rows, level=LEVEL)
    if loss is None:
        return None
    losses = BeforeAfter(loss.other, loss.loss, loss.difference, loss.low, loss.high, loss.p_higher)
    pairs = [
        (result.right_before, result.right)
        for result in results
        if result.right_before is not None and result.right is not None
    ]
    shares = share_difference(pairs, level=LEVEL)
    if shares is None:
        return TaskFigures(task, len(results), None, losses)
    right = BeforeAfter(shares.before, shares.after, shares.worse, shares.low, shares.high, shares.p_worse)
    before = sum(was for was, _ in pairs)
    return TaskFigures(task, len(results), right, losses, shares.lost, shares.gained, before)


@dataclass(frozen=True)
class TaskVerdict:
    """`why` says why a task cannot be told, else it is empty."""

    figures: TaskFigures
    verdict: Verdict
    why: str = ""

    @property
    def words(self) -> str:
        return WORDS[self.verdict]


def verdicts(figures: Sequence[TaskFigures]) -> list[TaskVerdict]:
    """What can be said of each task. The tests for "forgot" are corrected for the number of tasks (Holm), so that a version that lost
    nothing is called forgetful in at most one of forty measurements."""
    judged = [one for one in figures if not why_unjudged(one)]
    p_values = [1.0 if one.deciding.p_worse is None else one.deciding.p_worse for one in judged]
    corrected = {one.task: p for one, p in zip(judged, holm(p_values), strict=True)}
    return [_verdict(one, corrected.get(one.task)) for one in figures]


def nothing_to_lose(figures: TaskFigures) -> bool:
    """Whether so few answers were right before training that none could be seen to be lost."""
    return figures.right is not None and figures.right_before < LEAST_RIGHT


def why_unjudged(figures: TaskFigures) -> str:
    """Why a task says nothing about forgetting whatever its difference; empty when it does."""
    if nothing_to_lose(figures):
        return f"Only {figures.right_before} of {figures.n} answers were right before training."
    if figures.n < LEAST_ITEMS:
        return f"It has {counted(figures.n, 'item')}; at least {LEAST_ITEMS} are needed."
    if figures.deciding.high is None:
        return "All its rows are of one conversation."
    return ""


def _verdict(figures: TaskFigures, p_worse: float | None) -> TaskVerdict:
    unjudged = why_unjudged(figures)
    if unjudged or p_worse is None:
        return TaskVerdict(figures, "unknown", unjudged)
    worse = figures.deciding
    assert worse.low is not None
    assert worse.high is not None
    if p_worse < (1 - LEVEL) / 2 and worse.low > 0:
        return TaskVerdict(figures, "forgot")
    if worse.high < 0:
        return TaskVerdict(figures, "better")
    if worse.high <= (TOLERANCE_LOSS if figures.right is None else TOLERANCE_SHARE):
        return TaskVerdict(figures, "kept")
    return TaskVerdict(figures, "unknown", f"The interval of {figures.n} items is too wide.")
