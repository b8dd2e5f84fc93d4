"""All campaigns between the same two versions, combined: repeating a campaign gives no second chance."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Q

from evaluation.models import Campaign, Entry
from evaluation.queries.campaigns import with_progress
from evaluation.queries.votes import Vote, bad, loss, win, win_among_all
from evaluation.statistics import Growth, Interval, Verdict, Votes, first_plan, interval, judge, plan_is_known
from training.models import ModelVersion

COUNTED = (Campaign.Status.OPEN, Campaign.Status.CLOSED)


@dataclass(frozen=True)
class PairEvidence:
    """The combined result of the campaigns of two versions, for the candidate and baseline of the newest one.

    `win_rate` leaves "both bad" out, `win_rate_among_all` counts it as a tie. `same_answers` of `prompts` got the same
    answer from both and were not shown to raters. `in_doubt` votes count, although one of their answers may come from
    other weights.
    """

    baseline: ModelVersion
    candidate: ModelVersion
    campaigns: tuple[Campaign, ...]
    n: int
    raters: int
    win_rate: Interval
    win_rate_among_all: Interval
    both_bad_rate: Interval
    verdict: Verdict
    prompts: int
    same_answers: int
    in_doubt: int

    @property
    def open(self) -> bool:
        return any(campaign.status == Campaign.Status.OPEN for campaign in self.campaigns)

    def seen_from(self, version: ModelVersion) -> "PairEvidence":
        """With `version` as the candidate."""
        if version.pk == self.candidate.pk:
            return self
        return replace(
            self,
            baseline=self.candidate,
            candidate=self.baseline,
            win_rate=self.win_rate.mirrored(),
            win_rate_among_all=self.win_rate_among_all.mirrored(),
            verdict=self.verdict.mirrored(),
        )


def siblings_of(campaigns: Iterable[Campaign]) -> dict[tuple[frozenset[int], str], list[Any]]:
    """The open and closed campaigns between the pairs of versions that `campaigns` compare, the oldest first, with their
    progress; by the pair's version ids and the split of the prompts: what raters say of prompts that a model has learned is not put
    together with what they say of test prompts. Five queries."""
    campaign_ids = [campaign.pk for campaign in campaigns]
    versions = Entry.objects.filter(campaign__in=campaign_ids).values("version")
    entries: dict[int, set[int]] = defaultdict(set)
    for key, version in Entry.objects.filter(version__in=versions).values_list("campaign", "version"):
        entries[key].add(version)
    pairs = {frozenset(entries[pk]) for pk in campaign_ids if pk in entries}
    related = [pk for pk, pair in entries.items() if frozenset(pair) in pairs]
    counted = Q(status__in=COUNTED) | Q(pk__in=campaign_ids)
    by_pair: dict[tuple[frozenset[int], str], list[Any]] = defaultdict(list)
    for campaign in with_progress(Campaign.objects.filter(counted, pk__in=related)).order_by("pk"):
        by_pair[frozenset(entries[campaign.pk]), campaign.split].append(campaign)
    return by_pair


def evidence_of(
    campaigns: Sequence[Any], votes: Mapping[int, list[Vote]], same_answers: Mapping[int, int]
) -> PairEvidence:
    """`campaigns` of one pair, the oldest first, as `siblings_of` gives them; the last one decides the sides."""
    newest = campaigns[-1].sides
    baseline, candidate = newest[Entry.BASELINE].version, newest[Entry.CANDIDATE].version
    counted = [campaign for campaign in campaigns if campaign.status in COUNTED]
    wins, among_all, bads, rows = [], [], [], []
    for campaign in counted:
        turned = campaign.sides[Entry.CANDIDATE].version_id != candidate.pk
        for vote in votes.get(campaign.pk, ()):
            rows.append(vote)
            wins.append(loss(vote) if turned else win(vote))
            among_all.append(1 - win_among_all(vote) if turned else win_among_all(vote))
            bads.append(bad(vote))
    order = sorted(range(len(rows)), key=lambda at: rows[at].at)
    raters, items = [rows[at].rater for at in order], [rows[at].item for at in order]
    growths = _growths(counted, votes)
    decided = Votes.of([wins[at] for at in order], raters, items)
    return PairEvidence(
        baseline=baseline,
        candidate=candidate,
        campaigns=tuple(counted),
        n=len(rows),
        raters=len(set(raters)),
        win_rate=interval(decided),
        win_rate_among_all=interval(Votes.of([among_all[at] for at in order], raters, items)),
        both_bad_rate=interval(Votes.of([bads[at] for at in order], raters, items)),
        verdict=judge(
            decided,
            planned=first_plan(growths),
            known=plan_is_known(growths),
            baseline=str(baseline),
            candidate=str(candidate),
        ),
        prompts=sum(campaign.prompt_count for campaign in counted),
        same_answers=sum(same_answers.get(campaign.pk, 0) for campaign in counted),
        in_doubt=sum(vote.in_doubt for vote in rows),
    )


def _growths(campaigns: Sequence[Any], votes: Mapping[int, list[Vote]]) -> list[Growth]:
    """The growth of the combined plan of all campaigns, by stages. A campaign that was closed when a stage of another
    one began plans only the ratings it had."""
    stages = [(stage, campaign) for campaign in campaigns for stage in campaign.plan_stages.all()]
    stages.sort(key=lambda row: (row[0].created_at, row[1].pk))
    planned_by_campaign: dict[int, int] = {}
    growths = []
    for stage, campaign in stages:
        rated_before = {
            other.pk: sum(vote.at < stage.created_at for vote in votes.get(other.pk, ()))
            for other in campaigns
        }
        planned_by_campaign[campaign.pk] = stage.ratings_planned
        planned = sum(
            rated_before[other.pk]
            if _ended_before(other, campaign, stage.created_at)
            else planned_by_campaign[other.pk]
            for other in campaigns
            if other.pk in planned_by_campaign
        )
        known = stage.number > 1 or not campaign.unmade_count
        growths.append(Growth(planned, sum(rated_before.values()), known))
    return growths


def _ended_before(other: Campaign, campaign: Campaign, moment: datetime) -> bool:
    return bool(other.pk != campaign.pk and other.closed_at and other.closed_at <= moment)
