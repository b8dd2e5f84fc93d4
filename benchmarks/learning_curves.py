"""Does the interval of a learning curve hold the truth? Made-up curves, measured with noise as training has it.

    python -m benchmarks.learning_curves [--times 500] [--json]

Every measurement draws training rows (each pulls the loss its own way, so that shares that have rows in common err alike), the chance
of training, and held-out rows that differ in how hard they are and in how much they gain. The question is what 500 more examples, 400
of them trained on, would do to the expected loss. "covered" should be 95%; "says it falls" is how often the sentence promises a fall.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from unittest.mock import patch

import numpy as np

from training import extrapolation
from training.extrapolation import SHARES, CurveRows, Measured, forecast

Curve = Callable[[float], float]
# Of the family, near it, and outside.
CURVES: dict[str, Curve] = {
    "power 0.1": lambda rows: 1.0 + 1.5 * rows**-0.1,
    "power 0.3": lambda rows: 1.2 + 3 * rows**-0.3,
    "power 0.5": lambda rows: 1.5 + 10 * rows**-0.5,
    "power 1": lambda rows: 1.6 + 60 / rows,
    "log-linear": lambda rows: 3 - 0.2 * math.log(rows),
    "shifted power": lambda rows: 1.2 + 6 * (rows + 200) ** -0.5,
    "rational": lambda rows: 1.3 + 2.0 / (1 + (rows / 150) ** 0.8),
    "exponential": lambda rows: 1.6 + 0.8 * math.exp(-rows / 400),
    "flat": lambda rows: 1.8 + 0 * rows,
}


@dataclass(frozen=True)
class Noise:
    """Sizes and noise, in nats a token: of training, of a training row's pull, of a held-out row's difficulty."""

    rows: int = 800
    groups: int = 80
    repeats: int = 1
    training: float = 0.01
    pull: float = 0.15
    difficulty: float = 0.9
    gain: float = 0.3


@dataclass(frozen=True)
class IntervalCoverage:
    truth: float
    covered: float
    width: float
    says_falls: float
    middle: float


def made_up(curve: Curve, setting: Noise, rng: np.random.Generator) -> tuple[CurveRows, list[Measured]]:
    pulls = rng.normal(0, setting.pull, setting.rows)
    own = rng.normal(0, setting.difficulty, setting.groups)
    gains = rng.normal(1, setting.gain, setting.groups)
    reached = curve(4 * setting.rows)
    points = []
    for repeat in range(setting.repeats):
        order = rng.permutation(setting.rows)
        for share in SHARES:
            size = setting.rows * share // 100
            mean = curve(size) + pulls[order[:size]].mean() + rng.normal(0, setting.training)
            losses = 4 + reached + own + (mean - reached) * gains + rng.normal(0, 0.03, setting.groups)
            points.append(Measured(repeat, share, size, [float(loss) for loss in losses]))
    groups = [f"g{at}" for at in range(setting.groups)]
    return CurveRows(groups, [1.0] * setting.groups, [1] * setting.groups), points


def coverage(curve: Curve, setting: Noise, *, times: int, draws: int, seed: int) -> IntervalCoverage:
    """How often the interval for 500 more examples holds the true fall of the expected loss."""
    rng = np.random.default_rng(seed)
    truth = curve(setting.rows) - curve(setting.rows + 400)
    found = []
    with patch.object(extrapolation, "DRAWS", draws):
        for _ in range(times):
            ahead = forecast(*made_up(curve, setting, rng), trained_share=0.8).ahead[0]
            assert ahead.low is not None
            assert ahead.high is not None
            assert ahead.drop is not None
            found.append((ahead.drop, ahead.low, ahead.high))
    return IntervalCoverage(
        truth=truth,
        covered=sum(low <= truth <= high for _, low, high in found) / times,
        width=float(np.median([high - low for _, low, high in found])),
        says_falls=sum(low > 0 and high >= extrapolation.MEASURABLE for _, low, high in found) / times,
        middle=float(np.median([drop for drop, _, _ in found])),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--times", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    for name, curve in CURVES.items():
        for repeats in (1, 3):
            found = coverage(curve, Noise(repeats=repeats), times=options.times, draws=500, seed=1)
            rows.append({"curve": name, "repeats": repeats, **asdict(found)})
    if options.json:
        json.dump(rows, sys.stdout, indent=1)
        return
    write = sys.stdout.write
    write(
        "| curve | repeats | truth | covered | width (median) | says it falls |\n|---|---|---|---|---|---|\n"
    )
    for row in rows:
        write(
            f"| {row['curve']} | {row['repeats']} | {row['truth']:.3f} | {row['covered']:.0%} | {row['width']:.3f} | "
            f"{row['says_falls']:.0%} |\n"
        )


if __name__ == "__main__":
    main()
