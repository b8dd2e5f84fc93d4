"""Which of two versions is better: a test planned before the votes are known, with its result in one sentence."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtri, stdtr

from evaluation.statistics.boundaries import LOOKS, mixture_bound, planned_bounds
from evaluation.statistics.intervals import FEW
from evaluation.statistics.votes import Votes, estimate

Side = Literal["baseline", "candidate"]
# A vote's variance at a win rate of 85%: below it the votes' own variance shows luck more than spread.
LEAST_SPREAD = 0.125


@dataclass(frozen=True)
class Growth:
    """The plan was made or extended: `planned` ratings in total, after `before` of them were in.

    `known` is False while a new campaign's answers are being made: prompts with the same answer from both are removed
    from the plan.
    """

    planned: int
    before: int
    known: bool = True


@dataclass(frozen=True)
class Look:
    """One planned look, after `at` ratings. `z` and `bound` are two-sided; None before it is taken or if it cannot be
    taken."""

    at: int
    bound: float
    z: float | None


@dataclass(frozen=True)
class Verdict:
    """`settled` is the better side, or None. `looks` are those of the plan; `next_look` is the number of ratings for
    the next one (None when all are taken). `counted` are the ratings that are in, of `planned` in the first plan."""

    settled: Side | None
    counted: int
    planned: int
    looks: tuple[Look, ...]
    next_look: int | None
    says: str

    @property
    def complete(self) -> bool:
        """Whether the planned ratings are in."""
        return 0 < self.planned <= self.counted

    def mirrored(self) -> "Verdict":
        """The same verdict with baseline and candidate swapped. The sentence has version names and stays the same."""
        other: dict[Side | None, Side | None] = {"baseline": "candidate", "candidate": "baseline", None: None}
        looks = tuple(Look(look.at, look.bound, None if look.z is None else -look.z) for look in self.looks)
        return Verdict(other[self.settled], self.counted, self.planned, looks, self.next_look, self.says)


def first_plan(growths: Iterable[Growth]) -> int:
    """The number of ratings in the first plan.

    A plan that grew before its first look counts as planned that way, since nothing was decided yet. Later additions do
    not move the first plan's looks, so that nobody can add ratings until the result is as wanted.
    """
    included = _first_growths(growths)
    return included[-1].planned if included else 0


def plan_is_known(growths: Iterable[Growth]) -> bool:
    """Whether the first plan's size is final, so that its looks can be taken."""
    return all(growth.known for growth in _first_growths(growths))


def _first_growths(growths: Iterable[Growth]) -> list[Growth]:
    included: list[Growth] = []
    for growth in growths:
        planned = included[-1].planned if included else 0
        if planned and growth.before >= math.ceil(LOOKS[0] * planned):
            break
        included.append(growth)
    return included


def judge(votes: Votes, *, planned: int, baseline: str, candidate: str, known: bool = True) -> Verdict:
    """`votes` in the order of rating, 1 for the candidate, 0 for the baseline, ½ for a tie, NaN for "both bad".

    Settled needs a |z| at or above the bound of a planned look (`planned_bounds`), or, after the planned ratings, above
    `mixture_bound` on all votes; and the present mean on the same side. z comes from a t test of
    the rater-weighted mean against one half, with a variance that respects raters and items. So looking, closing,
    opening again, extending and repeating do not change its error rate. One rater cannot settle it.

    "Both bad" counts as a rating for the plan, but not for which is better. There is no verdict while the plan's size
    is not `known`; the looks are then taken later, on the same votes.
    """
    counted = len(votes)
    if not known:
        says = "No verdict yet: answers are being made. The looks are taken when the number of differing answers is known."
        return Verdict(None, counted, planned, (), None, says)
    looks = tuple(
        Look(at, bound, _z(votes.first(at)) if at <= counted else None)
        for at, bound in zip(look_counts(planned), planned_bounds(), strict=False)
    )
    next_look = next((look.at for look in looks if look.at > counted), None)
    now = _z(votes)
    crossed = next((look for look in looks if look.z is not None and abs(look.z) >= look.bound), None)
    evidence = crossed.z if crossed else _after_the_plan(votes, planned, now)
    settled = _side(evidence) if evidence is not None and now is not None and evidence * now > 0 else None
    names: dict[Side, str] = {"baseline": baseline, "candidate": candidate}
    if settled:
        says = _who_is_better(names, settled, crossed.at if crossed else None)
    elif evidence is not None:
        says = "Not settled: an earlier look settled it, but later votes favour the other version."
    else:
        says = _why_not(votes, names, next_look=next_look, planned=planned)
    return Verdict(settled, counted, planned, looks, next_look, says)


