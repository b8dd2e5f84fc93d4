"""The runner of run kind "training": data, model, loop, result."""

import logging
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from core.host.disks import storage_error
from core.host.scratch import scratch
from core.runs.context import RunContext, RunFailed, RunHandedBack
from training import checkpoints
from training.distribution import ALONE, Layout, layout_of
from training.host import stopping
from training.host.code_version import code_version
from training.host.machine import multiplies_bfloat16, this_machine, threads
from training.methods import METHODS, Recipe, recipe_from
from training.models import ModelVersion, TrainingRun
from training.objectives import recipe_type
from training.runner.database import DatabaseReporter
from training.runner.files import check_present
from training.runner.job import TrainingJob, as_values
from training.runner.launch import ToldMemory, train_in_processes
from training.runner.memory import PeakMemory
from training.runner.plan import TrainingPlan
from training.runner.planning import plan_of, system_prompt_of_run
from training.runner.results import CONTINUES, store_result
from training.runner.starting import StartFolders, load, start_folders
from training.services import results

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from training.runner.loop import LoopResult

log = logging.getLogger(__name__)
OUT_OF_MEMORY_ADVICE = (
    "Lower “Rows in memory at once” or “Longest row”, or switch on “Gradient checkpointing”."
)


def run(ctx: RunContext) -> None:
    """Trains, or continues from the last complete checkpoint; produces a model version."""
    training_run = TrainingRun.objects.select_related(
        "project", "base_model", "dataset", "run", "continued_from__artifact"
    ).get(run=ctx.run)
    if ModelVersion.objects.filter(training_run=training_run).exists():
        # The worker died between registering the version and ending the run: nothing is left to do.
        return
    began = time.monotonic()
    method = METHODS[training_run.method]
    recipe = recipe_from(recipe_type(method.name, training_run.objective), training_run.recipe)
    device = _prepare(ctx, training_run, recipe)
    ctx.report(message="Reading the dataset and counting its tokens.", now=True)
    base_folder = check_present(training_run.base_model.artifact, str(training_run.base_model))
    check_present(training_run.dataset.artifact, str(training_run.dataset))
    plan = plan_of(ctx, training_run, recipe, base_folder, tokenizer_of(base_folder), device)
    start = start_folders(training_run, base_folder)
    plan.continues = start.part is not None
    layout = layout_of(
        method, recipe.batch_size, hosts=settings.TRAINING_HOSTS, devices=this_machine().devices
    )
    resume_from = _begin(ctx, training_run, plan, device, layout)
    with scratch("training") as work:
        alone = layout == ALONE
        train: Callable[..., Trained] = _train if alone else partial(_train_together, layout, base_folder)
        result, reporter, model = train(
            ctx,
            training_run,
            plan,
            start,
            device=device,
            work=work,
            resume_from=resume_from,
            began=began,
        )
        reporter.figures(result.steps)
        if result.stopped:
            raise RunHandedBack
        with plan.doing("store"):
            ctx.report(
                done=plan.steps,
                message="Storing the result under its hash.",
                left=plan.seconds_left(plan.steps),
                now=True,
            )
            store_result(
                training_run,
                method,
                recipe,
                model,
                plan.tokenizer,
                base_folder,
                start,
                system_prompt_of_run(training_run),
                result.loss_after,
            )
        reporter.figures(result.steps)


def _prepare(ctx: RunContext, training_run: TrainingRun, recipe: Recipe) -> str:
    """Loads torch and clears what earlier attempts left behind; returns the device."""
    left = float(training_run.estimate.get("seconds") or 0) if not training_run.measured else None
    ctx.report(message="Loading the machine-learning libraries.", left=left or None, now=True)
    device = set_up_torch(recipe.seed)
    checkpoints.clean(training_run.pk)
    results.drop_old_checkpoints()
    return device


def _begin(
    ctx: RunContext, training_run: TrainingRun, plan: TrainingPlan, device: str, layout: Layout
) -> Path | None:
    """Writes down what is about to be trained and where it starts; returns the checkpoint to resume from, if any."""
    results.note_progress(
        training_run=training_run,
        planned_steps=plan.steps,
        train_rows=plan.data.facts.train_rows,
        data_facts=plan.facts,
        environment=environment_of(device, layout),
        code_version=code_version(),
    )
    complete = checkpoints.complete(training_run.pk)
    from_step, resume_from = complete[0] if complete else (0, None)
    if resume_from is not None or ctx.attempt > 1 or training_run.points.exists():
        results.note_resume(training_run=training_run, attempt=ctx.attempt, from_step=from_step)
    plan.begin_at(from_step)
    ctx.report(
        done=from_step,
        total=plan.steps,
        message=f"Loading {training_run.continued_from or training_run.base_model}.",
        left=plan.seconds_left(from_step),
        now=True,
    )
    return resume_from


