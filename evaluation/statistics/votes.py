"""Votes as arrays, and their mean with a variance that respects raters and items."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

# The intra-class correlation for weights and plans, and the assumption where the data cannot show it (one rater, no spread at all, a rate next to 0 or 1). A rater spread of sd 0.8 logits is 0.8² / (0.8² + π²/3) on
# the latent scale (Snijders & Bosker, Multilevel Analysis, 2nd ed. 2012, ch. 17.2), which is above the correlation of the
# votes themselves, so it is on the safe side.
ASSUMED_CORRELATION = 0.8**2 / (0.8**2 + pi**2 / 3)


@dataclass(frozen=True)
class Votes:
    """n votes in their order: `values` in 0..1, NaN for one without a value ("both bad" in a win rate); `raters` and
    `items` are codes from 0."""

    values: Floats
    raters: Codes
    items: Codes

    @classmethod
    def of(
        cls, values: Sequence[float | None], raters: Sequence[Hashable], items: Sequence[Hashable]
    ) -> "Votes":
        """From any labels; None is a vote without a value. Raises ValueError when the lengths differ."""
        if not len(values) == len(raters) == len(items):
            raise ValueError("Every vote needs a value, a rater and an item.")
        numbers = [np.nan if value is None else value for value in values]
        return cls(np.array(numbers, dtype=float), codes(raters), codes(items))

    def __len__(self) -> int:
        return len(self.values)

    def first(self, count: int) -> "Votes":
        return Votes(self.values[:count], self.raters[:count], self.items[:count])

    def where(self, kept: NDArray[np.bool_]) -> "Votes":
        return Votes(self.values[kept], self.raters[kept], self.items[kept])

    def valued(self) -> "Votes":
        """The votes with a value."""
        return self.where(~np.isnan(self.values))


def codes(labels: Sequence[Hashable]) -> Codes:
    """Labels as integers from 0 in the order of their first appearance."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels], dtype=np.int64)


@dataclass(frozen=True)
class VoteMean:
    """A mean of votes, weighted by rater.

    `effective` is its number of independent votes at ASSUMED_CORRELATION. `variance` (None with fewer than two
    raters) is of the mean; `df` the degrees of freedom of its t quantile. `independent` is the variance that the same votes
    would have if each came from a different person, `concentration` Σ uᵢ² over the votes' weights uᵢ, 1/n for equal
    weights.
    """

    n: int
    raters: int
    mean: float
    effective: float
    independent: float
    concentration: float
    variance: float | None
    df: float


def estimate(votes: Votes) -> VoteMean:
    """The rater-weighted mean of votes that all have a value, with a two-way cluster-robust variance.

    Rater g with n_g votes has the weight n_g / (1 + (n_g - 1)ρ), ρ = ASSUMED_CORRELATION: the best linear unbiased
    weights for exchangeable votes inside a rater, so that 300 votes of one person do not outweigh ten people. The variance
    is M_rater + M_item - M_rater×item (Cameron, Gelbach & Miller, "Robust inference with multiway clustering", J. Business
    & Economic Statistics 29(2), 2011), never below M_rater or M_item alone, each M corrected as CR2 (Bell & McCaffrey,
    "Bias reduction in standard errors for linear regression with multi-stage samples", Survey Methodology 28(2), 2002).
    Degrees of freedom are Satterthwaite's for the raters under the correlation assumed (Imbens & Kolesár, "Robust standard
    errors in small samples", Review of Economics and Statistics 98(4), 2016), and at most the effective number of items
    less one. Raises ValueError without votes.
    """
    if not len(votes):
        raise ValueError("A mean needs at least one vote.")
    counts = np.bincount(votes.raters).astype(float)
    seen = counts > 0
    weights = np.where(seen, counts / (1 + (counts - 1) * ASSUMED_CORRELATION), 0.0)
    total = float(weights.sum())
    shares = weights / total
    vote_weights = (shares / np.where(seen, counts, 1))[votes.raters]  # the weight of a vote
    mean = float(vote_weights @ votes.values)
    raters = int(seen.sum())
    variance, df = None, 0.0
    parts = vote_weights * (votes.values - mean)
    independent = float((parts**2 / np.maximum(1 - vote_weights, 1e-9)).sum())
    if raters > 1:
        variance, df = (
            _meat(votes.raters, parts, vote_weights)[0],
            _satterthwaite(shares[seen], weights[seen], total),
        )
        by_item, item_shares = _meat(votes.items, parts, vote_weights)
        effective_items = 1 / float(item_shares @ item_shares)
        if effective_items > 1 + 1e-9:
            cells = np.unique(votes.raters * (votes.items.max() + 1) + votes.items, return_inverse=True)[1]
            by_cell, _ = _meat(cells, parts, vote_weights)
            variance = max(variance, by_item, variance + by_item - by_cell)
            df = min(df, effective_items - 1)
    return VoteMean(
        len(votes), raters, mean, total, independent, float(vote_weights @ vote_weights), variance, df
    )


def _meat(clusters: Codes, parts: Floats, vote_weights: Floats) -> tuple[float, Floats]:
    """The sum over clusters of (their residuals' sum)² / (1 - leverage), and each cluster's share of the mean."""
    sums = np.bincount(clusters, parts).astype(float)
    shares = np.bincount(clusters, vote_weights).astype(float)
    free = shares < 1 - 1e-9  # a cluster with all votes has no residual
    return float((sums[free] ** 2 / (1 - shares[free])).sum()), shares


def _satterthwaite(shares: Floats, weights: Floats, total: float) -> float:
    """Degrees of freedom of the CR2 variance of a weighted mean with rater means that vary as 1/weight.

    trace(B)² / ‖B‖² for B = D (diag(1/w) - 1/W) D, D = diag(share / √(1 - share)).
    """
    squares = shares**2 / (1 - shares)
    diagonal = squares * (1 / weights - 1 / total)
    off = (squares.sum() ** 2 - (squares**2).sum()) / total**2
    return float(diagonal.sum() ** 2 / ((diagonal**2).sum() + off))
