"""ORPO (Hong et al. 2024): pairs, learned together with the better answer itself and without a reference."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from training.methods import Recipe
from training.methods.base import setting
from training.objectives.base import Scores, Taken, Whole, preference_figures, share_above

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class ORPOSettings:
    odds_weight: float = setting(
        default=0.1,
        label="Weight of the comparison (lambda)",
        help="How much the comparison of both answers counts beside learning the better one.",
        least=0.0,
        most=10.0,
        source="0.1 in the ORPO paper (lambda) and in TRL (beta)",
    )


class ORPO:
    name: ClassVar[str] = "orpo"
    label: ClassVar[str] = "Better and worse answers, from the base model (ORPO)"
    summary: ClassVar[str] = (
        "Learns to write the better answer of each pair and to avoid the worse one, in one run: for a model that was not trained on "
        "examples before."
    )
    dataset_kind: ClassVar[str] = "preference"
    unit: ClassVar[str] = "pair"
    needs: ClassVar[str] = "pairs of a better and a worse answer to the same question"
    settings: ClassVar[type | None] = ORPOSettings
    learning_rate_share: ClassVar[float] = 0.25
    learning_rate_source: ClassVar[str] = (
        "a quarter of supervised training's: with all weights that is 5e-6, as in the ORPO paper for 7B models"
    )
    answers_per_row: ClassVar[int] = 2
    needs_reference: ClassVar[bool] = False
    needs_baseline: ClassVar[bool] = False
    loss_words: ClassVar[str] = (
        "ORPO's loss: the better answers' mean over tokens, in nats, and the weighted comparison of the pairs."
    )
    reward_words: ClassVar[str] = (
        "A reward is lambda times an answer's mean log-probability by token. Before training it is the base model's own preference."
    )

    def takes(self, *, completion: bool, rejected: bool) -> Taken:
        return (("completion", "rejected"),) if completion and rejected else ()

    def loss(self, scores: Scores, recipe: Recipe, whole: Whole) -> "Tensor":
        """Equation 6 of the paper: cross entropy of the better answer, minus lambda * log sigmoid(log odds ratio), with
        odds = p / (1 - p) and p the geometric mean of an answer's token probabilities.

        Cross entropy counts completion tokens only, as supervised training does; TRL's counts the prompt's too.
        """
        import torch
        from torch.nn.functional import logsigmoid

        means = scores.log_probs / scores.tokens
        # log(1 - p) without losing digits where p is near 1; a token's rounding may make p 1, whose odds are infinite.
        others = torch.log(-torch.expm1(means.clamp(max=-1e-7)))
        log_odds = means - others
        compared = logsigmoid(log_odds[:, 0] - log_odds[:, 1])
        learned = -scores.log_probs[:, 0].sum() / whole.tokens
        return learned - _weight(recipe) * compared.sum() / whole.rows

    def figures(self, scores: Scores, recipe: Recipe) -> dict[str, float]:
        means = scores.log_probs / scores.tokens
        liked, disliked = (_weight(recipe) * means).unbind(dim=1)
        return preference_figures(
            liked=liked,
            disliked=disliked,
            accuracy=share_above(*means.unbind(dim=1)),
            log_probs=scores.log_probs.unbind(dim=1),
        )


def _weight(recipe: Recipe) -> float:
    assert isinstance(recipe, ORPOSettings)
    return recipe.odds_weight
