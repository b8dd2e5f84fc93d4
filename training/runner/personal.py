"""The runner of run kind "personal_adapter": trains on a person's corrections, joins the result with the shared adapter, and measures both
on the person's held-out corrections.

The training is short (minutes at most) and depends on its rows and seed alone, so an interrupted one starts from its beginning; a stored
result is not trained again.
"""

import gc
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import Conflict
from core.host.disks import storage_error
from core.host.scratch import scratch
from core.runs.context import RunContext, RunFailed, RunHandedBack
from core.storage import storage
from training.corrections import contents_of, prompt_of_adapter
from training.estimates import steps_of
from training.host import stopping
from training.host.machine import multiplies_bfloat16
from training.methods import METHODS, recipe_from, stored
from training.methods.lora import LoRA, LoRARecipe
from training.models import ModelVersion, PersonalAdapter
from training.personal import counts, shortage, verdict
from training.row_facts import DataFacts
from training.rows import EncodedRow, RowEncoder
from training.runner import joining
from training.runner.data import Encoded, TransformersTokenizer, stop_id_of
from training.runner.files import check_present
from training.runner.held_out import (
    NO_LIMIT,
    Rendered,
    batches,
    load_version,
    load_weights,
    losses_of_rows,
    measuring_precision,
    render,
)
from training.runner.plan import TrainingPlan
from training.runner.steps_only import StepsOnly
from training.runner.train import environment_of, set_up_torch, tokenizer_of, understood
from training.services import personal as services

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class AdapterWork:
    """All that the steps of one run share. `held_out` by hash."""

    ctx: RunContext
    adapter: PersonalAdapter
    recipe: LoRARecipe
    device: str
    base_folder: Path
    tokenizer: "PreTrainedTokenizerBase"
    train: list[EncodedRow]
    held_out: dict[str, Rendered]

    @property
    def steps(self) -> int:
        return steps_of(len(self.train), self.recipe.batch_size, self.recipe.epochs)

    @property
    def total(self) -> int:
        return self.steps + 2 * len(self.held_out)


def run(ctx: RunContext) -> None:
    adapter = (
        PersonalAdapter.objects.select_related(
            "project", "owner", "team", "run", "version__artifact",
            "shared__artifact", "shared__base_model__artifact", "shared__training_run__dataset", "shared__project",
        ).filter(run=ctx.run).first()
    )  # fmt: skip
    if adapter is None:
        raise RunFailed("deleted", "This adapter was deleted.", "Train a new one.")
    if adapter.better is not None:
        return  # the worker died between the result and the end of the run
    began = time.monotonic()
    recipe = recipe_from(LoRARecipe, adapter.recipe)
    assert isinstance(recipe, LoRARecipe)
    ctx.report(message="Loading the machine-learning libraries.", now=True)
    work = _prepare(ctx, adapter, recipe, set_up_torch(recipe.seed))
    try:
        with stopping.holding_back_sigterm():
            tokens = _train(work) if adapter.version is None else None
            losses = _measure(work)
    except (MemoryError, RuntimeError, OSError) as error:
        raise understood(error) from error
    _conclude(work, losses, seconds=time.monotonic() - began, tokens=tokens)


# --- rows ----------------------------------------------------------------------------------------------------
def _prepare(ctx: RunContext, adapter: PersonalAdapter, recipe: LoRARecipe, device: str) -> AdapterWork:
    """The rows as token ids. Rows that were retired since, or that the model cannot read whole, are left out. RunFailed when too few
    are left."""
    ctx.report(message="Reading the corrections.", now=True)
    base = adapter.shared.base_model
    base_folder = check_present(base.artifact, str(base))
    check_present(adapter.shared.artifact, str(adapter.shared))
    tokenizer = tokenizer_of(base_folder)
    encoder = RowEncoder(
        TransformersTokenizer(tokenizer), stop_token=base.stop_token, system_prompt=prompt_of_adapter(adapter)
    )
    texts = contents_of(adapter.rows)
    train: list[EncodedRow] = []
    held_out: dict[str, Rendered] = {}
    kept = []
    for position, row in enumerate(adapter.rows):
        text = texts.get(row["example"])
        if text is None:
            continue
        content = {**text, "position": position, "example": row["example"]}
        longest = (base.context_length or NO_LIMIT) if row["held_out"] else recipe.max_length
        rendered = render(encoder, content, longest)
        if rendered is None:
            continue
        kept.append(row)
        if row["held_out"]:
            held_out[row["hash"]] = rendered
        else:
            train.append(rendered.row)
    train_rows, held_out_rows, groups = counts(kept)
    if missing := shortage(train=train_rows, held_out=held_out_rows, held_out_groups=groups):
        raise RunFailed(
            "too_few_rows",
            f"{len(adapter.rows) - len(kept)} corrections were retired since, or the model cannot read them whole. {missing}",
            "Correct more answers, then train a new adapter.",
        )
    return AdapterWork(ctx, adapter, recipe, device, base_folder, tokenizer, train, held_out)


# --- training ------------------------------------------------------------------------------------------------
def start_of(adapter: PersonalAdapter, base_folder: Path, device: str) -> "PreTrainedModel":
    """The shared version as one set of frozen weights: its adapter is merged in memory, which changes rounding only. In bfloat16 on a
    GPU some of a small adapter is rounded away, so that the measurement, which uses what is stored, decides there too."""
    model = stored.frozen_base(base_folder, device)
    shared = adapter.shared
    if shared.kind == ModelVersion.Kind.BASE:
        return model.to(device)
    beside = stored.beside(model, check_present(shared.artifact, str(shared)))
    merged: PreTrainedModel = beside.merge_and_unload(progressbar=False, safe_merge=False)
    return merged.to(device)


