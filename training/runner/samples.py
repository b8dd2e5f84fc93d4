"""Sample answers to validation questions while a run trains."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from training.rows import TrainingRow
from training.runner.answers import answers
from training.runner.plan import TrainingPlan

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

# They are at most twice as long as the experts' answers to the same questions, within these limits.
LEAST_TOKENS, MOST_TOKENS = 24, 80


def sample_answers(
    model: "PreTrainedModel | PeftModel", plan: TrainingPlan, *, autocast: bool, tell: Callable[[], None]
) -> list[tuple[TrainingRow, str]]:
    """(question's row, greedy answer) for the plan's questions, written together: a pass reads all weights for one token of each answer,
    so several answers take as long as one. `tell` is called at each token and may raise, which ends the work."""
    import torch

    experts = max((answer.answer_tokens for row in plan.questions for answer in row.answers), default=0)
    most = min(MOST_TOKENS, max(LEAST_TOKENS, 2 * experts))
    told = 0

    def watch() -> None:
        nonlocal told
        told += 1
        plan.time_left.progress(min(1.0, told / most))
        tell()

    # The Trainer lets the model's forward pass run in bfloat16, and answers are not written by that.
    with torch.autocast(model.device.type, torch.bfloat16, enabled=autocast):
        written = answers(
            model,
            [row.prompt for row in plan.questions],
            stop_id=plan.stop_id,
            pad_id=plan.pad_id,
            most_tokens=most,
            watch=watch,
        )
    texts = [plan.tokenizer.decode(each[0], skip_special_tokens=True).strip() for each in written]
    return list(zip(plan.questions, texts, strict=True))
