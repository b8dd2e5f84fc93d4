"""Campaigns as admins and viewers list them."""

from typing import TYPE_CHECKING, TypedDict

from django.db.models import Count, Exists, F, IntegerField, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from core.models import Membership, Project, Role
from dataset.models import DatasetRow, DatasetVersion
from evaluation.models import Campaign, Comparison, Correction, Entry, Prompt, Rating


def _count(source: QuerySet, path: str) -> Coalesce:
    """A scalar subquery, since several joins would multiply rows."""
    counted = (
        source.filter(**{path: OuterRef("pk")}).order_by().values(path).annotate(n=Count("pk")).values("n")
    )
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class Progress(TypedDict):
        sides: list[Entry]
        prompt_count: int
        asked_count: int
        unanswered_count: int
        unmade_count: int
        rating_count: int
        set_aside_count: int
        rater_count: int
        correction_count: int
        wanted: int

    class HeldOut(TypedDict):
        held_out: int
        trained: int

    CountedCampaign = WithAnnotations[Campaign, Progress]
    HeldOutDataset = WithAnnotations[DatasetVersion, HeldOut]


def with_progress(campaigns: QuerySet[Campaign]) -> "QuerySet[CountedCampaign]":
    """Adds entries with versions, plan stages, `prompt_count`, `asked_count`, `unanswered_count`, `unmade_count` (of these,
    without those with answers being made again), `rating_count` (those that count), `set_aside_count`, `rater_count`,
    `correction_count` and `wanted` (ratings planned). Three queries in all.

    Prompts without answers count as asked until their answers turn out to be the same.
    """
    entries = Entry.objects.select_related("version__base_model").order_by("position")
    return (
        campaigns.select_related("project", "dataset", "run__project", "created_by")
        .prefetch_related(Prefetch("entries", queryset=entries, to_attr="sides"), "plan_stages")
        .annotate(
            prompt_count=_count(Prompt.objects.current(), "campaign"),
            asked_count=_count(Prompt.objects.current().exclude(same_answer=True), "campaign"),
            unanswered_count=_count(Prompt.objects.unanswered(), "campaign"),
            unmade_count=_count(Prompt.objects.unanswered().filter(replaces=None), "campaign"),
            rating_count=_count(Rating.objects.counted(), "comparison__campaign"),
            set_aside_count=_count(Rating.objects.filter(set_aside_at__isnull=False), "comparison__campaign"),
            rater_count=_raters(),
            correction_count=_count(Correction.objects.all(), "comparison__campaign"),
        )
        .annotate(wanted=F("asked_count") * F("ratings_per_prompt"))
    )


def _raters() -> Coalesce:
    rated = Comparison.objects.filter(
        campaign=OuterRef("pk"), status=Comparison.Status.RATED, rating__set_aside_at__isnull=True
    )
    counted = rated.order_by().values("campaign").annotate(n=Count("rater", distinct=True)).values("n")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def campaigns_of(project: Project, *, q: str = "", status: str = "") -> "QuerySet[CountedCampaign]":
    """Newest first. `q` searches the name and the person who created it."""
    campaigns = Campaign.objects.filter(project=project).order_by("-pk")
    if status:
        campaigns = campaigns.filter(status=status)
    if q:
        campaigns = campaigns.filter(Q(name__icontains=q) | Q(created_by__name__icontains=q))
    return with_progress(campaigns)


def open_campaigns(project: Project) -> QuerySet[Campaign]:
    return Campaign.objects.filter(project=project, status=Campaign.Status.OPEN).order_by("opened_at", "pk")


def held_out_datasets(project: Project) -> "QuerySet[HeldOutDataset]":
    """Ready versions of examples with `held_out`, the number of their test rows, and `trained`, of their training rows; versions without
    test rows are left out."""
    held, trained = (DatasetRow.objects.filter(split=split) for split in ("test", "train"))
    return (
        DatasetVersion.objects.filter(
            project=project, status=DatasetVersion.Status.READY, kind=DatasetVersion.Kind.SUPERVISED
        )
        .annotate(held_out=_count(held, "dataset"), trained=_count(trained, "dataset"))
        .filter(held_out__gt=0)
        .order_by("-number")
    )


def rows_of_split(dataset: DatasetVersion, split: str) -> QuerySet[DatasetRow]:
    return DatasetRow.objects.filter(dataset=dataset, split=split)


def rows_left(campaign: Campaign) -> QuerySet[DatasetRow]:
    """Rows of the campaign's split of its dataset version that are not in it yet."""
    prompts = Prompt.objects.filter(campaign=campaign, row=OuterRef("pk"))
    return rows_of_split(campaign.dataset, campaign.split).filter(~Exists(prompts))


def rater_count(project: Project) -> int:
    return Membership.objects.filter(
        project=project, roles__contains=[Role.RATER], user__is_active=True
    ).count()
