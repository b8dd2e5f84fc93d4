"""Pure calculations on ratings: no database, no Django. One file per topic, each with its formula and its source."""

from evaluation.statistics.agreement import krippendorff_alpha
from evaluation.statistics.intervals import NOTHING, Interval, interval, simultaneous
from evaluation.statistics.pace import hasty_rater, is_hasty
from evaluation.statistics.power import half_width, least_settled_rate, settling_power, votes_to_settle
from evaluation.statistics.verdict import Growth, Look, Verdict, first_plan, judge, plan_is_known
from evaluation.statistics.votes import Votes, codes, estimate

__all__ = [
    "NOTHING",
    "Growth",
    "Interval",
    "Look",
    "Verdict",
    "Votes",
    "codes",
    "estimate",
    "first_plan",
    "half_width",
    "hasty_rater",
    "interval",
    "is_hasty",
    "judge",
    "krippendorff_alpha",
    "least_settled_rate",
    "plan_is_known",
    "settling_power",
    "simultaneous",
    "votes_to_settle",
]
