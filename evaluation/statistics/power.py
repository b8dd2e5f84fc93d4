"""The differences that a planned comparison can detect: the verdict's own rule, computed before any vote."""

import math

from scipy import special  # not scipy.stats: it takes a second to load, and every process would wait for it

from evaluation.statistics.boundaries import planned_bounds
from evaluation.statistics.intervals import LEAST_RATERS

POWER = 0.8
# The intra-class correlation for planning: the correlation of votes for a rater spread of sd 0.8 logits at an even win
# rate, Var(expit(0.8 Z)) / ¼ by Gauss-Hermite quadrature.
PLANNED_CORRELATION = 0.124
_MOST = 1_000_000


def effective_votes(votes: int, raters: int) -> float:
    """The number of independent votes equal to `votes` split evenly over `raters`: each rater's m votes m / (1 + (m - 1)ρ)."""
    if votes <= 0 or raters <= 0:
        return 0.0
    return votes / (1 + max(votes / raters - 1, 0) * PLANNED_CORRELATION)


def settling_power(rate: float, votes: int, raters: int) -> float:
    """The probability that a campaign of `votes` ratings detects a true win rate `rate`.

    It is that of the last planned look: P(T' > t) for a noncentral t with raters - 1 degrees of freedom, t at the same tail
    as the look's bound. Earlier looks add a little (`benchmarks/statistics.py` simulates how much). Votes of one rater
    are assumed to be similar (ρ = PLANNED_CORRELATION). A tie counts as half a win and half a loss, which varies less, and
    "both bad" does not count: give `votes` without those. 0 with fewer than two raters.
    """
    raters = min(raters, votes)
    if raters < 2 or not 0.5 < rate < 1:
        return 0.0
    df = raters - 1
    critical = -float(special.stdtrit(df, float(special.ndtr(-planned_bounds()[-1]))))
    shift = (rate - 0.5) / math.sqrt(rate * (1 - rate) / effective_votes(votes, raters))
    return 1 - float(special.nctdtr(df, shift, critical))


def votes_to_settle(rate: float, raters: int, *, power: float = POWER) -> int | None:
    """The fewest ratings by `raters` people that detect a true win rate `rate` with this power.

    None when no number does: each person counts for at most about eight independent votes.
    """
    if settling_power(rate, _MOST, raters) < power:
        return None
    low, high = 1, _MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if settling_power(rate, middle, raters) >= power else (middle, high)
    return high


def least_settled_rate(votes: int, raters: int, *, power: float = POWER) -> float | None:
    """The smallest true win rate that `votes` ratings by `raters` people detect with this power; None when not even .99."""
    if settling_power(0.99, votes, raters) < power:
        return None
    low, high = 0.5, 0.99
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if settling_power(middle, votes, raters) >= power else (middle, high)
    return high


def half_width(votes: int, raters: int, *, level: float = 0.95) -> float | None:
    """Half the expected width of the interval around an even win rate, as `interval` computes it.

    None with fewer than LEAST_RATERS raters, since the spread between raters is then unknown.
    """
    if raters < LEAST_RATERS or votes < raters:
        return None
    reach = float(special.stdtrit(raters - 1, (1 + level) / 2)) / math.sqrt(
        effective_votes(votes, raters) / 4
    )
    return float(special.expit(reach)) - 0.5
