"""What a rater may see: prompts that need ratings, their own comparisons, the number left. No model names, no
results."""

from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from django.db.models import (
    Aggregate,
    Case,
    Count,
    Exists,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    TextField,
    Value,
    When,
)
from django.db.models.functions import MD5, Cast, Coalesce, Concat
from django.utils import timezone

from core.models import Project, Run, User
from evaluation.models import Campaign, Comparison, Entry, Prompt, Rating

Status = Comparison.Status
USUAL_SECONDS = 40.0  # used until there are enough ratings
ENOUGH_RATINGS = 5


def _taken(now: datetime) -> Q:
    """Comparisons that use up one of a prompt's ratings: rated, or open with somebody now."""
    return Q(status=Status.RATED) | Q(status=Status.OPEN, expires_at__gt=now)


def has_room(prompt_id: int, campaign: Campaign, *, now: datetime) -> bool:
    """Whether one more rater may get this prompt: it is offered, and has fewer open and finished ratings than
    planned."""
    return _with_room(now).filter(pk=prompt_id, campaign=campaign).exists()


def is_offered(prompt_id: int) -> bool:
    return Prompt.objects.offered().filter(pk=prompt_id).exists()


def _with_room(now: datetime) -> QuerySet[Any]:
    """Offered prompts of open campaigns that need one more rating, with `taken`."""
    return (
        Prompt.objects.offered()
        .filter(campaign__status=Campaign.Status.OPEN)
        .annotate(taken=_over_comparisons(now, Count("pk")))
        .filter(taken__lt=F("campaign__ratings_per_prompt"))
    )


def _over_comparisons(now: datetime, figure: Aggregate) -> Coalesce:
    """A figure over a prompt's comparisons that are rated or open with somebody, 0 when there are none."""
    counted = (
        Comparison.objects.filter(_taken(now), prompt=OuterRef("pk"))
        .order_by()
        .values("prompt")
        .annotate(figure=figure)
        .values("figure")
    )
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


# How often the candidate was A minus how often B: see evaluation.sides.
_LEAD = Sum(Case(When(a__entry__position=Entry.CANDIDATE, then=1), default=-1, output_field=IntegerField()))


def prompt_lead(prompt_id: int, *, now: datetime) -> int:
    """Over the comparisons of a prompt that are rated or open with somebody."""
    stood = Comparison.objects.filter(_taken(now), prompt=prompt_id)
    return int(stood.aggregate(lead=Coalesce(_LEAD, 0))["lead"])


def rater_lead(rater: User, campaign: Campaign) -> int:
    """Over the rater's rated and open comparisons in a campaign, without skipped ones and ratings set aside."""
    stood = Comparison.objects.filter(
        campaign=campaign,
        rater=rater,
        status__in=[Status.OPEN, Status.RATED],
        rating__set_aside_at__isnull=True,
    )
    return int(stood.aggregate(lead=Coalesce(_LEAD, 0))["lead"])


def answers_coming(campaign: Campaign) -> bool:
    """Whether answers are still being made, so that more comparisons join. One query."""
    return (
        Prompt.objects.unanswered().filter(campaign=campaign, campaign__run__status__in=Run.ACTIVE).exists()
    )


def _not_seen_by(rater: User) -> Any:
    """A rater may get an expired comparison again, but not a rated, skipped or open one."""
    seen = Comparison.objects.filter(prompt=OuterRef("pk"), rater=rater).exclude(status=Status.EXPIRED)
    return ~Exists(seen)


def prompts_wanting(rater: User, campaign: Campaign, *, now: datetime, due: int = 0) -> QuerySet[Prompt]:
    """Prompts this rater may get next. Least rated first, so that all get one rating before any gets two; equal ones in
    a different order for each rater, so that raters do not all get the same prompt.

    `due` is the side on which the rater must see the candidate next (evaluation.sides.due_side): prompts with a balance
    that needs the other side come last.
    """
    lot = MD5(
        Concat(Value(f"{campaign.seed}:{rater.pk}:"), Cast("pk", TextField()), output_field=TextField())
    )
    prompts = _with_room(now).filter(_not_seen_by(rater), campaign=campaign).annotate(lot=lot)
    if not due:
        return prompts.order_by("taken", "lot", "pk")
    unfit = Q(lead__gt=0) if due > 0 else Q(lead__lt=0)
    return prompts.annotate(
        lead=_over_comparisons(now, _LEAD),
        unfit=Case(When(unfit, then=1), default=0, output_field=IntegerField()),
    ).order_by("taken", "unfit", "lot", "pk")


@dataclass(frozen=True)
class RaterProgress:
    """A rater's share of one campaign: comparisons rated, and comparisons left for them (the open one included)."""

    campaign: Campaign
    rated: int
    left: int

    @property
    def total(self) -> int:
        return self.rated + self.left

    @property
    def at(self) -> int:
        """The number of the current one, from 1."""
        return min(self.rated + 1, self.total)


def shares_of(rater: User, campaigns: list[Campaign]) -> list[RaterProgress]:
    """One share for each campaign, in their order. Three queries for any number of campaigns."""
    now = timezone.now()
    rated = _by_campaign(Comparison.objects.filter(rater=rater, status=Status.RATED), campaigns)
    held = _by_campaign(Comparison.objects.filter(rater=rater, status=Status.OPEN), campaigns)
    left = _by_campaign(_with_room(now).filter(_not_seen_by(rater)), campaigns)
    return [RaterProgress(c, rated.get(c.pk, 0), left.get(c.pk, 0) + held.get(c.pk, 0)) for c in campaigns]


def share_of(rater: User, campaign: Campaign) -> RaterProgress:
    return shares_of(rater, [campaign])[0]


def _by_campaign(rows: QuerySet, campaigns: list[Campaign]) -> dict[int, int]:
    counted = rows.filter(campaign__in=[c.pk for c in campaigns]).order_by().values("campaign")
    return dict(counted.annotate(n=Count("pk")).values_list("campaign", "n"))


def seconds_a_rating(project: Project) -> float:
    """The median of the project's last 200 ratings, in seconds; USUAL_SECONDS if there are few."""
    recent = Rating.objects.filter(comparison__campaign__project=project).order_by("-pk")
    seconds = list(recent.values_list("seconds", flat=True)[:200])
    return median(seconds) if len(seconds) >= ENOUGH_RATINGS else USUAL_SECONDS


def own_comparisons(rater: User) -> QuerySet[Comparison]:
    """A rater's comparisons with everything the rating page shows."""
    return Comparison.objects.filter(rater=rater).select_related(
        "campaign__project",
        "prompt__row__revision",
        "prompt__row__example",
        "a__answer",
        "a__entry",
        "b__answer",
        "b__entry",
    )


def rated_before(comparison: Comparison) -> Comparison | None:
    """The rater's rating before this one in the same campaign; for an open comparison, the last one."""
    comparisons = Comparison.objects.filter(
        campaign=comparison.campaign_id, rater=comparison.rater_id, status=Status.RATED
    )
    if comparison.status == Status.RATED:
        comparisons = comparisons.filter(rated_at__lt=comparison.rated_at)
    return comparisons.order_by("-rated_at").first()


def last_rated(rater: User, campaign: Campaign) -> Comparison | None:
    comparisons = Comparison.objects.filter(campaign=campaign, rater=rater, status=Status.RATED)
    return comparisons.order_by("-rated_at").first()
