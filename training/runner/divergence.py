"""How far a model has moved from its base model on some rows, as a term of the loss. Imports torch, as `training.runner.loop` does."""

from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import log_softmax

from core.runs.context import RunFailed
from training.methods import Recipe
from training.objectives.supervised import divergence_weight
from training.runner.data import IGNORED
from training.runner.reference import is_base_without_adapter
from training.runner.scoring import row_losses

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


def losses_and_hold(
    model: "PreTrainedModel | PeftModel", batch: dict[str, Any], recipe: Recipe
) -> tuple[torch.Tensor, torch.Tensor | float]:
    """(`row_losses`, what the rows' divergence from the base model adds to the loss, summed over tokens: 0 for a recipe without it)."""
    weight = divergence_weight(recipe)
    if not weight:
        return row_losses(model, batch), 0.0
    losses, divergence = losses_and_divergence(model, batch)
    return losses, weight * divergence.sum()


def losses_and_divergence(
    model: "PreTrainedModel | PeftModel", batch: dict[str, Any]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Of a batch from `collate`, each (rows,), in nats and summed over the completion's tokens: the cross entropy, and the divergence
    KL(base || model) of the next token's distribution, the base model's expectation of how much less likely the model makes a token.

    The base model is the model with its adapter switched off, so no second one is in memory; it costs one pass more.
    RunFailed where that is not the base model.
    """
    if not is_base_without_adapter(model):
        raise RunFailed(
            "no_base_beside",
            "This method changes the base model's own weights, so the model cannot be held to it.",
            "Choose LoRA, or set “Hold to the base model” to 0.",
        )
    with torch.no_grad(), model.disable_adapter():
        base = log_softmax(_scores(model, batch), dim=-1)
    own = log_softmax(_scores(model, batch), dim=-1)
    labels = batch["labels"][:, 1 - batch["keep"] :]
    counted = labels != IGNORED
    losses = -own.gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    divergence = (base.exp() * (base - own)).sum(dim=-1)
    return (losses * counted).sum(dim=1), (divergence * counted).sum(dim=1)


def _scores(model: "PreTrainedModel | PeftModel", batch: dict[str, Any]) -> torch.Tensor:
    """(rows, positions that predict completion tokens, vocabulary), as in `scoring.row_losses`."""
    keep = batch["keep"]
    scores: torch.Tensor = model(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        position_ids=batch["position_ids"],
        logits_to_keep=keep,
        use_cache=False,
    ).logits
    return scores[:, -keep:-1].float()
