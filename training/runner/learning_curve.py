"""The runner of run kind "learning_curve": trains the recipe on growing shares of the rows and measures each on the same test rows.

Points are stored as they are finished, with the loss of every test row; a resumed run trains only what is missing. Their models are
thrown away. A point that was interrupted is trained again from its beginning: its loss does not depend on what was interrupted.
"""

import gc
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.host.scratch import scratch
from core.runs.context import RunContext, RunFailed, RunHandedBack
from dataset.models import DatasetVersion
from dataset.rows import iter_rows, rows_at
from dataset.similarity import Prompts
from training.draws import nested
from training.estimates import steps_of
from training.extrapolation import LEAST_GROUPS, LEAST_ROWS, SHARES, CurveRows, Measured, forecast
from training.held_out import choose
from training.host import stopping
from training.host.machine import multiplies_bfloat16
from training.losses import held_out_rows
from training.methods import METHODS, Method, Recipe, recipe_from
from training.models import CurvePoint, LearningCurve
from training.queries import split_rows
from training.row_facts import DataFacts
from training.rows import TRAIN, RowEncoder, TrainingRow
from training.runner.data import Encoded, TransformersTokenizer, encode_rows, stop_id_of
from training.runner.files import check_present
from training.runner.held_out import NO_LIMIT, Rendered, batches, losses_of_rows, render
from training.runner.plan import TrainingPlan
from training.runner.steps_only import StepsOnly
from training.runner.train import environment_of, set_up_torch, tokenizer_of, understood
from training.services import results

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


# A share that is further from its percentage would be another point than the one it is named for.
MOST_OFF = 0.1


@dataclass(frozen=True)
class CurveWork:
    """What every point of a curve shares. `held_out` is by row hash, in the order of LearningCurve.held_out."""

    curve: LearningCurve
    method: Method
    recipe: Recipe
    base_folder: Path
    device: str
    tokenizer: "PreTrainedTokenizerBase"
    train: list[TrainingRow]
    clusters: list[int]
    facts: DataFacts
    held_out: dict[str, Rendered]


def run(ctx: RunContext) -> None:
    curve = LearningCurve.objects.select_related(
        "project", "base_model__artifact", "dataset__artifact", "run"
    ).get(run=ctx.run)
    ctx.report(message="Loading the machine-learning libraries.", now=True)
    recipe = recipe_from(METHODS[curve.method].recipe, curve.recipe)
    device = set_up_torch(recipe.seed)
    work = _prepare(ctx, curve, recipe, device)
    wanted = [(repeat, share) for repeat in range(curve.repeats) for share in SHARES]
    parts = {
        repeat: nested(work.clusters, SHARES, most=recipe.most_rows, seed=recipe.seed + repeat)
        for repeat in range(curve.repeats)
    }
    for part in parts.values():
        _refuse_crowds(part, work.clusters)
    steps = {
        point: steps_of(len(parts[point[0]][point[1]]), recipe.batch_size, recipe.epochs) for point in wanted
    }
    finished = set(curve.points.values_list("repeat", "share"))
    done, total = sum(steps[point] for point in finished), sum(steps.values())
    for number, (repeat, share) in enumerate(wanted, start=1):
        if (repeat, share) in finished:
            continue
        words = _words(number, len(wanted), share, repeat, curve.repeats)
        ctx.report(done=done, total=total, message=f"{words}: loading the model.", now=True)
        _point(ctx, work, parts[repeat][share], repeat=repeat, share=share, words=words, done=done)
        done += steps[repeat, share]
    ctx.report(done=total, total=total, message="Done.", now=True)
    results.note_curve_measured(curve=curve, points=len(wanted))


def _refuse_crowds(part: dict[int, list[int]], clusters: list[int]) -> None:
    """RunFailed when one cluster is so large that the shares are not what they say."""
    sizes = [len(part[share]) for share in SHARES]
    if any(abs(size / sizes[-1] - share / 100) > MOST_OFF for share, size in zip(SHARES, sizes, strict=True)):
        largest = max(Counter(clusters).values())
        raise RunFailed(
            "one_cluster",
            f"{largest:,} of {len(clusters):,} training rows are one group or ask nearly the same. They are drawn together, so a "
            "quarter or a half of the rows cannot be drawn.",
            "Settle them on the page Duplicates, or give them groups of their own, and freeze again.",
        )


