"""The runner of run kind "token_count": counts the tokens of every row of a dataset for one base model."""

from collections.abc import Iterator
from typing import Any

from core.runs.context import RunContext, RunFailed
from core.storage import storage
from dataset.models import DatasetVersion
from dataset.rows import iter_rows
from training import counting
from training.models import BaseModel, TokenCount
from training.runner.data import TransformersTokenizer

REPORT_EVERY_ROWS = 100


def run(ctx: RunContext) -> None:
    """Counts with the base model's own files if possible, else with transformers."""
    count = TokenCount.objects.select_related("dataset__artifact", "base_model__artifact").get(run=ctx.run)
    dataset, base = count.dataset, count.base_model
    tokenizer = counting.file_tokenizer(base) or _with_transformers(base)
    counted = counting.count_dataset(dataset, base, tokenizer, _watched(dataset, ctx))
    counting.keep(dataset, base, counted)


def _with_transformers(base: BaseModel) -> TransformersTokenizer:
    from transformers import AutoTokenizer

    assert base.artifact is not None  # a ready base model has one
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            storage().local_path(base.artifact), trust_remote_code=False
        )
    except (ValueError, OSError) as error:
        raise RunFailed(
            "tokenizer",
            f"The tokenizer of {base} cannot be read ({type(error).__name__}).",
            "Prepare the base model again.",
        ) from error
    return TransformersTokenizer(tokenizer)


def _watched(dataset: DatasetVersion, ctx: RunContext) -> Iterator[dict[str, Any]]:
    """The rows, with progress and a check for cancellation."""
    total = int(dataset.counts.get("total", 0))
    for number, row in enumerate(iter_rows(dataset)):
        if number % REPORT_EVERY_ROWS == 0:
            ctx.report(done=number, total=total, message=f"Counting tokens, row {number:,} of {total:,}.")
        yield row
    ctx.report(done=total, now=True)
