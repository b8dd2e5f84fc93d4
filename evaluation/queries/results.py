"""What a campaign says, with how sure it is. Reads rows; evaluation.statistics does the sums."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from core.models import Membership, Role, User
from evaluation.models import Campaign, Entry, Prompt, Rating, Score
from evaluation.queries.campaigns import with_progress
from evaluation.statistics import Interval, Verdict, clustered_interval, judge, krippendorff_alpha
from training.models import ModelVersion

Choice = Rating.Choice


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
    slice: str
    n: int
    win_rate: Interval
    both_bad: Interval


@dataclass(frozen=True)
class RaterResult:
    """`sees_names`: this person may open the standings while the campaign runs, so they did not rate blind by role."""

    rater: User
    n: int
    candidate: int
    baseline: int
    ties: int
    both_bad: int
    median_seconds: float
    sees_names: bool


@dataclass(frozen=True)
class Results:
    """`win_rate` is of the candidate over the baseline: (wins + ½ ties) / (wins + losses + ties). Ratings "both bad" say
    nothing about which is better; they are in `both_bad_rate`, whose denominator is all ratings."""

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
    both_bad_rate: Interval
    left_rate: Interval
    verdict: Verdict
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

    def rate_of(self, version: ModelVersion) -> Interval:
        """The win rate of `version` over the other one."""
        rate = self.win_rate
        if version.pk == self.candidate.pk or rate.value is None or rate.low is None or rate.high is None:
            return rate
        return Interval(1 - rate.value, 1 - rate.high, 1 - rate.low, rate.n, rate.clusters, rate.method)

    def other_than(self, version: ModelVersion) -> ModelVersion:
        return self.baseline if version.pk == self.candidate.pk else self.candidate


@dataclass
class _Vote:
    rater: int
    prompt: int
    slice: str
    outcome: str  # candidate, baseline, tie, both_bad
    side: str
    seconds: float
    scores: dict[tuple[int, str], int] = field(default_factory=dict)


def results_of(campaigns: Iterable[Campaign]) -> dict[int, Results]:
    """Results by campaign id, in a constant number of queries."""
    found = list(with_progress(Campaign.objects.filter(pk__in=[c.pk for c in campaigns])))
    votes = _votes([c.pk for c in found])
    people, informed = _people(found, votes)
    same = Counter(
        Prompt.objects.filter(campaign__in=[c.pk for c in found], same_answer=True).values_list(
            "campaign", flat=True
        )
    )
    return {c.pk: _results(c, votes.get(c.pk, []), people, informed, same[c.pk]) for c in found}


def results_by_version(versions: Sequence[ModelVersion]) -> dict[int, list[Results]]:
    """For each version id its campaigns' results, the newest first. A constant number of queries."""
    entries = Entry.objects.filter(
        version__in=[v.pk for v in versions],
        campaign__status__in=[Campaign.Status.OPEN, Campaign.Status.CLOSED],
    ).values_list("version", "campaign")
    pairs = list(entries)
    found = results_of(Campaign.objects.filter(pk__in={campaign for _, campaign in pairs}))
    by_version: dict[int, list[Results]] = {v.pk: [] for v in versions}
    for version, campaign in sorted(pairs, key=lambda pair: -pair[1]):
        by_version[version].append(found[campaign])
    return by_version


def results_for(version: ModelVersion) -> list[Results]:
    """Results of every campaign the version takes or took part in, the newest first."""
    return results_by_version([version])[version.pk]


def _votes(campaigns: list[int]) -> dict[int, list[_Vote]]:
    by_id: dict[int, _Vote] = {}
    by_campaign: dict[int, list[_Vote]] = defaultdict(list)
    rows = Rating.objects.filter(comparison__campaign__in=campaigns, set_aside_at__isnull=True).values_list(
        "pk",
        "comparison__campaign",
        "comparison__rater",
        "comparison__prompt",
        "comparison__prompt__slice",
        "choice",
        "preferred__position",
        "seconds",
    )
    for pk, campaign, rater, prompt, slice_, choice, position, seconds in rows.order_by("pk"):
        outcome = choice if position is None else ("candidate" if position == Entry.CANDIDATE else "baseline")
        vote = by_id[pk] = _Vote(rater, prompt, slice_, outcome, choice, seconds)
        by_campaign[campaign].append(vote)
    scores = Score.objects.filter(rating__comparison__campaign__in=campaigns)
    for pk, position, criterion, value in scores.values_list(
        "rating", "entry__position", "criterion", "value"
    ):
        if pk in by_id:  # a rating that came in between the two queries
            by_id[pk].scores[position, criterion] = value
    return by_campaign