def _words(number: int, points: int, share: int, repeat: int, repeats: int) -> str:
    """ "Point 3 of 12, 75% of the rows, repeat 1 of 3"."""
    again = f", repeat {repeat + 1} of {repeats}" if repeats > 1 else ""
    return f"Point {number} of {points}, {share}% of the rows{again}"


# --- rows ---------------------------------------------------------------------------------------------------
def _prepare(ctx: RunContext, curve: LearningCurve, recipe: Recipe, device: str) -> CurveWork:
    """The rows as token ids. RunFailed when there are too few, or rows that cannot be trained on."""
    ctx.report(message="Reading the dataset and counting its tokens.", now=True)
    base, dataset = curve.base_model, curve.dataset
    base_folder = check_present(base.artifact, str(base))
    check_present(dataset.artifact, str(dataset))
    tokenizer = tokenizer_of(base_folder)
    system_prompt = str(dataset.settings.get("system_prompt", ""))
    data = encode_rows(
        iter_rows(dataset),
        tokenizer,
        stop_token=base.stop_token,
        system_prompt=system_prompt,
        max_length=recipe.max_length,
        most_validation_rows=recipe.most_validation_rows,
        seed=recipe.seed,
    )
    encoder = RowEncoder(
        TransformersTokenizer(tokenizer), stop_token=base.stop_token, system_prompt=system_prompt
    )
    stored, held_out, left_out = _held_out(dataset, encoder, base.context_length or NO_LIMIT)
    groups = len({one["group"] for one in stored})
    if groups < LEAST_GROUPS or len(data.train) < LEAST_ROWS:
        raise RunFailed(
            "too_few_rows",
            f"{len(data.train):,} training rows and test rows of {groups:,} groups: a learning curve needs {LEAST_ROWS} and "
            f"{LEAST_GROUPS}.",
            "Approve more examples and freeze a new version.",
        )
    results.note_curve_begun(
        curve=curve, held_out=stored, left_out=left_out, environment=environment_of(device)
    )
    return CurveWork(
        curve,
        METHODS[curve.method],
        recipe,
        base_folder,
        device,
        tokenizer,
        data.train,
        _clusters(dataset, data.train),
        data.facts,
        held_out,
    )


def _held_out(
    dataset: DatasetVersion, encoder: RowEncoder, longest: int
) -> tuple[list[dict[str, Any]], dict[str, Rendered], int]:
    """The test rows that every point is measured on: as LearningCurve.held_out, as token ids by hash, and how many cannot be read
    whole."""
    chosen = {one.row.position: one for one in choose(held_out_rows([dataset]))}
    stored, rendered = [], {}
    for content in rows_at(dataset, chosen):
        one = chosen[content["position"]]
        row = render(encoder, content, longest)
        if row is None:
            continue
        rendered[one.row.row_hash] = row
        stored.append({**one.stored(), "tokens": row.row.answer_tokens})
    return stored, rendered, len(chosen) - len(stored)


def _clusters(dataset: DatasetVersion, train: list[TrainingRow]) -> list[int]:
    """The cluster of each training row: rows of one group, and near-duplicate prompts (dataset.similarity), belong together."""
    prompts = Prompts()
    groups: list[str] = []
    known = {row.position for row in train}
    for row in iter_rows(dataset, split=TRAIN):
        if row["position"] in known:
            prompts.add(row["messages"])
            groups.append(row["group"])
    near = prompts.clusters()
    first: dict[str, int] = {}
    parent = list(range(len(groups)))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    for at, (group, text) in enumerate(zip(groups, prompts.numbers(), strict=True)):
        for name in ([f"group {group}"] if group else []) + [f"near {near[text]}"]:
            lower, other = sorted((root(at), root(first.setdefault(name, at))))
            parent[other] = lower
    return [root(at) for at in range(len(groups))]