def look_counts(planned: int) -> list[int]:
    """The numbers of ratings at the looks; none without a plan."""
    return sorted({math.ceil(share * planned) for share in LOOKS}) if planned >= len(LOOKS) else []


def _after_the_plan(votes: Votes, planned: int, z: float | None) -> float | None:
    if z is None or not planned or len(votes) <= planned:
        return None
    return z if abs(z) >= mixture_bound(1 / _variance(votes)[0]) else None


def _side(z: float) -> Side:
    return "candidate" if z > 0 else "baseline"


def _variance(votes: Votes) -> tuple[float, float, float]:
    """Variance and degrees of freedom of the mean's t test against one half, and the mean's distance from it."""
    figures = estimate(votes.valued())
    assert figures.variance is not None  # called for two raters or more only
    spread = max(figures.mean * (1 - figures.mean), LEAST_SPREAD)
    least = max(figures.independent, LEAST_SPREAD * figures.concentration)
    if min(figures.mean, 1 - figures.mean) * figures.effective < FEW:
        # Nearly all agree: the spread between raters is unknown, so the assumed spread is the minimum.
        least = spread / figures.effective
    return max(figures.variance, least), figures.df, figures.mean - 0.5


def _z(votes: Votes) -> float | None:
    """The t statistic on the scale of z, with the same two-sided probability; None with fewer than two raters."""
    valued = votes.valued()
    if len(np.unique(valued.raters)) < 2:
        return None
    variance, df, distance = _variance(votes)
    t = distance / math.sqrt(variance)
    tail = max(float(stdtr(df, -abs(t))), 1e-300)
    return math.copysign(-float(ndtri(tail)), t) if t else 0.0


def _who_is_better(names: dict[Side, str], settled: Side, look: int | None) -> str:
    better, worse = names[settled], names["baseline" if settled == "candidate" else "candidate"]
    where = f"at the planned look after {look:,} ratings" if look else "by all ratings, beyond the plan"
    return f"{better} is better than {worse}: settled {where}."


def _why_not(votes: Votes, names: dict[Side, str], *, next_look: int | None, planned: int) -> str:
    if not len(votes):
        return "No ratings yet."
    ahead = _ahead(votes, names)
    if next_look:
        return f"Not settled yet: {ahead}. The next look is after {next_look:,} of {planned:,} ratings."
    if len(np.unique(votes.valued().raters)) < 2:
        return (
            f"Not settled: {ahead}, and the votes of one person cannot settle it. Other people must rate too."
        )
    if not look_counts(planned):
        return f"Not settled: {ahead}. The plan has too few ratings to settle it."
    return (
        f"Not settled: {ahead}, but after all {planned:,} planned ratings the difference may be chance. "
        "More raters help more than more ratings by the same people."
    )


def _ahead(votes: Votes, names: dict[Side, str]) -> str:
    valued = votes.valued()
    mean = estimate(valued).mean if len(valued) else 0.5
    if abs(mean - 0.5) < 1e-9:
        return "neither is ahead"
    return f"{names['candidate' if mean > 0.5 else 'baseline']} is ahead"
