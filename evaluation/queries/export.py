"""Ratings as rows of a table, for CSV."""

from collections.abc import Iterator
from typing import Any

from core.http.downloads import csv_line
from core.lists.rows import rows_by_key
from evaluation.models import Campaign, Comparison, Entry, Score
from evaluation.queries.comparisons import export_rows

_ENTRIES = (("baseline", Entry.BASELINE), ("candidate", Entry.CANDIDATE))
COLUMNS = [
    "comparison",
    "prompt",
    "slice",
    "question",
    "rater",
    "said",
    "preferred_version",
    "baseline_version",
    "candidate_version",
    "a_version",
    "b_version",
    "baseline_answer",
    "candidate_answer",
    *(f"{criterion}_{name}" for criterion in Score.Criterion.values for name, _ in _ENTRIES),
    "note",
    "seconds",
    "rated_at",
    "corrected_examples",
    "baseline_doubt",
    "candidate_doubt",
    "set_aside_at",
    "set_aside_by",
    "set_aside_reason",
]


def csv_lines(campaign: Campaign) -> Iterator[str]:
    """The campaign's ratings as lines of CSV, read in portions."""
    yield csv_line(COLUMNS)
    for row in rows_of(campaign):
        yield csv_line(row)


def rows_of(campaign: Campaign) -> Iterator[list[Any]]:
    """One list per rating, in the order of COLUMNS; read in portions."""
    for comparison in rows_by_key(export_rows(campaign)):
        yield _row(comparison)


def _row(comparison: Comparison) -> list[Any]:
    rating = comparison.rating
    answers = {answer.entry.position: answer for answer in (comparison.a, comparison.b)}
    choice = {"a": "candidate", "b": "candidate"}.get(rating.choice, rating.choice)
    if rating.preferred is not None and rating.preferred.position == Entry.BASELINE:
        choice = "baseline"
    scores = {(s.criterion, s.entry.position): s.value for s in rating.scores.all()}
    return [
        str(comparison.public_id),
        comparison.prompt.position,
        comparison.prompt.slice,
        comparison.prompt.messages[-1]["content"],
        comparison.rater.name,
        choice,
        rating.preferred.version if rating.preferred else "",
        answers[Entry.BASELINE].entry.version,
        answers[Entry.CANDIDATE].entry.version,
        comparison.a.entry.version,
        comparison.b.entry.version,
        answers[Entry.BASELINE].answer.text,
        answers[Entry.CANDIDATE].answer.text,
        *(
            scores.get((criterion, position), "")
            for criterion in Score.Criterion.values
            for _, position in _ENTRIES
        ),
        rating.comment,
        round(rating.seconds, 1),
        comparison.rated_at.isoformat() if comparison.rated_at else "",
        " ".join(f"#{c.example_id}" for c in comparison.corrections.all()),
        answers[Entry.BASELINE].answer.doubt,
        answers[Entry.CANDIDATE].answer.doubt,
        rating.set_aside_at.isoformat() if rating.set_aside_at else "",
        rating.set_aside_by.name if rating.set_aside_by else "",
        rating.set_aside_reason,
    ]
