"""Ratings as input for the statistics. Ratings set aside do not count and are not read."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models.functions import Length

from evaluation.models import Entry, Rating, Score
from evaluation.statistics import Votes

Choice = Rating.Choice


@dataclass
class Vote:
    """One rating. `item` is the test row's hash: the same question in another campaign is the same item.

    `outcome` is candidate, baseline, tie or both_bad; `characters` of both answers together; `in_doubt` when one of
    them may come from other weights; `scores` by entry position and criterion.
    """

    rater: int
    item: str
    prompt: int
    slice: str
    outcome: str
    side: str
    seconds: float
    characters: int
    in_doubt: bool
    at: datetime
    scores: dict[tuple[int, str], int] = field(default_factory=dict)


def votes_of(campaigns: Sequence[int]) -> dict[int, list[Vote]]:
    """By campaign id, in the order of rating. Two queries."""
    by_id: dict[int, Vote] = {}
    by_campaign: dict[int, list[Vote]] = defaultdict(list)
    rows = (
        Rating.objects.counted()
        .filter(comparison__campaign__in=campaigns)
        .order_by("created_at", "pk")
        .values_list(
            "pk",
            "comparison__campaign",
            "comparison__rater",
            "comparison__prompt__row__row_hash",
            "comparison__prompt",
            "comparison__prompt__slice",
            "choice",
            "preferred__position",
            "seconds",
            Length("comparison__a__answer__text") + Length("comparison__b__answer__text"),
            "comparison__a__answer__doubt",
            "comparison__b__answer__doubt",
            "created_at",
        )
    )
    for pk, campaign, rater, item, prompt, slice_, choice, position, seconds, characters, *doubts, at in rows:
        outcome = choice if position is None else ("candidate" if position == Entry.CANDIDATE else "baseline")
        vote = Vote(rater, item, prompt, slice_, outcome, choice, seconds, characters, any(doubts), at)
        by_id[pk] = vote
        by_campaign[campaign].append(vote)
    scores = Score.objects.filter(rating__comparison__campaign__in=campaigns)
    for pk, position, criterion, value in scores.values_list(
        "rating", "entry__position", "criterion", "value"
    ):
        if pk in by_id:  # a rating submitted between the two queries
            by_id[pk].scores[position, criterion] = value
    return by_campaign


def as_votes(votes: Iterable[Vote], value: Callable[[Vote], float | None]) -> Votes:
    """`value` is None for a vote without information on the question."""
    rows = list(votes)
    return Votes.of(
        [value(vote) for vote in rows], [vote.rater for vote in rows], [vote.item for vote in rows]
    )


def win(vote: Vote) -> float | None:
    """1 for the candidate, 0 for the baseline, ½ for a tie; nothing for "both bad"."""
    return {"candidate": 1.0, Choice.TIE.value: 0.5, "baseline": 0.0}.get(vote.outcome)


def loss(vote: Vote) -> float | None:
    """`win` with baseline and candidate swapped."""
    value = win(vote)
    return None if value is None else 1 - value


def win_among_all(vote: Vote) -> float:
    """`win`, with "both bad" as a tie: neither of two bad answers is better."""
    value = win(vote)
    return 0.5 if value is None else value


def bad(vote: Vote) -> float:
    return float(vote.outcome == Choice.BOTH_BAD)


def chose_a(vote: Vote) -> float | None:
    return {Choice.A.value: 1.0, Choice.B.value: 0.0}.get(vote.side)
