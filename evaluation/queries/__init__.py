"""Reads for evaluation's pages, its API and the release gate."""

from evaluation.queries.campaigns import campaigns_of, held_out_datasets, open_campaigns, with_progress
from evaluation.queries.comparisons import browse, comparison_detail
from evaluation.queries.results import (
    CriterionResult,
    RaterResult,
    Results,
    SliceResult,
    results_by_version,
    results_for,
    results_of,
)

__all__ = [
    "CriterionResult",
    "RaterResult",
    "Results",
    "SliceResult",
    "browse",
    "campaigns_of",
    "comparison_detail",
    "held_out_datasets",
    "open_campaigns",
    "results_by_version",
    "results_for",
    "results_of",
    "with_progress",
]
