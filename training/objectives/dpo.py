"""DPO (Rafailov et al. 2023): pairs of a better and a worse answer, without a reward model."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from training.methods import Recipe
from training.methods.base import setting
from training.objectives.base import Scores, Taken, Whole, preference_figures, share_above

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class DPOSettings:
    beta: float = setting(
        default=0.1,
        label="Beta",
        help="How strongly the model is held to its reference, the model before training. Higher values change it less.",
        least=0.001,
        most=10.0,
        source="the DPO paper's and TRL's default; 0.1 to 0.5 are usual",
    )


class DPO:
    name: ClassVar[str] = "dpo"
    label: ClassVar[str] = "Better and worse answers (DPO)"
    summary: ClassVar[str] = (
        "Makes the better answer of each pair more likely than the worse one, and stays close to the model it starts from."
    )
    dataset_kind: ClassVar[str] = "preference"
    unit: ClassVar[str] = "pair"
    needs: ClassVar[str] = "pairs of a better and a worse answer to the same question"
    settings: ClassVar[type | None] = DPOSettings
    learning_rate_share: ClassVar[float] = 0.05
    learning_rate_source: ClassVar[str] = (
        "a twentieth of supervised training's: with all weights that is 1e-6, as in the DPO paper and TRL; with LoRA published recipes "
        "use 5e-6 to 5e-5"
    )
    answers_per_row: ClassVar[int] = 2
    needs_reference: ClassVar[bool] = True
    needs_baseline: ClassVar[bool] = False
    loss_words: ClassVar[str] = "DPO's loss, mean over pairs; 0.69 is a model that does not tell them apart."
    reward_words: ClassVar[str] = (
        "A reward is beta times how much more likely the model makes an answer than the model before training does, in nats."
    )

    def takes(self, *, completion: bool, rejected: bool) -> Taken:
        return (("completion", "rejected"),) if completion and rejected else ()

    def loss(self, scores: Scores, recipe: Recipe, whole: Whole) -> "Tensor":
        """-log sigmoid(reward of the better answer - reward of the worse one): equation 7 of the paper."""
        from torch.nn.functional import logsigmoid

        rewards = _rewards(scores, recipe)
        return -logsigmoid(rewards[:, 0] - rewards[:, 1]).sum() / whole.rows

    def figures(self, scores: Scores, recipe: Recipe) -> dict[str, float]:
        liked, disliked = _rewards(scores, recipe).unbind(dim=1)
        return preference_figures(
            liked=liked,
            disliked=disliked,
            accuracy=share_above(liked, disliked),
            log_probs=scores.log_probs.unbind(dim=1),
        )


def _rewards(scores: Scores, recipe: Recipe) -> "Tensor":
    assert isinstance(recipe, DPOSettings)
    assert scores.reference is not None
    return recipe.beta * (scores.log_probs - scores.reference)