# What a training gives: how it ended, its reporter, and the trained model.
Trained = tuple["LoopResult", DatabaseReporter, "PreTrainedModel | PeftModel"]


def _train(
    ctx: RunContext,
    training_run: TrainingRun,
    plan: TrainingPlan,
    start: StartFolders,
    *,
    device: str,
    work: Path,
    resume_from: Path | None,
    began: float,
) -> Trained:
    """The training itself, in this process. Raises RunFailed when memory or disk is full."""
    from training.runner.loop import train

    with PeakMemory(device) as memory:
        model = load(METHODS[training_run.method], plan.recipe, start, device)
        plan.clock.add("load", time.monotonic() - began - plan.clock.seconds.get("replay", 0.0))
        reporter = DatabaseReporter(ctx, training_run, plan, memory)
        try:
            with stopping.holding_back_sigterm():
                result = train(
                    training_run_id=training_run.pk,
                    model=model,
                    plan=plan,
                    reporter=reporter,
                    stop_asked=stopping.stop_asked,
                    device=device,
                    autocast=multiplies_bfloat16(device),
                    work=work,
                    resume_from=resume_from,
                )
        except (MemoryError, RuntimeError, OSError) as error:
            raise understood(error) from error
    return result, reporter, model


def _train_together(
    layout: Layout,
    base_folder: Path,
    ctx: RunContext,
    training_run: TrainingRun,
    plan: TrainingPlan,
    start: StartFolders,
    *,
    device: str,
    work: Path,
    resume_from: Path | None,
    began: float,
) -> Trained:
    """The same in several processes, which this one starts and watches."""
    memory = ToldMemory()
    plan.clock.add("load", time.monotonic() - began - plan.clock.seconds.get("replay", 0.0))
    reporter = DatabaseReporter(ctx, training_run, plan, memory)
    job = TrainingJob(
        training_run_id=training_run.pk,
        method=training_run.method,
        objective=training_run.objective,
        recipe=training_run.recipe,
        plan=as_values(plan),
        base_folder=base_folder,
        start=start,
        device=device,
        autocast=multiplies_bfloat16(device),
        threads=max(1, threads() // layout.per_host),
        state_dir=settings.STATE_DIR,
        resume_from=resume_from,
    )
    with stopping.holding_back_sigterm():
        result = train_in_processes(
            job,
            layout=layout,
            ctx=ctx,
            plan=plan,
            reporter=reporter,
            memory=memory,
            stop_asked=stopping.stop_asked,
            folder=work,
        )
    if result.stopped:
        reporter.figures(result.steps)
        raise RunHandedBack
    return result, reporter, job.trained_model(work)


def set_up_torch(seed: int) -> str:
    """Threads and seed; "cuda" when torch sees a GPU, else "cpu"."""
    # Threads that spin while they wait take processor time from the engines and the web process on the same machine,
    # and from training itself. Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch
    from transformers import set_seed
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_warning()
    transformers_logging.disable_progress_bar()
    torch.set_num_threads(threads())
    set_seed(seed)
    return "cuda" if torch.cuda.is_available() else "cpu"


def tokenizer_of(folder: Path) -> "PreTrainedTokenizerBase":
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)


def environment_of(device: str, layout: Layout = ALONE) -> dict[str, Any]:
    machine = this_machine()
    return {
        "device": device,
        "device_name": machine.device_name,
        "host": machine.host,
        "threads": threads(),
        "processes": layout.processes,
        "hosts": layout.hosts,
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "transformers", "peft", "accelerate")},
    }


def understood(error: BaseException, advice: str = OUT_OF_MEMORY_ADVICE) -> RunFailed | BaseException:
    """Users can act when memory or disk is full. Other errors stay as they are."""
    if full := storage_error(error):
        return RunFailed(full.code, full.message, full.advice + " " + CONTINUES)
    text = str(error).lower()
    if isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text:
        return RunFailed("out_of_memory", "The machine ran out of memory during a step.", advice)
    return error
