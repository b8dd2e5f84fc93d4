"""What the ratings so far allow to say, in one sentence."""

import math
from dataclasses import dataclass
from typing import Literal

from evaluation.statistics.intervals import Interval
from evaluation.statistics.sequential import STOP, e_value, votes_to_settle


@dataclass(frozen=True)
class Verdict:
    """`settled` names who is better, or is None. `more` is about how many more ratings settle it, None when unknown."""

    settled: Literal["baseline", "candidate"] | None
    e_value: float
    more: int | None
    says: str


def judge(
    win_rate: Interval, *, wins: int, losses: int, others: int, baseline: str, candidate: str
) -> Verdict:
    """Settled takes an e-value of STOP or more, valid at any moment, a rater-clustered interval beyond one half, and two raters.

    The e-value alone treats votes as independent, the interval alone minds how often one looks; each covers the other's
    gap, and one person is never a panel. `wins` and `losses` are the candidate's decisive votes, `others` ties and "both bad".
    """
    evidence = e_value(wins, losses)
    beyond = _side(win_rate)
    total = wins + losses + others
    if evidence >= STOP and beyond and win_rate.clusters > 1:
        better, worse = (candidate, baseline) if beyond == "candidate" else (baseline, candidate)
        return Verdict(beyond, evidence, 0, f"{better} is better than {worse}: enough evidence to stop.")
    if total == 0:
        return Verdict(None, evidence, None, "No ratings yet.")
    decisive = wins + losses
    more = votes_to_settle(wins, losses)
    if more is not None:
        more = math.ceil(more * total / decisive)
    if evidence >= STOP:
        says = (
            "Not settled yet: the votes lean clearly to one side, but too few people cast them. "
            "Ratings by other people settle it sooner than more by the same ones."
        )
        return Verdict(None, evidence, None, says)
    if more is None:
        return Verdict(None, evidence, None, "Not settled yet: so far neither is ahead.")
    ahead = candidate if wins > losses else baseline
    says = f"Not settled yet: {ahead} is ahead; about {more:,} more {'rating' if more == 1 else 'ratings'} if it goes on like this."
    return Verdict(None, evidence, more, says)


def _side(win_rate: Interval) -> Literal["baseline", "candidate"] | None:
    if win_rate.low is not None and win_rate.low > 0.5:
        return "candidate"
    if win_rate.high is not None and win_rate.high < 0.5:
        return "baseline"
    return None
