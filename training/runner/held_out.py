"""The runner of run kind "test_loss": the loss of two versions on the same test rows, stored for each row.

Rendering, masking and loss are the trainer's (training.runner.data, training.runner.scoring). Both versions are loaded in one
precision: float32 on a CPU, bfloat16 on a GPU. A resumed run continues after the stored rows.
"""

import gc
import hashlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.runs.context import RunContext, RunFailed, RunHandedBack
from dataset.models import DatasetVersion
from dataset.rows import rows_at
from training.held_out import ChosenRow, choose
from training.host import stopping
from training.losses import available_rows, datasets_of, prompt_digest
from training.methods import METHODS, complete, recipe_from
from training.models import LossMeasurement, ModelVersion, RowLoss
from training.objectives import recipe_type
from training.queries import system_prompt_of
from training.rows import EncodedRow, RowEncoder
from training.runner.data import TransformersTokenizer, collate
from training.runner.files import check_present
from training.runner.train import set_up_torch, tokenizer_of, understood
from training.services import results

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

# Padding included: with completions of a few hundred tokens and a vocabulary of 150,000 the logits then take about 2
# GB.
TOKENS_AT_ONCE = 4096
# Longer than any context; only used if a base model does not state its context length.
NO_LIMIT = 1 << 30


def measuring_precision(device: str) -> str:
    """What versions are loaded in to be measured, as torch names it."""
    return "bfloat16" if device == "cuda" else "float32"


@dataclass(frozen=True)
class Rendered:
    """A row as one version reads it, and a hash of exactly that."""

    row: EncodedRow
    digest: str


def run(ctx: RunContext) -> None:
    measurement = LossMeasurement.objects.select_related(
        *(
            f"{side}__{part}"
            for side in ("version", "against")
            for part in ("project", "artifact", "base_model__artifact", "training_run__dataset__artifact")
        )
    ).get(run=ctx.run)
    sides = (measurement.version, measurement.against)
    device = set_up_torch(seed=0)
    precision = measuring_precision(device)
    ctx.report(message="Reading the test rows.", now=True)
    rendered = _prepare(measurement)
    stored = {
        side.pk: dict(
            RowLoss.objects.filter(version=side, precision=precision).values_list("row_hash", "rendered")
        )
        for side in sides
    }
    missing = {
        side.pk: {
            row_hash: row
            for row_hash, row in rendered[side.pk].items()
            if stored[side.pk].get(row_hash) != row.digest
        }
        for side in sides
    }
    total = len(measurement.rows) * len(sides)
    done = total - sum(len(rows) for rows in missing.values())
    ctx.report(done=done, total=total, now=True)
    with stopping.holding_back_sigterm():
        for side in sides:
            done = _measure(ctx, side, missing[side.pk], device=device, precision=precision, done=done)
    ctx.report(done=total, now=True)
    results.note_losses_measured(measurement=measurement)


# --- which rows ------------------------------------------------------------------------------------------------
def _prepare(measurement: LossMeasurement) -> dict[int, dict[str, Rendered]]:
    """{version id: {row hash: the row as this version reads it}}, the same rows for both, stored as chosen.

    A row that one of the two cannot read whole (longer than its context, or without the end of a completion) is left out for
    both and counted. RunFailed when none is left.
    """
    version, against = measurement.version, measurement.against
    available = available_rows(version, against)
    chosen = choose(available.rows)
    kept, rendered = render_for_both(chosen, version, against)
    if not kept:
        raise RunFailed(
            "no_test_rows",
            "No test row is left that both versions can be measured on.",
            "Approve more examples and freeze again, so that the next version has test rows.",
        )
    results.note_rows_chosen(
        measurement=measurement,
        rows=[chosen_row.stored() for chosen_row in kept],
        left_out={
            "trained_on": available.trained_on,
            "retired": available.retired,
            "unusable": len(chosen) - len(kept),
        },
        prompts={"version": prompt_digest(version), "against": prompt_digest(against)},
    )
    return rendered


def render_for_both(
    chosen: list[ChosenRow], version: ModelVersion, against: ModelVersion
) -> tuple[list[ChosenRow], dict[int, dict[str, Rendered]]]:
    """(the rows that both can read whole, {version id: {row hash: the row as this version reads it}})."""
    encoders = {side.pk: (_encoder(side), _longest(side)) for side in (version, against)}
    rendered: dict[int, dict[str, Rendered]] = {pk: {} for pk in encoders}
    kept: list[ChosenRow] = []
    for chosen_row, content in _contents(chosen, datasets_of(version, against)):
        both = {pk: render(encoder, content, longest) for pk, (encoder, longest) in encoders.items()}
        if any(side is None for side in both.values()):
            continue
        kept.append(chosen_row)
        for pk, side in both.items():
            assert side is not None
            rendered[pk][chosen_row.row.row_hash] = side
    return kept, rendered


def _contents(
    chosen: list[ChosenRow], datasets: Sequence[DatasetVersion]
) -> Iterator[tuple[ChosenRow, dict[str, Any]]]:
    for dataset in datasets:
        at = {
            chosen_row.row.position: chosen_row
            for chosen_row in chosen
            if chosen_row.row.dataset == dataset.pk
        }
        if not at:
            continue
        check_present(dataset.artifact, str(dataset))
        for content in rows_at(dataset, at):
            yield at[content["position"]], content