def _train(work: AdapterWork) -> int:
    """Trains, joins, stores and registers; returns the tokens seen. RunHandedBack when the worker must stop first."""
    from training.runner.loop import train

    adapter, recipe, device = work.adapter, work.recipe, work.device
    work.ctx.report(total=work.total, message=f"Loading {adapter.shared}.", now=True)
    plan = TrainingPlan(
        recipe=recipe,
        data=Encoded(list(work.train), [], _facts(work)),
        steps=work.steps,
        tokenizer=work.tokenizer,
        stop_id=stop_id_of(work.tokenizer, adapter.shared.base_model.stop_token),
        watched=False,
    )

    def told(step: int) -> None:
        message = f"Training on your corrections, step {step} of {work.steps}."
        work.ctx.report(done=step, total=work.total, message=message)

    model = LoRA().adapted(start_of(adapter, work.base_folder, device), recipe)
    with scratch("personal") as folder:
        result = train(
            training_run_id=0,  # names the folder of checkpoints, and none are written
            model=model,
            plan=plan,
            reporter=StepsOnly(told),
            stop_asked=stopping.stop_asked,
            device=device,
            autocast=multiplies_bfloat16(device),
            work=folder,
            resume_from=None,
        )
        if result.stopped:
            raise RunHandedBack
        work.ctx.report(message="Storing the adapter.", now=True)
        _store(work, model, folder)
    del model
    gc.collect()
    return plan.tokens_until[-1]


def _facts(work: AdapterWork) -> DataFacts:
    lengths = [row.tokens for row in work.train]
    return DataFacts(
        train_rows=len(lengths),
        validation_rows=0,
        train_tokens=sum(lengths),
        validation_tokens=0,
        completion_tokens=sum(row.answer_tokens for row in work.train),
        longest=max(lengths),
        shortened=0,
        max_length=work.recipe.max_length,
    )


def _store(work: AdapterWork, model: "PreTrainedModel | PeftModel", folder: Path) -> None:
    """One adapter in the store: the person's own, joined with the shared one."""
    adapter, shared = work.adapter, work.adapter.shared
    own = folder / "own"
    own.mkdir()
    LoRA().save(model, own)
    result, rank = own, work.recipe.rank
    if shared.kind == ModelVersion.Kind.ADAPTER:
        result = folder / "joined"
        result.mkdir()
        try:
            rank = joining.join(check_present(shared.artifact, str(shared)), own, result)
        except joining.NotPlain as error:
            raise RunFailed("not_plain", f"{shared}: {error}", "Choose another version.") from error
    try:
        artifact = storage().put(result, kind="model")
    except OSError as error:
        full = storage_error(error)
        raise RunFailed(
            "store_failed",
            f"The adapter could not be stored. {full.message if full else error.strerror}",
            full.advice if full else "Check free space and permissions of the artifact store.",
        ) from error
    try:
        adapter.version = services.register_adapter(adapter=adapter, artifact=artifact, rank=rank)
    except Conflict as error:
        raise RunFailed("deleted", error.message, error.advice) from error


# --- the comparison --------------------------------------------------------------------------------------------
def _measure(work: AdapterWork) -> list[dict[str, Any]]:
    """PersonalAdapter.losses: each held-out row under what is stored, and under the shared version."""
    precision = measuring_precision(work.device)
    own = work.adapter.version
    assert own is not None
    sides: list[dict[str, float]] = []
    for version in (work.adapter.shared, own):
        done = work.steps + len(sides) * len(work.held_out)
        work.ctx.report(done=done, total=work.total, message=f"Loading {version}.", now=True)
        model = _loaded(work, version, precision)
        losses: dict[str, float] = {}
        for batch in batches(work.held_out):
            found = losses_of_rows(model, [one.row for _, one in batch], work.device)
            losses |= {name: loss for (name, _), loss in zip(batch, found, strict=True)}
            work.ctx.report(done=done + len(losses), message=f"Measuring {version} on held-out corrections.")
            if stopping.stop_asked():
                raise RunHandedBack
        sides.append(losses)
        del model
        gc.collect()
    shared_losses, own_losses = sides
    groups = {row["hash"]: row["group"] for row in work.adapter.held_out_rows}
    return [
        {
            "hash": name,
            "group": groups[name],
            "loss": own_losses[name],
            "other": shared_losses[name],
            "tokens": one.row.answer_tokens,
        }
        for name, one in sorted(work.held_out.items())
    ]


def _loaded(work: AdapterWork, version: ModelVersion, precision: str) -> Any:
    if not version.personal:
        return load_version(version, device=work.device, precision=precision)
    model = load_weights(work.base_folder, device=work.device, precision=precision)
    return METHODS["lora"].attach(model, check_present(version.artifact, str(version)))


def _conclude(work: AdapterWork, losses: list[dict[str, Any]], *, seconds: float, tokens: int | None) -> None:
    result = verdict(losses, tries=work.adapter.tries)
    assert result is not None  # there are held-out rows
    figures = {
        "train_rows": len(work.train),
        "train_tokens": tokens,
        "seconds": round(seconds, 1),
        "environment": environment_of(work.device),
    }
    services.note_measured(adapter=work.adapter, losses=losses, verdict=result, figures=figures)
    work.ctx.report(done=work.total, total=work.total, message="Done.", now=True)