# --- one point ------------------------------------------------------------------------------------------------
def _point(
    ctx: RunContext, work: CurveWork, rows: list[int], *, repeat: int, share: int, words: str, done: int
) -> None:
    """Trains on these rows, measures, and stores the point."""
    began = time.monotonic()
    recipe = replace(work.recipe, seed=work.recipe.seed + repeat)
    plan = TrainingPlan(
        recipe=recipe,
        data=Encoded([work.train[row] for row in rows], [], work.facts),
        steps=steps_of(len(rows), recipe.batch_size, recipe.epochs),
        tokenizer=work.tokenizer,
        stop_id=stop_id_of(work.tokenizer, work.curve.base_model.stop_token),
        watched=False,
    )

    try:
        with stopping.holding_back_sigterm():
            by_hash = _trained_losses(ctx, work, plan, words=words, done=done)
    except (MemoryError, RuntimeError, OSError) as error:
        raise understood(error) from error
    gc.collect()  # the next point's model needs the memory of this one's
    stored = work.curve.held_out
    losses = [by_hash[one["hash"]] for one in stored]
    point = CurvePoint(
        curve=work.curve,
        repeat=repeat,
        share=share,
        rows=len(rows),
        tokens=plan.tokens_until[-1],
        steps=plan.steps,
        loss=sum(one["weight"] * loss for one, loss in zip(stored, losses, strict=True))
        / sum(one["weight"] * one["tokens"] for one in stored),
        losses=[round(loss, 5) for loss in losses],
        seconds=round(time.monotonic() - began, 2),
    )
    results.note_curve_point(point=point, forecast=_forecast(work.curve, [*work.curve.points.all(), point]))


def _trained_losses(
    ctx: RunContext, work: CurveWork, plan: TrainingPlan, *, words: str, done: int
) -> dict[str, float]:
    """{row hash: loss} of the held-out rows after training. RunHandedBack when the worker must stop first."""
    from training.runner.loop import train

    def told(step: int) -> None:
        ctx.report(done=done + step, message=f"{words}: step {step:,}.")

    # Each point starts from the same random numbers for its repeat, whichever points were trained before it in this process.
    set_up_torch(plan.recipe.seed)
    model = work.method.load(work.base_folder, plan.recipe, work.device)
    with scratch("learning-curve") as folder:
        result = train(
            training_run_id=0,  # names the folder of checkpoints, and none are written
            model=model,
            plan=plan,
            reporter=StepsOnly(told),
            stop_asked=stopping.stop_asked,
            device=work.device,
            autocast=multiplies_bfloat16(work.device),
            work=folder,
            resume_from=None,
        )
    if result.stopped:
        raise RunHandedBack

    def tell(rows: int) -> None:
        ctx.report(message=f"{words}: measuring test row {rows:,} of {len(work.held_out):,}.")
        if stopping.stop_asked():
            raise RunHandedBack

    return _measured(model, work, tell)


def _measured(
    model: "PreTrainedModel | PeftModel", work: CurveWork, tell: Callable[[int], None]
) -> dict[str, float]:
    """{row hash: loss summed over its completion, in nats}, in the precision that the model was trained in."""
    import torch

    model.eval()
    losses: dict[str, float] = {}
    with torch.autocast(work.device, dtype=torch.bfloat16, enabled=multiplies_bfloat16(work.device)):
        for batch in batches(work.held_out):
            tell(len(losses) + 1)
            found = losses_of_rows(model, [one.row for _, one in batch], work.device)
            losses |= {row_hash: loss for (row_hash, _), loss in zip(batch, found, strict=True)}

    return losses


def _forecast(curve: LearningCurve, points: list[CurvePoint]) -> dict[str, Any]:
    split = split_rows(curve.dataset)
    return forecast(
        CurveRows(
            groups=[one["group"] for one in curve.held_out],
            weights=[one["weight"] for one in curve.held_out],
            tokens=[one["tokens"] for one in curve.held_out],
        ),
        [Measured(point.repeat, point.share, point.rows, point.losses) for point in points],
        trained_share=split["train"] / max(1, sum(split.values())),
    ).as_values()
