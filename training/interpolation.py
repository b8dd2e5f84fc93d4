"""Weights between a base model and a version of it (WiSE-FT): which shares are measured, and which versions have them. Pure.

Wortsman et al. 2022, "Robust fine-tuning of zero-shot models": weights on the straight line between both often keep most of what was
learnt and lose little of what the base model could.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from training.general import TASKS

KIND, STORE_KIND = "interpolation", "interpolated_version"  # of the runs: measuring, and storing one share
# Percent of the way from the base model (0) to the version (100).
PERCENTS = (0, 25, 50, 75, 90, 100)
BETWEEN = PERCENTS[1:-1]


def why_not(kind: str, method: str) -> str:
    """Why a version of this kind and method has no weights between, as a sentence; "" when it has."""
    if kind == "full" or (kind == "adapter" and method == "lora"):
        return ""
    if kind == "base":
        return "A base model is where the way begins. Choose a version that was trained."
    return "Only LoRA adapters and complete weights can go part of the way back to the base model."


@dataclass(frozen=True)
class BlendFigures:
    """One share, in percent, as it was measured: loss of the validation rows, and of the general set's reference answers by task, all in
    nats a token."""

    percent: int
    held_out: float
    tasks: Mapping[str, float]

    def as_values(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "BlendFigures":
        return cls(int(values["percent"]), float(values["held_out"]), dict(values["tasks"]))

    def forgotten(self, base: "BlendFigures") -> float:
        """How much less likely the reference answers became than by the base model: nats a token, mean over tasks. A task that got
        better counts as 0, so that one cannot pay for another."""
        return sum(max(0.0, self.tasks[task] - base.tasks[task]) for task in base.tasks) / len(base.tasks)


@dataclass(frozen=True)
class BlendRow:
    """A share as a page shows it. `kept` is the part of what was learnt that is left, `gone` the part of the forgetting that is gone;
    None where nothing was learnt or forgotten."""

    figures: BlendFigures
    forgotten: float
    kept: float | None
    gone: float | None

    @property
    def can_be_stored(self) -> bool:
        return self.figures.percent in BETWEEN


def rows_of(figures: Sequence[BlendFigures]) -> list[BlendRow]:
    """In order of shares. Empty until both ends are measured."""
    by_percent = {one.percent: one for one in figures}
    if 0 not in by_percent or 100 not in by_percent:
        return []
    base, whole = by_percent[0], by_percent[100]
    learnt, lost = base.held_out - whole.held_out, whole.forgotten(base)
    return [
        BlendRow(
            one,
            one.forgotten(base),
            (base.held_out - one.held_out) / learnt if learnt > 0 else None,
            1 - one.forgotten(base) / lost if lost > 0 else None,
        )
        for one in sorted(figures, key=lambda one: one.percent)
    ]


def is_figures(values: Mapping[str, Any]) -> bool:
    """Whether stored values are ones of BlendFigures."""
    try:
        figures = BlendFigures.from_values(values)
    except (TypeError, KeyError, ValueError, AttributeError):
        return False
    return set(figures.tasks) <= set(TASKS)
