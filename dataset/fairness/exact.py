"""The test of two shares, such as 20 of 50 refused against 190 of 950: Fisher's exact test for rows in conversations. Pure functions.

Why not a t test: in a small group it takes the variance from the group's own few rows, and needs a correction that draws shares
to one half. At the small levels that many comparisons need it then misses half of what can be seen (benchmarks/bias_audit.py).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ShareTest:
    """`p` is two-sided. `least` is the smallest p that these numbers of rows and of ones could give at all: where it is above the
    level, no distribution of the ones could be a finding."""

    p: float
    least: float


def likeness(values: Floats, clusters: Ints) -> float:
    """The intraclass correlation of 0 and 1 values within conversations, 0 to 1: the mean product of the residuals of two rows of one
    conversation over the variance (moment estimator; Ridout, Demetrio & Firth, Biometrics 55, 1999). Both sides together give it,
    since with no difference between them it is the same for both."""
    mean = float(values.mean())
    off = values - mean
    sizes = np.bincount(clusters).astype(float)
    pairs = float((sizes * (sizes - 1)).sum())
    if not pairs or mean in (0.0, 1.0):
        return 0.0
    products = np.bincount(clusters, weights=off) ** 2 - np.bincount(clusters, weights=off**2)
    return float(min(max(products.sum() / (pairs * mean * (1 - mean)), 0.0), 1.0))


def design_effect(clusters: Ints, alike: float) -> float:
    """How many rows in these conversations tell as much as one independent row, at least 1 (Kish 1965)."""
    sizes = np.bincount(clusters).astype(float)
    return 1 + alike * (float((sizes**2).sum()) / float(sizes.sum()) - 1)


def share_test(
    values: Floats, clusters: Ints, ours: NDArray[np.bool_], theirs: NDArray[np.bool_], *, widened: float = 1
) -> ShareTest:
    """Compares the ones among `values` (0 and 1) of two disjoint masks, neither of them empty.

    Fisher's exact test with the logarithms of the numbers of choices divided by each side's design effect, after Rao & Scott ("A Simple
    Method for the Analysis of Clustered Binary Data", Biometrics 48, 1992), who divide the counts. With conversations of one row it is
    Fisher's test, with twice the smaller tail. `widened` multiplies the variance of the difference.
    """
    both = ours | theirs
    alike = likeness(values[both], clusters[both])
    effects = [widened * design_effect(clusters[side], alike) for side in (ours, theirs)]
    n, rest = int(ours.sum()), int(theirs.sum())
    ones, all_ones = int(values[ours].sum()), int(values[both].sum())
    counts = np.arange(max(0, all_ones - rest), min(n, all_ones) + 1)
    logs = _choices(n, counts) / effects[0] + _choices(rest, all_ones - counts) / effects[1]
    chances = np.exp(logs - logs.max())
    chances /= chances.sum()
    at = ones - int(counts[0])
    p = 2 * min(float(chances[: at + 1].sum()), float(chances[at:].sum()))
    return ShareTest(min(p, 1.0), min(2 * float(min(chances[0], chances[-1])), 1.0))


def _choices(n: int, k: Ints) -> Floats:
    """The logarithm of n over k."""
    return np.asarray(special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1))
