"""The runners of run kinds "interpolation" and "interpolated_version": measure shares of the way from a base model to a version, and make
a version of one of them.

Each share is stored before the next one is measured: a run that was killed goes on with what is left.
"""

from collections import defaultdict
from typing import TYPE_CHECKING

from core.host.scratch import scratch
from core.runs.context import RunContext, RunFailed, RunHandedBack
from core.storage import storage
from dataset.rows import iter_rows
from training.draws import draw
from training.general import general_set
from training.host import stopping
from training.interpolation import PERCENTS, BlendFigures
from training.models import Interpolation, ModelVersion, TrainingRun
from training.queries import system_prompt_of
from training.rows import EncodedRow, RowEncoder
from training.runner.blending import Blend, write_blend
from training.runner.data import TransformersTokenizer
from training.runner.files import check_present
from training.runner.forgetting import questions_of
from training.runner.held_out import NO_LIMIT, Rendered, batches, losses_of_rows, measuring_precision
from training.runner.train import set_up_torch, tokenizer_of, understood
from training.services import interpolation as services
from training.services import results
from training.serving import Serving

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

# Enough for a mean loss to within 0.07 (training.methods.base, most_validation_rows), and quick at each share.
MOST_ROWS = 100
HELD_OUT = "held-out"


def run(ctx: RunContext) -> None:
    measurement = Interpolation.objects.select_related(
        "run", "version__project", "version__artifact", "version__base_model__artifact",
        "version__training_run__dataset__artifact",
    ).get(run=ctx.run)  # fmt: skip
    version = measurement.version
    ctx.report(message="Loading the machine-learning libraries.", now=True)
    device = set_up_torch(seed=0)
    precision = measuring_precision(device)
    texts = _texts(version)
    services.note_interpolation_begun(
        measurement=measurement,
        set_version=general_set().version,
        precision=precision,
        rows=len(texts[HELD_OUT]),
    )
    known = {one["percent"] for one in measurement.figures}
    left = [percent for percent in PERCENTS if percent not in known]
    per_share = sum(map(len, texts.values()))
    ctx.report(done=0, total=per_share * len(left), message=f"Loading {version}.", now=True)
    with stopping.holding_back_sigterm():
        try:
            blend = Blend(version, device=device, precision=precision)
            for number, percent in enumerate(left):
                blend.set(percent / 100)
                words = f"Measuring {percent}% of the way from {version.base_model.name} to {version}."
                figures = _measured(ctx, blend.model, texts, percent, device, words, number * per_share)
                services.note_share(measurement=measurement, figures=figures)
        except (MemoryError, RuntimeError) as error:
            raise understood(error, "Measure on a machine with more memory.") from error
    services.note_interpolation_measured(measurement=measurement)
    ctx.report(done=per_share * len(left), message="All shares are measured.", now=True)


def _texts(version: ModelVersion) -> dict[str, list[EncodedRow]]:
    """{HELD_OUT: validation rows of the version's dataset, task: its items' reference answers}.

    Validation rows and not test rows: a share is chosen by them, and a test must not have been chosen by.
    """
    base = version.base_model
    folder = check_present(base.artifact, str(base))
    tokenizer = tokenizer_of(folder)
    assert version.training_run is not None  # only a base model has none
    dataset = version.training_run.dataset
    check_present(dataset.artifact, str(dataset))
    encoder = RowEncoder(
        TransformersTokenizer(tokenizer), stop_token=base.stop_token, system_prompt=system_prompt_of(version)
    )
    rows = list(iter_rows(dataset, split="validation"))
    longest = base.context_length or NO_LIMIT
    encoded = [encoder.encode(rows[at]) for at in draw(len(rows), MOST_ROWS, 0)]
    held_out = [row for row in encoded if row is not None and row.tokens <= longest]
    if not held_out:
        raise RunFailed(
            "no_validation_rows",
            f"{dataset} has no validation row that can be measured.",
            "Train on a dataset version with validation rows.",
        )
    texts: dict[str, list[EncodedRow]] = defaultdict(list)
    texts[HELD_OUT] = held_out
    for question in questions_of(general_set(), base, tokenizer):
        texts[question.item.task].append(question.row)
    return dict(texts)


def _measured(
    ctx: RunContext,
    model: "PreTrainedModel | PeftModel",
    texts: dict[str, list[EncodedRow]],
    percent: int,
    device: str,
    words: str,
    done: int,
) -> BlendFigures:
    means: dict[str, float] = {}
    for name, rows in texts.items():
        total = 0.0
        for batch in batches({str(at): Rendered(row, "") for at, row in enumerate(rows)}):
            total += sum(losses_of_rows(model, [one.row for _, one in batch], device))
            done += len(batch)
            ctx.report(done=done, message=words)
            if stopping.stop_asked():
                raise RunHandedBack
        means[name] = total / sum(row.answer_tokens for row in rows)
    return BlendFigures(percent, means.pop(HELD_OUT), means)


def store(ctx: RunContext) -> None:
    """Makes the version of a share. Nothing is done twice: a run that made its version ends."""
    training_run = TrainingRun.objects.select_related(
        "project", "base_model", "continued_from__artifact", "continued_from__base_model__artifact"
    ).get(run=ctx.run)
    version, percent = training_run.continued_from, training_run.percent
    assert version is not None  # the database holds both together
    assert percent is not None
    if ModelVersion.objects.filter(training_run=training_run).exists():
        return
    ctx.report(message=f"Calculating {percent}% of the way to {version}.", now=True)
    with scratch("interpolated") as temporary:
        folder = temporary / "model"
        folder.mkdir()
        try:
            write_blend(version, percent / 100, folder)
            artifact = storage().put(folder, kind="model")
        except (MemoryError, RuntimeError, OSError) as error:
            raise understood(error, "Do it on a machine with more memory.") from error
    results.register_version(
        training_run=training_run,
        artifact=artifact,
        kind=version.kind,
        serving=Serving(version.serving),
        adapter_rank=version.adapter_rank,
        parity_prompts=version.parity_prompts,
    )
    ctx.report(message="The version is stored.", now=True)
