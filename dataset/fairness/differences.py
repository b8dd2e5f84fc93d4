"""Differences between a group and others with cluster-robust intervals, shares against a target, and the correction for many
comparisons. Pure functions on arrays.

Rows of one conversation are alike, so a conversation counts as one cluster. With few rows nothing is said at all.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special  # not scipy.stats: it takes a second to load in every process

from dataset.fairness.exact import share_test

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# With fewer on either side there is no comparison: t intervals of such rare outcomes are not to be trusted at the small levels that
# many comparisons need (benchmarks/bias_audit.py).
LEAST_ROWS = 40
LEAST_CLUSTERS = 30
# Shares have an exact test, which needs less.
LEAST_SHARE_ROWS = 25
LEAST_SHARE_CLUSTERS = 15
LEVEL = 0.05


@dataclass(frozen=True)
class Side:
    """The mean of one side; `variance` is that of the mean, `df` its degrees of freedom, `effective` the rows that as many
    independent ones would be worth."""

    n: int
    clusters: int
    mean: float
    centre: float
    variance: float
    df: float


@dataclass(frozen=True)
class GroupDifference:
    """`difference` = `mean` - `rest`, with a 95% interval and a two-sided p. `few`: too few rows; then there is neither. `least` is the
    smallest p that two shares with these counts could have (ShareTest)."""

    n: int
    rest_n: int
    clusters: int
    rest_clusters: int
    mean: float | None
    rest: float | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    least: float | None = None

    @property
    def few(self) -> bool:
        return self.p is None


def clusters_in(clusters: Ints) -> int:
    """How many different clusters (codes from 0) are among these."""
    return int(np.count_nonzero(np.bincount(clusters))) if len(clusters) else 0


def least_of(share: bool) -> tuple[int, int]:
    """The rows and the conversations that a comparison needs on each side."""
    return (LEAST_SHARE_ROWS, LEAST_SHARE_CLUSTERS) if share else (LEAST_ROWS, LEAST_CLUSTERS)


def _side(values: Floats, clusters: Ints, *, share: bool) -> Side:
    """Cluster-robust (CR1), at least the variance of independent rows. Degrees of freedom from the effective number of clusters
    (Σ n_g)² / Σ n_g² (Carter, Schnepel & Steigerwald 2017), less one.

    A share gets one success and one failure more, each as large as the design effect (Agresti & Caffo, "Simple and Effective
    Confidence Intervals for Proportions", The American Statistician 54, 2000): a share of 0 or 1 has a width, too.
    """
    n, mean = len(values), float(values.mean())
    sizes = np.bincount(clusters).astype(float)
    sums = np.bincount(clusters, weights=values - mean)
    count = int(np.count_nonzero(sizes))
    effective = n * n / float((sizes**2).sum())
    independent = float(((values - mean) ** 2).sum()) / max(n - 1, 1) / n
    robust = float((sums**2).sum()) / (n * n) * count / max(count - 1, 1)
    variance, centre = max(robust, independent), mean
    if share:
        # All equal: nothing shows how alike the rows of a conversation are, so they count as one.
        design = variance / independent if independent > 0 else n / effective
        size = n / max(design, 1.0)
        centre = (mean * size + 1) / (size + 2)
        variance = centre * (1 - centre) / (size + 2)
    return Side(n, count, mean, centre, variance, max(effective - 1, 1.0))


def compare(
    values: Floats, clusters: Ints, members: NDArray[np.bool_], others: NDArray[np.bool_], *, share: bool
) -> GroupDifference:
    """The mean of `members` less that of `others` (disjoint masks); rows without a value (NaN) do not count.

    A t interval with Welch and Satterthwaite's degrees of freedom, and its p; shares have the p of Fisher's exact test for rows in
    conversations (dataset.fairness.exact). Conversations with rows on both sides make the sides depend on
    each other; their covariance is taken into account where it widens the interval, and ignored where it would narrow it.
    """
    known = ~np.isnan(values)
    ours, theirs = members & known, others & known
    n, rest_n = int(ours.sum()), int(theirs.sum())
    groups, rest_groups = clusters_in(clusters[ours]), clusters_in(clusters[theirs])
    means = [float(values[side].mean()) if side.any() else None for side in (ours, theirs)]
    least_rows, least_clusters = least_of(share)
    if min(n, rest_n) < least_rows or min(groups, rest_groups) < least_clusters:
        return GroupDifference(n, rest_n, groups, rest_groups, *means)
    a, b = (_side(values[side], clusters[side], share=share) for side in (ours, theirs))
    apart = a.variance + b.variance
    variance = apart - 2 * min(_covariance(values, clusters, ours, theirs), 0.0)
    difference, centre = a.mean - b.mean, a.centre - b.centre
    if variance <= 0:  # every value is the same on both sides
        return GroupDifference(n, rest_n, groups, rest_groups, *means)
    df = apart**2 / (a.variance**2 / a.df + b.variance**2 / b.df)
    error = math.sqrt(variance)
    skew = _skew(values, clusters, ours, theirs)
    quantile = float(special.stdtrit(df, 1 - LEVEL / 2))
    p = 2 * float(special.stdtr(df, -abs(_unskewed(centre / error, skew))))
    low = min(centre - error * _skewed(quantile, skew), difference)
    high = max(centre - error * _skewed(-quantile, skew), difference)
    least = None
    if share:
        low, high = max(low, -1.0), min(high, 1.0)
        test = share_test(values, clusters, ours, theirs, widened=variance / apart)
        p, least = test.p, test.least
    return GroupDifference(n, rest_n, groups, rest_groups, a.mean, b.mean, difference, low, high, p, least)


def _skew(values: Floats, clusters: Ints, ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> float:
    """The skewness of a difference of means, from what each conversation adds to it."""
    parts = np.zeros(len(values))
    parts[ours] = (values[ours] - values[ours].mean()) / ours.sum()
    parts[theirs] = -(values[theirs] - values[theirs].mean()) / theirs.sum()
    sums = np.bincount(clusters, weights=parts)
    spread = float((sums**2).sum()) ** 1.5
    return float((sums**3).sum()) / spread if spread > 0 else 0.0


def _unskewed(t: float, skew: float) -> float:
    """Hall's transformation of a t statistic ("On the Removal of Skewness by Transformation", JRSS B 54, 1992): without it, a small
    group without any of the rare long answers looks surely shorter than the rest."""
    return t + skew * t**2 / 3 + skew**2 * t**3 / 27 + skew / 6


def _skewed(value: float, skew: float) -> float:
    """The inverse of `_unskewed`."""
    if abs(skew) < 1e-6:
        return value
    return 3 / skew * (float(np.cbrt(1 + skew * (value - skew / 6))) - 1)


def _covariance(values: Floats, clusters: Ints, ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> float:
    size = int(clusters.max()) + 1
    ours_off = np.bincount(clusters[ours], weights=values[ours] - values[ours].mean(), minlength=size)
    theirs_off = np.bincount(clusters[theirs], weights=values[theirs] - values[theirs].mean(), minlength=size)
    return float((ours_off * theirs_off).sum()) / (int(ours.sum()) * int(theirs.sum()))


def share_of(
    members: NDArray[np.bool_], among: NDArray[np.bool_], clusters: Ints, *, target: float | None
) -> GroupDifference:
    """The share of `members` among the rows of `among`, as a GroupDifference whose `rest` is the target (or None); the interval is of the
    share itself, and `p` tests it against the target."""
    n = int(among.sum())
    count = clusters_in(clusters[among])
    rows = int((members & among).sum())
    mean = rows / n if n else None
    if n < LEAST_ROWS or count < LEAST_CLUSTERS:
        return GroupDifference(n, rows, count, 0, mean, target)
    side = _side(members[among].astype(float), clusters[among], share=True)
    reach = float(special.stdtrit(side.df, 1 - LEVEL / 2)) * math.sqrt(side.variance)
    low, high = max(min(side.centre - reach, side.mean), 0.0), min(max(side.centre + reach, side.mean), 1.0)
    p = None
    if target is not None:
        error = math.sqrt(side.variance)
        p = 2 * float(special.stdtr(side.df, -abs(side.centre - target) / error))
    gap = None if target is None else side.mean - target
    return GroupDifference(n, rows, count, 0, side.mean, target, gap, low, high, p)


def holm(values: list[float], weights: Sequence[float] | None = None) -> list[float]:
    """Adjusted p-values (Holm 1979, with his weights): those below 0.05 are wrong with at most 5% probability, all together. A weight
    says how much of the 5% is for this comparison, relative to the others."""
    shares = list(weights or [1.0] * len(values))
    order = sorted(range(len(values)), key=lambda at: values[at] / shares[at])
    adjusted, highest, left = [1.0] * len(values), 0.0, sum(shares)
    for at in order:
        highest = max(highest, min(1.0, values[at] / shares[at] * left))
        adjusted[at] = highest
        left -= shares[at]
    return adjusted


def benjamini_hochberg(values: list[float], weights: Sequence[float] | None = None) -> list[float]:
    """Adjusted p-values (Benjamini & Hochberg 1995; weights after Genovese, Roeder & Wasserman 2006): of those below 0.05, at most 5% are
    expected to be wrong."""
    shares = list(weights or [1.0] * len(values))
    whole = sum(shares)
    order = sorted(range(len(values)), key=lambda at: values[at] / shares[at], reverse=True)
    adjusted, lowest = [1.0] * len(values), 1.0
    for rank, at in enumerate(order):
        lowest = min(lowest, values[at] / shares[at] * whole / (len(values) - rank))
        adjusted[at] = lowest
    return adjusted


CORRECTIONS = {"holm": holm, "benjamini_hochberg": benjamini_hochberg}
