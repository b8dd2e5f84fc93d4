"""Counting a dataset's tokens for a base, once, and reading the result back."""

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from core.models import Run
from core.storage import storage
from dataset.models import DatasetVersion
from dataset.rows import iter_rows
from training.chat_template import ChatTokenizer, FileTokenizer, open_tokenizer
from training.models import BaseModel, TokenCount
from training.rows import Lengths, Problem, RowEncoder, measure

# About 1,000 rows of customer service and 1.3 seconds of one processor; more than that is counted by a worker.
COUNT_NOW_BYTES = 1_000_000


@dataclass(frozen=True)
class Counted:
    """Exact lengths of all rows that training uses, and what is wrong with rows whatever the recipe."""

    lengths: dict[str, Lengths]
    problems: list[Problem]


@dataclass(frozen=True)
class Counting:
    """The count is not there yet: a worker has it (`run`), should get it (no run), or could not do it (run failed)."""

    run: Run | None

    @property
    def failed(self) -> bool:
        return self.run is not None and not self.run.is_active


def pack(lengths: dict[str, Lengths]) -> bytes:
    values = {split: part.as_values() for split, part in lengths.items()}
    return zlib.compress(json.dumps(values, separators=(",", ":")).encode())


def unpack(data: bytes) -> dict[str, Lengths]:
    values: dict[str, dict[str, list[int]]] = json.loads(zlib.decompress(data))
    return {split: Lengths.from_values(part) for split, part in values.items()}


def count(
    rows: Iterable[dict[str, Any]], tokenizer: ChatTokenizer, *, stop_token: str, system_prompt: str
) -> Counted:
    encoder = RowEncoder(tokenizer, stop_token=stop_token, system_prompt=system_prompt)
    lengths = measure(rows, encoder)
    return Counted(lengths, encoder.problems)


def count_dataset(
    dataset: DatasetVersion, base_model: BaseModel, tokenizer: ChatTokenizer, rows: Iterable[dict[str, Any]]
) -> Counted:
    system_prompt = str(dataset.settings.get("system_prompt", ""))
    return count(rows, tokenizer, stop_token=base_model.stop_token, system_prompt=system_prompt)


def keep(dataset: DatasetVersion, base_model: BaseModel, counted: Counted) -> None:
    """Stores a count. Two that counted at the same time found the same, so either may stay."""
    TokenCount.objects.update_or_create(
        dataset=dataset,
        base_model=base_model,
        defaults={
            "lengths": pack(counted.lengths),
            "problems": [problem.as_values() for problem in counted.problems],
        },
    )


@lru_cache(maxsize=4)
def _read(pk: int, _made: datetime) -> Counted:
    """A stored count never changes, so it is unpacked once per process."""
    stored = TokenCount.objects.get(pk=pk)
    assert stored.lengths is not None
    return Counted(unpack(bytes(stored.lengths)), [Problem.from_values(values) for values in stored.problems])


def file_tokenizer(base_model: BaseModel) -> FileTokenizer | None:
    """The base's tokenizer as this process can read it; None where only transformers can."""
    if base_model.artifact is None:
        return None
    return open_tokenizer(storage().local_path(base_model.artifact), base_model.parity_prompts)


def counted(dataset: DatasetVersion, base_model: BaseModel) -> Counted | Counting:
    """The exact count: stored, or made and stored here when that takes about a second; else who makes it."""
    stored = (
        TokenCount.objects.filter(dataset=dataset, base_model=base_model)
        .defer("lengths", "problems")
        .select_related("run__project")
        .first()
    )
    if stored is not None and TokenCount.objects.filter(pk=stored.pk, lengths__isnull=False).exists():
        return _read(stored.pk, stored.created_at)
    if stored is not None and stored.run is not None:
        return Counting(stored.run)
    if dataset.artifact is not None and dataset.artifact.size_bytes <= COUNT_NOW_BYTES:
        tokenizer = file_tokenizer(base_model)
        if tokenizer is not None:
            made = count_dataset(dataset, base_model, tokenizer, iter_rows(dataset))
            keep(dataset, base_model, made)
            return made
    return Counting(None)
