"""The arguments of transformers' Trainer, from the plan of a training run.

Imports torch, as `training.runner.loop` does.
"""

import math
from pathlib import Path

from transformers import TrainingArguments

from training.runner import ranks
from training.runner.plan import TrainingPlan
from training.runner.sharded import FSDP


def trainer_arguments(plan: TrainingPlan, *, device: str, autocast: bool, work: Path) -> TrainingArguments:
    """Rows that do not fit into memory at once are gathered over several portions of one step. Logs and
    checkpoints are the loop's own, so the Trainer's are off."""
    recipe, shared = plan.recipe, ranks.processes() > 1
    rows = recipe.batch_size // ranks.processes()
    portion = recipe.portion(device, processes=ranks.processes())
    arguments = TrainingArguments(
        output_dir=str(work),
        per_device_train_batch_size=portion,
        gradient_accumulation_steps=rows // portion,
        max_steps=plan.steps,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="constant_with_warmup" if recipe.schedule == "constant" else recipe.schedule,
        warmup_steps=math.ceil(recipe.warmup * plan.steps),
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        optim="adamw_torch",
        logging_strategy="steps",
        logging_steps=plan.log_every,
        logging_nan_inf_filter=False,
        save_strategy="no",
        eval_strategy="no",
        bf16=autocast and not shared,  # see ShardedTrainer.autocast
        fsdp=True if shared else None,
        fsdp_config=dict(FSDP) if shared else None,
        use_cpu=device == "cpu",
        gradient_checkpointing=recipe.save_memory,
        gradient_checkpointing_kwargs={"use_reentrant": False} if recipe.save_memory else None,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        report_to=[],
        disable_tqdm=True,
        seed=recipe.seed,
        data_seed=recipe.seed,
    )
    # One process trains on one device. Of several, each gets every n-th portion of the planned order (accelerate's BatchSamplerShard).
    arguments._n_gpu = min(arguments.n_gpu, 1)  # noqa: SLF001
    return arguments
