"""Supervised fine-tuning: the model learns to write the experts' completions."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from training.methods import Recipe
from training.methods.base import setting
from training.objectives.base import Scores, Taken, Whole

if TYPE_CHECKING:
    from torch import Tensor

NO_REPLAY, SELF_REPLAY, GENERAL_REPLAY, PROJECT_REPLAY = "none", "self", "general", "project"
# How often one and the same row is practised in an epoch at most: a small set is not learnt by heart.
MOST_REPEATS = 4


@dataclass(frozen=True, kw_only=True)
class SupervisedSettings:
    """What keeps a model from forgetting what it could before."""

    replay: str = setting(
        default=NO_REPLAY,
        label="Practise besides",
        help="Rows that are mixed into the training rows, so that the model keeps what it can do already.",
        choices=(
            (NO_REPLAY, "Nothing"),
            (SELF_REPLAY, "General questions, with the base model's own answers"),
            (GENERAL_REPLAY, "General questions, with our answers"),
            (PROJECT_REPLAY, "Earlier rows of this project that this dataset lacks"),
        ),
        source="nothing: choose it when the measurement of what a version forgot shows a loss",
    )
    replay_share: float = setting(
        default=0.25,
        label="Share of them",
        help="Of all rows that are trained on. More of them forget less and take longer.",
        least=0.01,
        most=0.9,
        advanced=True,
        source="a third as many as own rows; 0.05 to 0.3 in published recipes",
    )
    own_words: bool = setting(
        default=False,
        label="Learn in the base model's words",
        help="Before training the base model rewrites each expert's answer. Where its words keep every fact, name and number they are "
        "learnt in place of the expert's; the others stay as they are. Held-out rows are not changed.",
        advanced=True,
        source="off: experts' words are what people approved",
    )
    divergence_weight: float = setting(
        default=0.0,
        label="Hold to the base model",
        help="Adds the distance from the base model's expectations (KL divergence, nats a token) times this number to the loss: 0.1 holds "
        "loosely, 1 firmly. LoRA without PiSSA, OFT and IA3 can do it; a step takes about half as long again.",
        least=0.0,
        most=100.0,
        advanced=True,
        source="off: practising costs less",
    )


def learns_own_words(recipe: Recipe) -> bool:
    """Whether the base model rewrites the experts' answers before they are learnt."""
    return isinstance(recipe, SupervisedSettings) and recipe.own_words


def divergence_weight(recipe: Recipe) -> float:
    """How much the divergence from the base model counts in the loss; 0 for recipes without it."""
    return recipe.divergence_weight if isinstance(recipe, SupervisedSettings) else 0.0


def replayed_rows(recipe: Recipe, own_rows: int) -> int:
    """How many rows are practised besides `own_rows` of the dataset: `replay_share` of all rows, at least one; 0 without replay."""
    if not isinstance(recipe, SupervisedSettings) or recipe.replay == NO_REPLAY or not own_rows:
        return 0
    return max(1, round(own_rows * recipe.replay_share / (1 - recipe.replay_share)))


class Supervised:
    name: ClassVar[str] = "supervised"
    label: ClassVar[str] = "Examples"
    summary: ClassVar[str] = "Learns to answer as the experts' completions do (supervised fine-tuning)."
    dataset_kind: ClassVar[str] = "supervised"
    unit: ClassVar[str] = "row"
    needs: ClassVar[str] = "approved examples"
    settings: ClassVar[type | None] = SupervisedSettings
    learning_rate_share: ClassVar[float] = 1.0
    learning_rate_source: ClassVar[str] = ""
    answers_per_row: ClassVar[int] = 1
    needs_reference: ClassVar[bool] = False
    needs_baseline: ClassVar[bool] = False
    loss_words: ClassVar[str] = "Mean over completion tokens, in nats."
    reward_words: ClassVar[str] = ""

    def takes(self, *, completion: bool, rejected: bool) -> Taken:
        return (("completion",),) if completion else ()

    def loss(self, scores: Scores, recipe: Recipe, whole: Whole) -> "Tensor":
        """Cross entropy by token: a row counts by the length of its completion, whatever portion it is in."""
        return -scores.log_probs.sum() / whole.tokens

    def figures(self, scores: Scores, recipe: Recipe) -> dict[str, float]:
        return {}
