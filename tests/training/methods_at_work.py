"""Training of one method outside a run: rows, a plan, the real loop, and greedy answers."""

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from training.methods import METHODS, recipe_from
from training.rows import EncodedRow
from training.runner.answers import answers
from training.runner.data import collate, encode_rows
from training.runner.loop import LoopResult, train
from training.runner.plan import TrainingPlan
from training.runner.scoring import row_losses

STOP = "<|im_end|>"
# (method, changes to its recipe, a name for the pair): every method, and every variant that is stored in another way.
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("lora", {}, "lora"),
    ("lora", {"rslora": True, "rank": 8}, "rslora"),
    ("lora", {"variant": "dora"}, "dora"),
    ("lora", {"variant": "pissa", "rank": 4, "rslora": True}, "pissa"),
    ("oft", {"block": 8, "learning_rate": 0.05}, "oft"),
    ("ia3", {"learning_rate": 0.1}, "ia3"),
    ("bottleneck", {"size": 16}, "bottleneck"),
    ("prompt", {"learning_rate": 0.3}, "prompt"),
    ("prefix", {"length": 7, "learning_rate": 0.1}, "prefix"),
    ("adaption-prompt", {"learning_rate": 0.5}, "adaption-prompt"),
    ("full", {"learning_rate": 0.01}, "full"),
]
# bitsandbytes is in the lock for tests, and not in the one for running without a GPU.
if find_spec("bitsandbytes"):
    CASES.append(("qlora", {"learning_rate": 1e-3}, "qlora"))
IDS = [name for _, _, name in CASES]


@dataclass
class Collected:
    """A reporter that keeps losses and says which steps have a checkpoint."""

    losses: list[float] = field(default_factory=list)
    validation: dict[int, float] = field(default_factory=dict)
    checkpoints: list[int] = field(default_factory=list)
    stop_after: int = 0
    done: int = 0

    def step(self, *, step: int, message: str, left: float | None) -> None:
        self.done = step

    def train_point(self, *, step: int, loss: float, **_: float | None) -> None:
        self.losses.append(loss)

    def validation_point(self, *, step: int, loss: float, figures: dict[str, float]) -> None:
        self.validation[step] = loss

    def samples(self, *, step: int, answers: list[tuple[EncodedRow, str]]) -> None: ...

    def saved(self, *, step: int) -> None:
        self.checkpoints.append(step)

    def stop_asked(self) -> bool:
        return bool(self.stop_after) and self.done >= self.stop_after


def rows(count: int = 12) -> list[dict[str, Any]]:
    """Prompts and completions of different lengths, a quarter of them held out."""
    places = ("at sea", "in customs, waiting for the commercial invoice", "delivered")
    return [
        {
            "position": at,
            "example": at,
            "split": "validation" if at % 4 == 3 else "train",
            "messages": [{"role": "user", "content": f"Where is FD-{at}?" + " Tell me." * (at % 5)}],
            "context": [],
            "completion": f"Your shipment is {places[at % 3]}.",
        }
        for at in range(count)
    ]


def plan_of(
    folder: Path, recipe: Any, *, steps: int, content: list[dict[str, Any]] | None = None
) -> TrainingPlan:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    data = encode_rows(
        content or rows(), tokenizer, stop_token=STOP, system_prompt="", max_length=recipe.max_length
    )
    stop_id = tokenizer.convert_tokens_to_ids(STOP)
    return TrainingPlan(
        recipe=recipe, data=data, steps=steps, tokenizer=tokenizer, stop_id=stop_id, questions=1
    )


def recipe_of(method: str, changes: dict[str, Any]) -> Any:
    return recipe_from(METHODS[method].recipe, {"evaluations": 1, "schedule": "constant"} | changes)


def run_loop(
    model: Any,
    plan: TrainingPlan,
    reporter: Collected,
    work: Path,
    *,
    number: int,
    resume_from: Path | None = None,
) -> LoopResult:
    return train(
        training_run_id=number,
        model=model,
        plan=plan,
        reporter=reporter,
        stop_asked=reporter.stop_asked,
        device="cpu",
        autocast=False,
        work=work,
        resume_from=resume_from,
    )


def loaded(folder: Path, method: str, recipe: Any) -> Any:
    torch.manual_seed(recipe.seed)
    return alike_in_training_and_answers(METHODS[method].load(folder, recipe, "cpu"))


def alike_in_training_and_answers(model: Any) -> Any:
    """Without bitsandbytes' other kernel, for answers on a processor: it rounds to bfloat16 and takes layers of 64 inputs and more only."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model


def plain_base(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def greedy(model: Any, plan: TrainingPlan, *, tokens: int = 6, together: bool = True) -> list[list[int]]:
    """The answers to the validation prompts as token ids, prompts padded together or each alone."""
    prompts = [row.ids[: row.prompt_length] for row in plan.data.validation]
    options = {"stop_id": plan.stop_id, "pad_id": plan.pad_id, "most_tokens": tokens}
    model.eval()
    if together:
        return [found[0] for found in answers(model, prompts, **options)]
    return [answers(model, [prompt], **options)[0][0] for prompt in prompts]


def validation_loss(model: Any, plan: TrainingPlan) -> float:
    with torch.no_grad():
        total = row_losses(model.eval(), collate(plan.data.validation, plan.pad_id)).sum()
    return float(total) / sum(row.answer_tokens for row in plan.data.validation)