def _people(
    campaigns: list[Campaign], votes: dict[int, list[_Vote]]
) -> tuple[dict[int, User], set[tuple[int, int]]]:
    ids = {vote.rater for found in votes.values() for vote in found}
    people = User.objects.in_bulk(ids)
    informed = Membership.objects.filter(
        user__in=ids,
        project__in={c.project_id for c in campaigns},
        roles__overlap=[Role.ADMIN, Role.VIEWER],
    ).values_list("project", "user")
    return people, set(informed)


def _grouped(votes: Iterable[_Vote], value: Any) -> dict[object, list[float]]:
    """Each rater's values; `value(vote)` is None for votes that do not count."""
    groups: dict[object, list[float]] = defaultdict(list)
    for vote in votes:
        found = value(vote)
        if found is not None:
            groups[vote.rater].append(float(found))
    return groups


def _win(vote: _Vote) -> float | None:
    return {"candidate": 1.0, "tie": 0.5, "baseline": 0.0}.get(vote.outcome)


def _bad(vote: _Vote) -> float:
    return float(vote.outcome == Choice.BOTH_BAD)


def _left(vote: _Vote) -> float | None:
    return {"left": 1.0, "right": 0.0}.get(vote.side)


def _criterion(votes: list[_Vote], criterion: str, label: str) -> CriterionResult:
    def score(position: int) -> Interval:
        return clustered_interval(
            _grouped(votes, lambda v: v.scores.get((position, criterion))), low=1, high=5
        )

    def difference(vote: _Vote) -> float | None:
        pair = vote.scores.get((Entry.CANDIDATE, criterion)), vote.scores.get((Entry.BASELINE, criterion))
        return None if pair[0] is None or pair[1] is None else pair[0] - pair[1]

    return CriterionResult(
        criterion,
        label,
        baseline=score(Entry.BASELINE),
        candidate=score(Entry.CANDIDATE),
        difference=clustered_interval(_grouped(votes, difference), low=-4, high=4),
    )


def _by_slice(votes: list[_Vote]) -> tuple[SliceResult, ...]:
    slices: dict[str, list[_Vote]] = defaultdict(list)
    for vote in votes:
        slices[vote.slice].append(vote)
    found = [
        SliceResult(
            name, len(own), clustered_interval(_grouped(own, _win)), clustered_interval(_grouped(own, _bad))
        )
        for name, own in slices.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.n, one.slice)))


def _by_rater(
    campaign: Campaign, votes: list[_Vote], people: dict[int, User], informed: set[tuple[int, int]]
) -> tuple[RaterResult, ...]:
    own: dict[int, list[_Vote]] = defaultdict(list)
    for vote in votes:
        own[vote.rater].append(vote)
    found = []
    for rater, theirs in own.items():
        counts = Counter(vote.outcome for vote in theirs)
        found.append(
            RaterResult(
                rater=people[rater],
                n=len(theirs),
                candidate=counts["candidate"],
                baseline=counts["baseline"],
                ties=counts["tie"],
                both_bad=counts["both_bad"],
                median_seconds=median(vote.seconds for vote in theirs),
                sees_names=(campaign.project_id, rater) in informed,
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.n, one.rater.name)))


def _results(
    campaign: Any,  # with_progress made it
    votes: list[_Vote],
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
    win_rate = clustered_interval(_grouped(votes, _win))
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
        win_rate=win_rate,
        both_bad_rate=clustered_interval(_grouped(votes, _bad)),
        left_rate=clustered_interval(_grouped(votes, _left)),
        verdict=judge(
            win_rate,
            wins=counts["candidate"],
            losses=counts["baseline"],
            others=counts["tie"] + counts["both_bad"],
            baseline=str(baseline),
            candidate=str(candidate),
        ),
        criteria=tuple(_criterion(votes, c.value, str(c.label)) for c in Score.Criterion),
        scored=sum(bool(vote.scores) for vote in votes),
        slices=_by_slice(votes),
        raters=_by_rater(campaign, votes, people, informed),
        alpha=krippendorff_alpha(by_prompt.values()),
        repeated_prompts=sum(len(found) > 1 for found in by_prompt.values()),
        prompts=campaign.prompt_count,
        same_answers=same_answers,
        corrections=campaign.correction_count,
        median_seconds=median(vote.seconds for vote in votes) if votes else None,
    )
