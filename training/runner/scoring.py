"""What a model gives to rows: losses and log-probabilities of their completions.

Imports torch, as `training.runner.loop` does.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import cross_entropy

from training.objectives import Scores, Whole
from training.runner.completion_loss import losses_for_logits, plain_head
from training.runner.data import IGNORED
from training.runner.masks import fill_empty_rows

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


# Every loss of training and measuring is calculated here.
fill_empty_rows()


def row_losses(model: "PreTrainedModel | PeftModel", batch: dict[str, Any]) -> torch.Tensor:
    """Each row's cross entropy summed over its completion tokens, in nats: (rows,), of a batch from `collate`.

    Only the positions that predict completion tokens are scored (`logits_to_keep`).
    """
    keep = batch["keep"]
    labels = batch["labels"][:, 1 - keep :]
    head = plain_head(model)
    given = nullcontext() if head is None else losses_for_logits(head, labels, ignored=IGNORED)
    with given:
        found = model(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            position_ids=batch["position_ids"],
            logits_to_keep=keep,
            use_cache=False,
        ).logits
    if head is None:
        # A model that does not know the argument returns all positions; the last ones are the same.
        scores = found[:, -keep:-1].float()
        found = cross_entropy(
            scores.reshape(-1, scores.shape[-1]), labels.reshape(-1), reduction="none", ignore_index=IGNORED
        )
    return found.reshape(labels.shape).sum(dim=1)


def scores_of(losses: torch.Tensor, batch: dict[str, Any], baseline: torch.Tensor | None = None) -> Scores:
    """The scores of a batch from `collate_rows`, from the `row_losses` of its answers."""
    rows = len(batch["liked"])
    return Scores(
        log_probs=-losses.reshape(rows, -1),
        tokens=(batch["labels"] != IGNORED).sum(dim=1).reshape(rows, -1),
        liked=batch["liked"],
        reference=batch.get("reference"),
        baseline=baseline,
    )


def on_processor(scores: Scores) -> Scores:
    """The same scores, as other processes can read them."""
    return Scores(
        log_probs=scores.log_probs.cpu(),
        tokens=scores.tokens.cpu(),
        liked=scores.liked.cpu(),
        reference=None if scores.reference is None else scores.reference.cpu(),
        baseline=None if scores.baseline is None else scores.baseline.cpu(),
    )


def joined(parts: list[Scores], baseline: torch.Tensor | None) -> Scores:
    """The scores of several batches as one, in float64 on the processor: sums over many rows keep their digits."""
    references = [part.reference.double().cpu() for part in parts if part.reference is not None]
    return Scores(
        log_probs=torch.cat([part.log_probs.double().cpu() for part in parts]),
        tokens=torch.cat([part.tokens.cpu() for part in parts]),
        liked=torch.cat([part.liked.cpu() for part in parts]),
        reference=torch.cat(references) if references else None,
        baseline=baseline,
    )


def whole_of(batches: list[dict[str, Any]]) -> Whole:
    """All rows of some batches from `collate_rows`, and the tokens of their first answers."""
    rows = sum(len(batch["liked"]) for batch in batches)
    tokens = 0
    for batch in batches:
        answers = len(batch["labels"]) // len(batch["liked"])
        tokens += int((batch["labels"][::answers] != IGNORED).sum())
    return Whole(rows=rows, tokens=tokens)


def log_ratios(model: "PreTrainedModel | PeftModel", batch: dict[str, Any]) -> torch.Tensor:
    """(rows,): how much more likely, in nats, the model makes the unrelated answers of a batch from `collate_rows` than the reference
    does."""
    unrelated = batch["unrelated"]
    return -row_losses(model, unrelated) - unrelated["reference"]


@contextmanager
def apart(model: "PreTrainedModel | PeftModel") -> Iterator[None]:
    """Evaluation mode, without gradients, and without effect on training's random numbers."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    was_training = model.training
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        model.eval()
        try:
            yield
        finally:
            model.train(was_training)
