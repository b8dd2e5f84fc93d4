"""The log-probabilities of all answers by the model as it was before training, for objectives that compare with it.

They never change, so they are computed once, before the first step, and kept beside the run's checkpoints: a step then needs one
model in memory and one pass over its rows, and a resumed run uses the same numbers. Imports torch, as `training.runner.loop` does.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import torch

from training import checkpoints
from training.estimates import CHECKPOINT_SECONDS
from training.rows import EncodedPreference, EncodedRow, TrainingRow
from training.runner import ranks
from training.runner.data import collate
from training.runner.kept_values import KeptValues
from training.runner.plan import TrainingPlan
from training.runner.scoring import apart, row_losses

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

FILE = "reference.json"
# Initialisations of LoRA that take a part out of the base weights: without the adapter such a model is not the base model.
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")


class Teller(Protocol):
    """Shows the work; may raise RunCancelled or RunLost."""

    def __call__(self, share: float, message: str) -> None: ...


@contextmanager
def as_reference(model: "PreTrainedModel | PeftModel", *, continues: bool = False) -> Iterator[None]:
    """The model as the base model answers, or the version that the run `continues`. It must not have been trained yet.

    A new adapter is switched off. Where that is not the base model, and for a model without one, the untrained model itself is the
    reference.
    """
    if not continues and is_base_without_adapter(model):
        with model.disable_adapter():
            yield
    else:
        yield


def is_base_without_adapter(model: "PreTrainedModel | PeftModel") -> bool:
    """Whether the model has an adapter of peft's that can be switched off, and is its base model then."""
    from peft import PeftModel

    return isinstance(model, PeftModel) and not _changes_base(model)


def _changes_base(model: "PeftModel") -> bool:
    starts = [getattr(config, "init_lora_weights", None) for config in model.peft_config.values()]
    return any(isinstance(start, str) and start.startswith(_CHANGES_BASE) for start in starts)


def attach(
    *,
    training_run_id: int,
    model: "PreTrainedModel | PeftModel",
    plan: TrainingPlan,
    device: str,
    autocast: bool,
    tell: Teller,
    stop_asked: Callable[[], bool],
) -> bool:
    """Gives every row of the plan its reference, computed or read again; `model` is untrained. False when the worker must stop before
    it is complete; what is computed by then is kept."""
    sequences = [
        sequence for row in [*plan.data.train, *plan.data.validation] for sequence in _sequences(row)
    ]
    # The longest first, so that a machine with too little memory fails at once.
    order = sorted(range(len(sequences)), key=lambda at: (-sequences[at].tokens, at))
    path = checkpoints.folder_of(training_run_id) / FILE
    kept: KeptValues[float] = KeptValues(path, name="log_probs", digest=_digest(sequences))
    found = kept.read()
    size = plan.recipe.portion(device) * plan.objective.answers_per_row
    if len(found) < len(order):
        model.to(device)
        with plan.doing("reference"), apart(model), as_reference(model, continues=plan.continues):
            written = time.monotonic()
            while len(found) < len(order):
                tell(
                    len(found) / len(order),
                    f"Asking the model before training, answer {len(found) + 1:,} of {len(order):,}.",
                )
                # Each process asks for the next `size` answers of its own.
                first = len(found) + ranks.number() * size
                own: list[float] = []
                if first < len(order):
                    batch = collate([sequences[at] for at in order[first : first + size]], plan.pad_id)
                    moved = {
                        name: value.to(device) if isinstance(value, torch.Tensor) else value
                        for name, value in batch.items()
                    }
                    with torch.autocast(device, dtype=torch.bfloat16, enabled=autocast):
                        own = (-row_losses(model, moved)).tolist()
                for part in ranks.gathered(own):
                    found += part
                (stop,) = ranks.decided(stop_asked())
                if stop:
                    _write(kept, found)
                    return False
                if time.monotonic() - written >= CHECKPOINT_SECONDS:
                    _write(kept, found)
                    written = time.monotonic()
            _write(kept, found)
    plan.reference_is_there()
    by_sequence = dict(zip(order, found, strict=True))
    values = iter([by_sequence[at] for at in range(len(sequences))])
    for rows in (plan.data.train, plan.data.validation):
        rows[:] = [_with_reference(row, values) for row in rows]
    return True


def _sequences(row: TrainingRow) -> list[EncodedRow]:
    unrelated = row.unrelated if isinstance(row, EncodedPreference) else None
    return [*row.answers, *([unrelated] if unrelated is not None else [])]


def _with_reference(row: TrainingRow, values: Iterator[float]) -> TrainingRow:
    assert isinstance(row, EncodedPreference)  # an objective with a reference makes no others
    reference = tuple(next(values) for _ in row.answers)
    unrelated = next(values) if row.unrelated is not None else None
    return replace(row, reference=reference, unrelated_reference=unrelated)


def _digest(sequences: list[EncodedRow]) -> str:
    """Names exactly what was asked, so that numbers of other rows are never taken for these."""
    digest = hashlib.sha256()
    for sequence in sequences:
        digest.update(json.dumps([sequence.prompt_length, sequence.ids]).encode())
    return digest.hexdigest()


def _write(kept: KeptValues[float], found: list[float]) -> None:
    """The first process writes what all have found."""
    if ranks.is_first():
        kept.write(found)
