"""The interface of objectives: what a run learns from, and how far an answer is from it.

An objective adds its own settings to the recipe of a method, takes the answers that it needs from a row, and calculates the loss from
log-probabilities. Nothing here imports torch; `loss` and `figures` get tensors and run in the worker only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from training.methods import Recipe

if TYPE_CHECKING:
    from torch import Tensor

# The fields of a dataset row that hold its answers: the better or liked one, and the worse or disliked one.
AnswerName = Literal["completion", "rejected"]
Taken = tuple[tuple[AnswerName, ...], ...]


@dataclass(frozen=True)
class Scores:
    """What a model gives to the answers of some training rows; natural logarithms.

    log_probs: (rows, answers a row), each answer's log-probability, summed over its tokens, the end of the turn included.
    tokens: (rows, answers a row), how many tokens that are.
    reference: (rows, answers a row), the same log-probabilities by the reference; only for an objective that needs one.
    liked: (rows,), whether the row's first answer is a liked one.
    baseline: (), for an objective that needs one, in nats: see `Objective.needs_baseline`.
    """

    log_probs: "Tensor"
    tokens: "Tensor"
    liked: "Tensor"
    reference: "Tensor | None" = None
    baseline: "Tensor | None" = None


@dataclass(frozen=True)
class Whole:
    """The step that some rows are a portion of: all its rows, and the tokens of their first answers."""

    rows: int
    tokens: int


class Objective(Protocol):
    """One thing to learn from. Class variables are shown to users, and also read in the web process."""

    name: ClassVar[str]
    label: ClassVar[str]
    summary: ClassVar[str]
    # Of dataset.models.DatasetVersion.Kind: which versions have its rows.
    dataset_kind: ClassVar[str]
    # What one training row is, and what a dataset must have.
    unit: ClassVar[str]
    needs: ClassVar[str]
    # Its own settings, as fields of a frozen dataclass (training.methods.base.setting); None when it has none.
    settings: ClassVar[type | None]
    # The default learning rate, as a share of the method's, and its source; 1 leaves the method's own.
    learning_rate_share: ClassVar[float]
    learning_rate_source: ClassVar[str]
    answers_per_row: ClassVar[int]
    # Whether it needs the log-probabilities of the model as it was before training.
    needs_reference: ClassVar[bool]
    # Whether it needs the mean log-ratio of model and reference over answers to other prompts (KTO).
    needs_baseline: ClassVar[bool]
    loss_words: ClassVar[str]
    # What a reward is, for the note of the chart; "" when it has no rewards.
    reward_words: ClassVar[str]

    def takes(self, *, completion: bool, rejected: bool) -> Taken:
        """The training rows that a dataset row makes, each with the names of its answers, the better one first. The arguments say
        which answers the dataset row has."""

    def loss(self, scores: Scores, recipe: Recipe, whole: Whole) -> "Tensor":
        """What some rows add to the loss of the step `whole`, a scalar; the sum over a step's portions is the step's loss."""

    def figures(self, scores: Scores, recipe: Recipe) -> dict[str, float]:
        """What is reported on validation rows besides the loss; the names are those of PREFERENCE_FIGURES."""


# What a preference objective reports on held-out rows, in the order in which they are shown: (name, label).
PREFERENCE_FIGURES: tuple[tuple[str, str], ...] = (
    ("accuracy", "Accuracy"),
    ("margin", "Reward margin"),
    ("reward_liked", "Reward of liked answers"),
    ("reward_disliked", "Reward of disliked answers"),
    ("log_prob_liked", "Log-probability of liked answers"),
    ("log_prob_disliked", "Log-probability of disliked answers"),
)


def share_above(liked: "Tensor", disliked: "Tensor") -> float:
    """Of two tensors of one shape, the share of places where the first is larger. An equal pair counts a half, so that a model that
    cannot tell two answers apart has 0.5."""
    return float(((liked > disliked).double() + 0.5 * (liked == disliked).double()).mean())


def preference_figures(
    *, liked: "Tensor", disliked: "Tensor", accuracy: float, log_probs: Sequence["Tensor"]
) -> dict[str, float]:
    """PREFERENCE_FIGURES from the rewards of liked and disliked answers and their `log_probs` (liked, disliked)."""
    means = [float(part.double().mean()) for part in (liked, disliked, *log_probs)]
    return {
        "accuracy": accuracy,
        "margin": means[0] - means[1],
        "reward_liked": means[0],
        "reward_disliked": means[1],
        "log_prob_liked": means[2],
        "log_prob_disliked": means[3],
    }
