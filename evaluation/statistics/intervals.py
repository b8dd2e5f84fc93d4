"""Two-sided intervals for means of ratings that come in clusters, one cluster per rater.

Votes of one person resemble each other, so a plain binomial interval is too narrow: with 20 raters of 20 votes whose
leanings spread with a standard deviation of 0.8 logits, a nominal 95% interval covers 72% (tests repeat that simulation).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from scipy import special  # not scipy.stats: it takes a second to load, and every process would wait for it

# The intra-class correlation assumed where the data cannot show it (one rater, no spread at all, a rate next to 0 or 1).
# A rater spread of sd 0.8 logits is 0.8² / (0.8² + π²/3) on the latent scale (Snijders & Bosker, Multilevel Analysis,
# 2nd ed. 2012, ch. 17.2), which is above the correlation of the votes themselves, so it errs to the careful side.
ASSUMED_CORRELATION = 0.8**2 / (0.8**2 + math.pi**2 / 3)
# With fewer votes than this on the rarer side the t interval is too narrow or leaves the scale (Cochran's rule of five).
FEW = 5.0


@dataclass(frozen=True)
class Interval:
    """A mean with its interval. `n` counts ratings, `clusters` raters; `method` says how the interval was made.

    Without any rating `value`, `low` and `high` are None.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    clusters: int
    method: Literal["none", "clustered", "assumed", "both"]


def clustered_interval(
    groups: Mapping[object, Sequence[float]], *, low: float = 0.0, high: float = 1.0, level: float = 0.95
) -> Interval:
    """The mean of all values on the scale [low, high], with an interval that knows about the raters.

    `groups` holds each rater's values. With ȳ = Σy/n and G raters, the variance is the linearisation (CR1) estimator
    G/(G-1) · Σ_g (Σ_{i∈g} (y_i - ȳ))² / n² and the quantile Student's t with G-1 degrees of freedom (Cameron & Miller,
    "A Practitioner's Guide to Cluster-Robust Inference", J. Human Resources 50(2), 2015, sections II.B and VI.D).
    With few raters it is small by chance when their means happen to agree; so it is never taken below the variance of n
    independent votes, Σ(y - ȳ)² / (n (n-1)): a design effect below one would count more votes than were given.

    Where that is undefined or zero (one rater; nobody differs), it is Clopper and Pearson's exact interval on an
    effective sample size n / deff, after Korn & Graubard ("Confidence intervals for proportions with small expected
    number of positive counts estimated from survey data", Survey Methodology 24, 1998), with Kish's design effect
    deff = 1 + (m̃ - 1)·ρ, m̃ = Σn_g²/n, at ρ = ASSUMED_CORRELATION. Values between the ends count as fractions of a
    success, which can only widen it. With fewer than FEW votes on the rarer side the wider of both is given. So the
    width is never zero, 12-0 included.

    Raises ValueError for values outside the scale.
    """
    groups = {key: values for key, values in groups.items() if len(values)}
    n = sum(len(values) for values in groups.values())
    if n == 0:
        return Interval(None, None, None, 0, 0, "none")
    shares = [[(value - low) / (high - low) for value in values] for values in groups.values()]
    if any(not 0 <= share <= 1 for cluster in shares for share in cluster):
        raise ValueError(f"A value lies outside {low}..{high}.")
    hits = math.fsum(share for cluster in shares for share in cluster)
    mean = hits / n
    robust = _robust(shares, mean, n, level)
    assumed = _assumed(shares, mean, n, level)
    if robust is None:
        bounds, method = assumed, "assumed"
    # Counted, not taken from the mean: rounding there would let five votes be few seen from one side only.
    elif min(hits, n - hits) < FEW - 1e-9:
        bounds, method = (min(robust[0], assumed[0]), max(robust[1], assumed[1])), "both"
    else:
        bounds, method = robust, "clustered"
    at = [low + (high - low) * share for share in (mean, *bounds)]
    return Interval(at[0], at[1], at[2], n, len(groups), method)  # type: ignore[arg-type]


def _robust(shares: list[list[float]], mean: float, n: int, level: float) -> tuple[float, float] | None:
    clusters = len(shares)
    if clusters < 2:
        return None
    squares = sum((sum(cluster) - len(cluster) * mean) ** 2 for cluster in shares)
    independent = sum((share - mean) ** 2 for cluster in shares for share in cluster) / (n * (n - 1))
    variance = max(clusters / (clusters - 1) * squares / n**2, independent)
    if variance < 1e-12:
        return None
    reach = float(special.stdtrit(clusters - 1, (1 + level) / 2)) * math.sqrt(variance)
    return max(0.0, mean - reach), min(1.0, mean + reach)


def _assumed(shares: list[list[float]], mean: float, n: int, level: float) -> tuple[float, float]:
    weighted_size = sum(len(cluster) ** 2 for cluster in shares) / n
    effective = n / (1 + (weighted_size - 1) * ASSUMED_CORRELATION)
    hits = mean * effective
    tail = (1 - level) / 2
    # Exact comparison is right here: only a mean that is an end of the scale has no beta quantile on that side.
    low = 0.0 if hits <= 0 else float(special.betaincinv(hits, effective - hits + 1, tail))
    high = 1.0 if hits >= effective else float(special.betaincinv(hits + 1, effective - hits, 1 - tail))
    return low, high
