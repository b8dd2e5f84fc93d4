"""The strength of evidence needed when it is looked at more than once. All bounds are two-sided, on the scale of z.

An ordinary 5% test at every 10 votes up to 500 gives a false alarm in 30 of 100 comparisons without a difference.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri

# Of the 5% of false alarms allowed, the planned looks may use 4 and everything after the plan (more prompts, a repeated
# campaign) 1: together at most 5% for any change of the plan (Bonferroni's inequality).
ALPHA_PLANNED = 0.04
ALPHA_AFTER = 0.01
# A look after each quarter of the planned votes.
LOOKS = (0.25, 0.5, 0.75, 1.0)
# The point where `mixture_bound` is tightest, as a standard deviation of true win rates around one half: most
# interesting candidates win 55 to 65% of the votes.
MIXTURE_SPREAD = 0.1
_GRID = 401  # an odd number of points, for Simpson's rule; 801 change the fourth decimal


@lru_cache(maxsize=32)
def planned_bounds(fractions: Sequence[float] = LOOKS, alpha: float = ALPHA_PLANNED) -> tuple[float, ...]:
    """The bound for |z| at each look, at rising fractions (a tuple) of the planned votes.

    O'Brien and Fleming's shape by the spending function α*(t) = 4(1 - Φ(z_{1-α/4} / √t)) (Lan & DeMets, "Discrete
    sequential boundaries for clinical trials", Biometrika 70(3), 1983), each bound found by integrating the density of the
    paths that crossed none before (Armitage, McPherson & Rowe, J. Royal Statistical Society A 132(2), 1969). At four equal
    looks and α = 5%: 4.333, 2.963, 2.359, 2.014. Raises ValueError unless the fractions rise within (0, 1].
    """
    if (
        not fractions
        or any(b <= a for a, b in zip((0.0, *fractions), fractions, strict=False))
        or fractions[-1] > 1
    ):
        raise ValueError("Looks are at rising fractions of the plan, above 0 and up to 1.")
    spent = [4 * (1 - float(ndtr(ndtri(1 - alpha / 4) / math.sqrt(t)))) for t in fractions]
    bounds: list[float] = []
    paths = weights = np.zeros(1)  # B(t) of the paths that crossed no bound, and their density times the step
    before_t = before_spent = 0.0
    for t, spend in zip(fractions, spent, strict=True):
        share, step = spend - before_spent, math.sqrt(t - before_t)
        bound = -float(ndtri(share / 2)) * math.sqrt(t) if not bounds else _solve(paths, weights, step, share)
        grid, simpson = _simpson(bound)
        if not bounds:
            density = np.exp(-(grid**2) / (2 * t)) / math.sqrt(2 * math.pi * t)
        else:
            moves = (grid[:, None] - paths[None, :]) / step
            density = (weights[None, :] * np.exp(-(moves**2) / 2)).sum(1) / (step * math.sqrt(2 * math.pi))
        paths, weights = grid, density * simpson
        bounds.append(bound / math.sqrt(t))
        before_t, before_spent = t, spend
    return tuple(bounds)


def _simpson(bound: float) -> tuple[np.ndarray, np.ndarray]:
    grid = np.linspace(-bound, bound, _GRID)
    weights = np.full(_GRID, 2.0)
    weights[1::2] = 4
    weights[[0, -1]] = 1
    return grid, weights * (grid[1] - grid[0]) / 3


def _solve(paths: np.ndarray, weights: np.ndarray, step: float, share: float) -> float:
    """The bound of B(t) that a `share` of the paths crosses in this step, by bisection."""
    low, high = 0.0, 12.0
    for _ in range(60):
        middle = (low + high) / 2
        crossing = (weights * (ndtr((paths - middle) / step) + ndtr((-middle - paths) / step))).sum()
        low, high = (middle, high) if crossing > share else (low, middle)
    return (low + high) / 2


def mixture_bound(information: float, *, alpha: float = ALPHA_AFTER, spread: float = MIXTURE_SPREAD) -> float:
    """The bound for |z| that is valid at every vote, when the mean has the variance 1/`information`.

    √((1 + x)/x · ln((1 + x)/α²)) with x = spread² · information: the normal-mixture confidence sequence (Robbins, Annals of
    Mathematical Statistics 41(5), 1970), which is asymptotically valid for any mean (Waudby-Smith, Arbour, Sinha, Kennedy &
    Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics 52(6), 2024).
    """
    x = spread**2 * information
    return math.sqrt((1 + x) / x * math.log((1 + x) / alpha**2))
