"""How many ratings a comparison needs, and what a given number buys."""

import math

from scipy import special  # not scipy.stats: it takes a second to load, and every process would wait for it

from evaluation.statistics.intervals import ASSUMED_CORRELATION


def decisive_votes_needed(rate: float, *, power: float = 0.8, level: float = 0.95) -> int:
    """Independent votes to tell a true win rate `rate` from even, two-sided, with the given power.

    n = ((z_{1-α/2}·½ + z_{power}·√(p(1-p))) / (p - ½))², rounded up (Fleiss, Levin & Paik, Statistical Methods for Rates
    and Proportions, 3rd ed. 2003, ch. 2.5, one sample against ½). For .55, .60, .65, .70: 783, 194, 85, 47.
    """
    if not 0 < rate < 1 or rate == 0.5:
        raise ValueError("The rate must lie between 0 and 1 and differ from 0.5.")
    noise = special.ndtri((1 + level) / 2) / 2 + special.ndtri(power) * math.sqrt(rate * (1 - rate))
    return math.ceil((noise / (rate - 0.5)) ** 2 - 1e-9)


def least_detectable_rate(votes: float, *, power: float = 0.8, level: float = 0.95) -> float | None:
    """The smallest win rate above one half that `votes` independent votes find with the given power.

    None when even 99 wins in 100 would not be found. The inverse of `decisive_votes_needed`, by bisection.
    """
    if votes <= 0 or decisive_votes_needed(0.99, power=power, level=level) > votes:
        return None
    low, high = 0.5, 0.99
    for _ in range(40):
        middle = (low + high) / 2
        if decisive_votes_needed(middle, power=power, level=level) > votes:
            low = middle
        else:
            high = middle
    return high


def effective_votes(votes: int, raters: int) -> float:
    """`votes` split evenly over `raters`, divided by Kish's design effect 1 + (m - 1)·ρ with m votes a rater."""
    if votes <= 0 or raters <= 0:
        return 0.0
    return votes / (1 + max(votes / raters - 1, 0) * ASSUMED_CORRELATION)


def half_width(votes: int, raters: int, *, level: float = 0.95) -> float | None:
    """Half the width of the interval to expect around an even win rate: t_{G-1}·√(¼ / effective votes).

    None when fewer than two raters would make it, for then there is no spread between raters to see.
    """
    if raters < 2 or votes < raters:
        return None
    quantile = float(special.stdtrit(raters - 1, (1 + level) / 2))
    return min(0.5, quantile * math.sqrt(0.25 / effective_votes(votes, raters)))
