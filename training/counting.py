"""Counts a dataset's tokens for a base model once, and reads the stored result."""

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from annotation.registry import TokenBase
from annotation.text.rendering import chat_messages
from core.models import Project, Run
from core.storage import storage
from dataset.models import DatasetVersion
from dataset.rows import iter_rows
from training.chat_template import ChatTokenizer, FileTokenizer, open_tokenizer
from training.models import BaseModel, TokenCount, TrainingRun
from training.row_facts import Lengths, measure
from training.rows import Problem, RowEncoder

# About 1,000 rows of customer service and 1.3 seconds of one processor; a worker counts larger datasets.
COUNT_NOW_BYTES = 1_000_000


@dataclass(frozen=True)
class Counted:
    """Exact lengths of all rows that training uses, and the problems of rows that do not depend on the recipe."""

    lengths: dict[str, Lengths]
    problems: list[Problem]


@dataclass(frozen=True)
class Counting:
    """There is no count yet: a worker makes it (`run`), must be asked for it (no run), or failed (run failed)."""

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
    rows: Iterable[dict[str, Any]],
    tokenizer: ChatTokenizer,
    *,
    stop_token: str,
    system_prompt: str,
    kind: str = DatasetVersion.Kind.SUPERVISED,
) -> Counted:
    encoder = RowEncoder(tokenizer, stop_token=stop_token, system_prompt=system_prompt)
    lengths = measure(rows, encoder, kind)
    return Counted(lengths, encoder.problems)


def count_dataset(
    dataset: DatasetVersion, base_model: BaseModel, tokenizer: ChatTokenizer, rows: Iterable[dict[str, Any]]
) -> Counted:
    system_prompt = str(dataset.settings.get("system_prompt", ""))
    return count(
        rows, tokenizer, stop_token=base_model.stop_token, system_prompt=system_prompt, kind=dataset.kind
    )


def keep(dataset: DatasetVersion, base_model: BaseModel, counted: Counted) -> None:
    """Stores a count. Two processes that count at the same time get the same result, so either may be kept."""
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
    """The base model's tokenizer without transformers, or None if only transformers reads it correctly."""
    if base_model.artifact is None:
        return None
    return open_tokenizer(storage().local_path(base_model.artifact), base_model.parity_prompts)


def counted(dataset: DatasetVersion, base_model: BaseModel) -> Counted | Counting:
    """The exact count: stored, or made and stored here if that takes about a second. Otherwise a Pending that names the
    worker's run."""
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


# --- single examples, for the check of their size ----------------------------------------------------------
def base_of_project(project: Project) -> TokenBase | None:
    """The base of the project's newest training run; before the first the only ready one of the installation, if there is one. At most
    three queries."""
    ready = BaseModel.objects.filter(status=BaseModel.Status.READY).select_related("artifact")
    newest = TrainingRun.objects.filter(project=project).order_by("-pk").values("base_model")[:1]
    base = ready.filter(pk__in=newest).first()
    if base is None:
        some = list(ready.order_by("pk")[:2])
        base = some[0] if len(some) == 1 else None
    if base is None or base.artifact is None:
        return None
    folder, parity = str(storage().local_path(base.artifact)), json.dumps(base.parity_prompts)
    return TokenBase(base.name, folder, parity) if _opened(folder, parity) else TokenBase(base.name)


@lru_cache(maxsize=2)
def _opened(folder: str, parity: str) -> FileTokenizer | None:
    """Once for each base model and process: its files take up to a second to read."""
    return open_tokenizer(Path(folder), json.loads(parity))


def tokens_of_example(base: TokenBase, content: Mapping[str, Any], system_prompt: str) -> int | None:
    """How many tokens the example has as a row of a dataset, in the base's chat template; None without its tokenizer, or when the
    template refuses the conversation."""
    tokenizer = _opened(base.folder, base.parity) if base.folder else None
    if tokenizer is None:
        return None
    messages = chat_messages(
        messages=content["messages"], context=content["context"], system_prompt=system_prompt
    )
    answer = {"role": "assistant", "content": content["completion"]}
    try:
        return len(tokenizer.ids_of(tokenizer.render([*messages, answer], answer_follows=False)))
    except Exception:  # noqa: BLE001 (a template may raise anything)
        return None
