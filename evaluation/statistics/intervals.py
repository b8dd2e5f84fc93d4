"""Two-sided intervals for means of clustered votes: several by one rater, several on one item.

Votes of one person are similar, so a plain binomial interval is too narrow: with 20 raters of 20 votes and a standard
deviation between raters of 0.8 logits, a nominal 95% interval covers 72%. `benchmarks/statistics.py` measures the
coverage of this one.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import special  # not scipy.stats: it takes a second to load in every process

from evaluation.statistics.votes import VoteMean, Votes, estimate

# With fewer effective votes than this on the rarer side the t interval is too narrow (Cochran's rule of five).
FEW = 5.0
# Two raters give one difference, which is too little for the spread between raters.
LEAST_RATERS = 3


@dataclass(frozen=True)
class Interval:
    """A mean with its interval. `n` counts votes, `clusters` raters; `method` is the way the interval was computed.

    Without any vote `value`, `low` and `high` are None.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    clusters: int
    method: Literal["none", "clustered", "assumed", "both"]

    def mirrored(self) -> "Interval":
        """The same figure for the other side: 1 - p."""
        if self.value is None or self.low is None or self.high is None:
            return self
        return replace(self, value=1 - self.value, low=1 - self.high, high=1 - self.low)


NOTHING = Interval(None, None, None, 0, 0, "none")


def interval(votes: Votes, *, low: float = 0.0, high: float = 1.0, level: float = 0.95) -> Interval:
    """The rater-weighted mean of the votes that have a value, on the scale [low, high], with its interval.

    A t interval on the logit scale around `estimate`: which gives mean, two-way cluster-robust variance and degrees of
    freedom. The variance is at least that of independent votes.

    With fewer than LEAST_RATERS raters, or without any difference, it is Clopper and Pearson's exact interval on the
    effective number of votes Σ n_g / (1 + (n_g - 1)ρ), after Korn & Graubard ("Confidence intervals for proportions with
    small expected number of positive counts estimated from survey data", Survey Methodology 24, 1998). Values between
    the ends count as fractions of a success, which can only widen it. With fewer than FEW effective votes on the rarer
    side the wider of both is used. So the width is not zero, even for 12-0.

    Raises ValueError for values outside the scale.
    """
    votes = votes.valued()
    if not len(votes):
        return NOTHING
    shares = (votes.values - low) / (high - low)
    if (shares < 0).any() or (shares > 1).any():
        raise ValueError(f"A value is outside {low}..{high}.")
    figures = estimate(Votes(shares, votes.raters, votes.items))
    method: Literal["clustered", "assumed", "both"]
    robust = _robust(figures, level) if figures.raters >= LEAST_RATERS else None
    if robust is None:
        bounds, method = _assumed(figures, level), "assumed"
    elif min(figures.mean, 1 - figures.mean) * figures.effective < FEW - 1e-9:
        assumed = _assumed(figures, level)
        bounds, method = (min(robust[0], assumed[0]), max(robust[1], assumed[1])), "both"
    else:
        bounds, method = robust, "clustered"
    at = [low + (high - low) * share for share in (figures.mean, *bounds)]
    return Interval(at[0], at[1], at[2], figures.n, figures.raters, method)


def simultaneous(votes: Votes, groups: np.ndarray, *, level: float = 0.95) -> dict[int, Interval]:
    """An interval for each group of votes (codes from 0), with joint probability `level`.

    Bonferroni: each at 1 - (1 - level) / m for the m groups that have a vote with a value. Uncorrected, some slice of ten
    excludes one half in a quarter of the campaigns in which nothing differs.
    """
    names = [int(group) for group in np.unique(groups[~np.isnan(votes.values)])]
    if not names:
        return {}
    each_level = 1 - (1 - level) / len(names)
    return {name: interval(votes.where(groups == name), level=each_level) for name in names}


def _robust(figures: VoteMean, level: float) -> tuple[float, float] | None:
    spread = figures.mean * (1 - figures.mean)
    variance = max(figures.variance or 0.0, figures.independent)
    if figures.variance is None or min(spread, variance) < 1e-12:
        return None
    reach = float(special.stdtrit(figures.df, (1 + level) / 2)) * math.sqrt(variance) / spread
    centre = math.log(figures.mean / (1 - figures.mean))
    return float(special.expit(centre - reach)), float(special.expit(centre + reach))


def _assumed(figures: VoteMean, level: float) -> tuple[float, float]:
    effective = figures.effective
    hits = figures.mean * effective
    tail = (1 - level) / 2
    low = 0.0 if hits <= 1e-12 else float(special.betaincinv(hits, effective - hits + 1, tail))
    high = (
        1.0 if hits >= effective - 1e-12 else float(special.betaincinv(hits + 1, effective - hits, 1 - tail))
    )
    return low, high
