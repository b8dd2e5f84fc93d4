"""KTO (Ethayarajh et al. 2024): answers that were liked or disliked, each alone."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from training.methods import Recipe
from training.methods.base import setting
from training.objectives.base import AnswerName, Scores, Taken, Whole, preference_figures, share_above

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class KTOSettings:
    beta: float = setting(
        default=0.1,
        label="Beta",
        help="How strongly the model is held to its reference, the model before training. Higher values change it less.",
        least=0.001,
        most=10.0,
        source="the KTO paper's and TRL's default",
    )
    desirable_weight: float = setting(
        default=1.0,
        label="Weight of liked answers",
        help="Raise it when there are fewer liked than disliked answers.",
        least=0.0,
        most=100.0,
        advanced=True,
        source="equal weights; the paper advises weight times number of liked answers to be 1 to 1.33 times that of disliked ones",
    )
    undesirable_weight: float = setting(
        default=1.0,
        label="Weight of disliked answers",
        help="Raise it when there are fewer disliked than liked answers.",
        least=0.0,
        most=100.0,
        advanced=True,
        source="equal weights",
    )


class KTO:
    name: ClassVar[str] = "kto"
    label: ClassVar[str] = "Liked and disliked answers (KTO)"
    summary: ClassVar[str] = (
        "Makes liked answers more likely and disliked ones less likely. Each answer counts alone, so thumbs suffice; a pair counts as "
        "two answers."
    )
    dataset_kind: ClassVar[str] = "preference"
    unit: ClassVar[str] = "answer"
    needs: ClassVar[str] = "liked and disliked answers"
    settings: ClassVar[type | None] = KTOSettings
    learning_rate_share: ClassVar[float] = 0.05
    learning_rate_source: ClassVar[str] = (
        "a twentieth of supervised training's: with all weights that is 1e-6, TRL's default; the KTO paper used 5e-7 to 5e-6, and LoRA "
        "takes about ten times as much"
    )
    answers_per_row: ClassVar[int] = 1
    needs_reference: ClassVar[bool] = True
    needs_baseline: ClassVar[bool] = True
    loss_words: ClassVar[str] = "KTO's loss, mean over answers; 0.5 is a model that does not tell them apart."
    reward_words: ClassVar[str] = (
        "A reward is beta times how much more likely the model makes an answer than the model before training does, in nats. Accuracy "
        "compares each liked answer with each disliked one."
    )

    def takes(self, *, completion: bool, rejected: bool) -> Taken:
        names: list[AnswerName] = []
        if completion:
            names.append("completion")
        if rejected:
            names.append("rejected")
        return tuple((name,) for name in names)

    def loss(self, scores: Scores, recipe: Recipe, whole: Whole) -> "Tensor":
        """Equation 8 of the paper: weight * (1 - sigmoid(reward - beta * baseline)) for a liked answer, the sign of the inside turned
        for a disliked one.

        The baseline estimates how far the model has moved from its reference in general (their KL divergence): the mean log-ratio over
        answers to other prompts, at least 0, without gradient. TRL takes the answers of a portion in a circle; here each
        answer's neighbour is fixed for the run and the mean is over the whole step, so that portions do not change the loss.
        """
        import torch

        own = _own(recipe)
        assert scores.baseline is not None
        distance = _rewards(scores, recipe) - own.beta * scores.baseline.detach().clamp(min=0)
        liked = own.desirable_weight * (1 - torch.sigmoid(distance))
        disliked = own.undesirable_weight * (1 - torch.sigmoid(-distance))
        return torch.where(scores.liked, liked, disliked).sum() / whole.rows

    def figures(self, scores: Scores, recipe: Recipe) -> dict[str, float]:
        """Without answers of both kinds there is nothing to compare, and no figures."""
        rewards, log_probs, liked = _rewards(scores, recipe), scores.log_probs[:, 0], scores.liked
        if bool(liked.all()) or not bool(liked.any()):
            return {}
        return preference_figures(
            liked=rewards[liked],
            disliked=rewards[~liked],
            accuracy=share_above(*_each_with_each(rewards[liked], rewards[~liked])),
            log_probs=(log_probs[liked], log_probs[~liked]),
        )


def _own(recipe: Recipe) -> KTOSettings:
    assert isinstance(recipe, KTOSettings)
    return recipe


def _rewards(scores: Scores, recipe: Recipe) -> "Tensor":
    assert scores.reference is not None
    return _own(recipe).beta * (scores.log_probs - scores.reference)[:, 0]


def _each_with_each(liked: "Tensor", disliked: "Tensor") -> "tuple[Tensor, Tensor]":
    import torch

    first, second = torch.broadcast_tensors(liked[:, None], disliked[None, :])
    return first, second
