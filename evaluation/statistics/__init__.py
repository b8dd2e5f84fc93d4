"""Pure calculations on ratings: no database, no Django. One file a concern, each with its formula and its source."""

from evaluation.statistics.agreement import krippendorff_alpha
from evaluation.statistics.intervals import Interval, clustered_interval
from evaluation.statistics.power import decisive_votes_needed, half_width, least_detectable_rate
from evaluation.statistics.sequential import e_value, votes_to_settle
from evaluation.statistics.verdict import Verdict, judge

__all__ = [
    "Interval",
    "Verdict",
    "clustered_interval",
    "decisive_votes_needed",
    "e_value",
    "half_width",
    "judge",
    "krippendorff_alpha",
    "least_detectable_rate",
    "votes_to_settle",
]
