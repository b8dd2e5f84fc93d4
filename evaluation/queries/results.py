"""The results of a campaign with their uncertainty. Reads rows; evaluation.statistics computes."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from core.models import Membership, Role, User
from evaluation.models import Campaign, Entry, Prompt, Score
from evaluation.queries.pairs import PairEvidence, evidence_of, siblings_of
from evaluation.queries.votes import Vote, as_votes, bad, chose_a, votes_of, win, win_among_all
from evaluation.statistics import (
    NOTHING,
    Interval,
    Verdict,
    codes,
    hasty_rater,
    interval,
    is_hasty,
    krippendorff_alpha,
    simultaneous,
)
from training.models import ModelVersion

if TYPE_CHECKING:
    from evaluation.queries.campaigns import CountedCampaign


@dataclass(frozen=True)
class CriterionResult:
    """Mean scores 1..5; `difference` is candidate minus baseline inside each rating, -4..4."""

    criterion: str
    label: str
    baseline: Interval
    candidate: Interval
    difference: Interval


@dataclass(frozen=True)
class SliceResult:
    """The intervals of all slices of a campaign are joint (`evaluation.statistics.simultaneous`)."""

    slice: str
    n: int
    win_rate: Interval
    both_bad: Interval


@dataclass(frozen=True)
class RaterResult:
    """`sees_names`: this person may open the results while the campaign runs, so their role does not rate blind.
    `hasty_votes` came too fast for reading both answers; `hasty`: this is a habit."""

    rater: User
    n: int
    candidate: int
    baseline: int
    ties: int
    both_bad: int
    median_seconds: float
    sees_names: bool
    hasty_votes: int
    hasty: bool


@dataclass(frozen=True)
class Results:
    """`win_rate` is of the candidate over the baseline among wins, losses and ties, a tie as ½, with raters weighted by
    their votes. "Both bad" says nothing about which is better and is left out there; `win_rate_among_all` counts it
    as a tie, `both_bad_rate` is its share. `pair` combines this campaign with all others between the same versions,
    and `verdict` is the pair's."""

    campaign: Campaign
    baseline: ModelVersion
    candidate: ModelVersion
    n: int
    wanted: int
    wins: int
    losses: int
    ties: int
    both_bad: int
    win_rate: Interval
    win_rate_among_all: Interval
    both_bad_rate: Interval
    a_rate: Interval
    verdict: Verdict
    pair: PairEvidence
    criteria: tuple[CriterionResult, ...]
    scored: int
    slices: tuple[SliceResult, ...]
    raters: tuple[RaterResult, ...]
    alpha: float | None
    repeated_prompts: int
    prompts: int
    same_answers: int
    corrections: int
    median_seconds: float | None

    @property
    def campaigns_together(self) -> int:
        return len(self.pair.campaigns)

    def rate_of(self, version: ModelVersion) -> Interval:
        """The win rate of `version` over the other one."""
        return self.win_rate if version.pk == self.candidate.pk else self.win_rate.mirrored()

    def other_than(self, version: ModelVersion) -> ModelVersion:
        return self.baseline if version.pk == self.candidate.pk else self.candidate


def results_of(campaigns: Iterable[Campaign]) -> dict[int, Results]:
    """Results by campaign id, in a constant number of queries."""
    campaign_ids = {campaign.pk for campaign in campaigns}
    pairs = siblings_of(Campaign.objects.filter(pk__in=campaign_ids))
    related = [campaign for siblings in pairs.values() for campaign in siblings]
    votes = votes_of([campaign.pk for campaign in related])
    people, informed = _people(related, votes)
    same = Counter(
        Prompt.objects.current()
        .filter(campaign__in=[c.pk for c in related], same_answer=True)
        .values_list("campaign", flat=True)
    )
    results = {}
    for siblings in pairs.values():
        evidence = evidence_of(siblings, votes, same)
        for campaign in siblings:
            if campaign.pk in campaign_ids:
                own = votes.get(campaign.pk, [])
                results[campaign.pk] = _results(campaign, own, evidence, people, informed, same[campaign.pk])
    return results


def results_by_version(versions: Sequence[ModelVersion]) -> dict[int, list[Results]]:
    """For each version id the results of its campaigns on test prompts, newest first. A constant number of queries."""
    entries = Entry.objects.filter(
        version__in=[v.pk for v in versions],
        campaign__status__in=[Campaign.Status.OPEN, Campaign.Status.CLOSED],
        campaign__split=Campaign.Split.TEST,
    ).values_list("version", "campaign")
    pairs = list(entries)
    results = results_of(Campaign.objects.filter(pk__in={campaign for _, campaign in pairs}))
    by_version: dict[int, list[Results]] = {v.pk: [] for v in versions}
    for version, campaign in sorted(pairs, key=lambda pair: -pair[1]):
        by_version[version].append(results[campaign])
    return by_version


