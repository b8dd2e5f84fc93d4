"""Supervised fine-tuning: the model learns to write the experts' completions."""

from typing import TYPE_CHECKING, ClassVar

from training.methods import Recipe
from training.objectives.base import Scores, Taken, Whole

if TYPE_CHECKING:
    from torch import Tensor


class Supervised:
    name: ClassVar[str] = "supervised"
    label: ClassVar[str] = "Examples"
    summary: ClassVar[str] = "Learns to answer as the experts' completions do (supervised fine-tuning)."
    dataset_kind: ClassVar[str] = "supervised"
    unit: ClassVar[str] = "row"
    needs: ClassVar[str] = "approved examples"
    settings: ClassVar[type | None] = None
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