def _encoder(version: ModelVersion) -> RowEncoder:
    base = version.base_model
    return RowEncoder(
        TransformersTokenizer(tokenizer_of(check_present(base.artifact, str(base)))),
        stop_token=base.stop_token,
        system_prompt=system_prompt_of(version),
    )


def _longest(version: ModelVersion) -> int:
    """Tokens of the longest row that fits beside the version's trained positions."""
    training_run = version.training_run
    if training_run is None:
        virtual = 0
    else:
        recipe = recipe_from(recipe_type(training_run.method, training_run.objective), training_run.recipe)
        virtual = METHODS[training_run.method].virtual_tokens(recipe)
    return (version.base_model.context_length or NO_LIMIT) - virtual


def render(encoder: RowEncoder, content: dict[str, Any], longest: int) -> Rendered | None:
    """None when the row cannot be read whole: the recipe's “Longest row” does not count here, the context does."""
    row = encoder.encode(content)
    if row is None or len(row.ids) > longest:
        return None
    digest = hashlib.sha256(json.dumps([row.prompt_length, row.ids]).encode()).hexdigest()
    return Rendered(row, digest)


# --- losses ----------------------------------------------------------------------------------------------------
def _measure(
    ctx: RunContext,
    version: ModelVersion,
    rows: dict[str, Rendered],
    *,
    device: str,
    precision: str,
    done: int,
) -> int:
    """Measures and stores what is missing of one version; returns how much of the run is done then."""
    if not rows:
        return done
    ctx.report(message=f"Loading {version}.", now=True)
    try:
        model = load_version(version, device=device, precision=precision)
        began, before = time.monotonic(), done
        for count in measure_rows(model, version, rows, device=device, precision=precision):
            done += count
            # Only the measuring speed counts: loading happens once.
            left = (time.monotonic() - began) / (done - before) * ((ctx.run.total or done) - done)
            ctx.report(done=done, message=f"Measuring {version} on test rows.", left=left)
            if stopping.stop_asked():
                raise RunHandedBack
    except (MemoryError, RuntimeError) as error:
        raise understood(error, "Measure on a machine with more memory.") from error
    # Two large models at once may not fit; the first is freed before the second is loaded.
    del model
    gc.collect()
    return done


def measure_rows(
    model: "PreTrainedModel | PeftModel",
    version: ModelVersion,
    rows: dict[str, Rendered],
    *,
    device: str,
    precision: str,
) -> Iterator[int]:
    """Stores the losses of a loaded version, batch by batch; yields the number of rows of each."""
    for batch in batches(rows):
        losses = losses_of_rows(model, [rendered.row for _, rendered in batch], device)
        results.note_row_losses(
            losses=[
                RowLoss(
                    version=version,
                    row_hash=row_hash,
                    loss=loss,
                    tokens=rendered.row.answer_tokens,
                    rendered=rendered.digest,
                    precision=precision,
                )
                for (row_hash, rendered), loss in zip(batch, losses, strict=True)
            ]
        )
        yield len(batch)


def batches(rows: dict[str, Rendered]) -> Iterator[list[tuple[str, Rendered]]]:
    """Rows of similar length together, at most TOKENS_AT_ONCE tokens with padding; the longest first, so that a machine
    with too little memory fails at once."""
    batch: list[tuple[str, Rendered]] = []
    for name, rendered in sorted(rows.items(), key=lambda item: (-len(item[1].row.ids), item[0])):
        if batch and (len(batch) + 1) * len(batch[0][1].row.ids) > TOKENS_AT_ONCE:
            yield batch
            batch = []
        batch.append((name, rendered))
    if batch:
        yield batch


def load_version(version: ModelVersion, *, device: str, precision: str) -> Any:
    """The version's weights as they are served: a complete model, or the base model with what the method trained beside it."""
    own = check_present(version.artifact, str(version))
    if version.kind != ModelVersion.Kind.ADAPTER:
        return load_weights(own, device=device, precision=precision)
    base = check_present(version.base_model.artifact, str(version.base_model))
    model = load_weights(base, device=device, precision=precision)
    assert version.training_run is not None  # the database holds it: only a base model has none
    return METHODS[version.training_run.method].attach(model, own)


def load_weights(folder: Path, *, device: str, precision: str) -> Any:
    """Complete weights from a folder, with the part beside them if there is one, for answering."""
    import torch

    return complete.load(folder, dtype=getattr(torch, precision), device=device)


def losses_of_rows(model: "PreTrainedModel | PeftModel", rows: list[EncodedRow], device: str) -> list[float]:
    """Each row's loss summed over its completion, in nats. RunFailed when one is not a number."""
    import torch

    from training.runner.scoring import row_losses

    # Padding is masked, so any id works.
    batch = {
        name: value.to(device) if hasattr(value, "to") else value for name, value in collate(rows, 0).items()
    }
    with torch.inference_mode():
        losses = [float(loss) for loss in row_losses(model, batch)]
    if not all(math.isfinite(loss) for loss in losses):
        raise RunFailed(
            "loss_not_finite",
            "The loss of a row is not a number: the weights are damaged, or too large for this precision.",
            "Compare the files with their hashes on the version's page, or train again with a lower learning rate.",
        )
    return losses