def results_for(version: ModelVersion) -> list[Results]:
    """Results of every campaign with the version on test prompts, newest first."""
    return results_by_version([version])[version.pk]


def _people(
    campaigns: list[Campaign], votes: dict[int, list[Vote]]
) -> tuple[dict[int, User], set[tuple[int, int]]]:
    ids = {vote.rater for campaign_votes in votes.values() for vote in campaign_votes}
    people = User.objects.in_bulk(ids)
    informed = Membership.objects.filter(
        user__in=ids,
        project__in={c.project_id for c in campaigns},
        roles__overlap=[Role.ADMIN, Role.VIEWER],
    ).values_list("project", "user")
    return people, set(informed)


def _criterion(votes: list[Vote], criterion: str, label: str) -> CriterionResult:
    def score(position: int) -> Interval:
        return interval(as_votes(votes, lambda vote: vote.scores.get((position, criterion))), low=1, high=5)

    def difference(vote: Vote) -> float | None:
        pair = vote.scores.get((Entry.CANDIDATE, criterion)), vote.scores.get((Entry.BASELINE, criterion))
        return None if pair[0] is None or pair[1] is None else pair[0] - pair[1]

    return CriterionResult(
        criterion,
        label,
        baseline=score(Entry.BASELINE),
        candidate=score(Entry.CANDIDATE),
        difference=interval(as_votes(votes, difference), low=-4, high=4),
    )


def _by_slice(votes: list[Vote]) -> tuple[SliceResult, ...]:
    names = list(dict.fromkeys(vote.slice for vote in votes))
    groups = codes([vote.slice for vote in votes])
    wins, bads = (simultaneous(as_votes(votes, value), groups) for value in (win, bad))
    counts = Counter(vote.slice for vote in votes)
    slices = [
        SliceResult(name, counts[name], wins.get(number, NOTHING), bads[number])
        for number, name in enumerate(names)
    ]
    return tuple(sorted(slices, key=lambda row: (-row.n, row.slice)))


def _by_rater(
    campaign: Campaign, votes: list[Vote], people: dict[int, User], informed: set[tuple[int, int]]
) -> tuple[RaterResult, ...]:
    own: dict[int, list[Vote]] = defaultdict(list)
    for vote in votes:
        own[vote.rater].append(vote)
    results = []
    for rater, theirs in own.items():
        counts = Counter(vote.outcome for vote in theirs)
        results.append(
            RaterResult(
                rater=people[rater],
                n=len(theirs),
                candidate=counts["candidate"],
                baseline=counts["baseline"],
                ties=counts["tie"],
                both_bad=counts["both_bad"],
                median_seconds=median(vote.seconds for vote in theirs),
                sees_names=(campaign.project_id, rater) in informed,
                hasty_votes=sum(is_hasty(vote.seconds, vote.characters) for vote in theirs),
                hasty=hasty_rater([(vote.seconds, vote.characters) for vote in theirs]),
            )
        )
    return tuple(sorted(results, key=lambda result: (-result.n, result.rater.name)))


def _results(
    campaign: "CountedCampaign",
    votes: list[Vote],
    pair: PairEvidence,
    people: dict[int, User],
    informed: set[tuple[int, int]],
    same_answers: int,
) -> Results:
    sides: list[Entry] = campaign.sides
    baseline, candidate = sides[Entry.BASELINE].version, sides[Entry.CANDIDATE].version
    counts = Counter(vote.outcome for vote in votes)
    by_prompt: dict[int, list[str]] = defaultdict(list)
    for vote in votes:
        by_prompt[vote.prompt].append(vote.outcome)
    return Results(
        campaign=campaign,
        baseline=baseline,
        candidate=candidate,
        n=len(votes),
        wanted=campaign.wanted,
        wins=counts["candidate"],
        losses=counts["baseline"],
        ties=counts["tie"],
        both_bad=counts["both_bad"],
        win_rate=interval(as_votes(votes, win)),
        win_rate_among_all=interval(as_votes(votes, win_among_all)),
        both_bad_rate=interval(as_votes(votes, bad)),
        a_rate=interval(as_votes(votes, chose_a)),
        verdict=pair.seen_from(candidate).verdict,
        pair=pair.seen_from(candidate),
        criteria=tuple(_criterion(votes, c.value, str(c.label)) for c in Score.Criterion),
        scored=sum(bool(vote.scores) for vote in votes),
        slices=_by_slice(votes),
        raters=_by_rater(campaign, votes, people, informed),
        alpha=krippendorff_alpha(list(by_prompt.values())),
        repeated_prompts=sum(len(prompt_votes) > 1 for prompt_votes in by_prompt.values()),
        prompts=campaign.prompt_count,
        same_answers=same_answers,
        corrections=campaign.correction_count,
        median_seconds=median(vote.seconds for vote in votes) if votes else None,
    )
