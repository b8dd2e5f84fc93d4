"""What evaluation made of dataset versions, for the page of a withdrawn source, and what its raters preferred, for the freeze of a
preference version (dataset.registry)."""

from collections.abc import Sequence

from django.db.models import Count
from django.urls import reverse

from core.wording import counted
from dataset.models import Source
from dataset.registry import DataUse, PreferenceFinder
from evaluation.models import Campaign, Prompt
from evaluation.queries import preferences

PREFERENCES = PreferenceFinder(
    judged=preferences.judged,
    state=preferences.state,
    campaigns=preferences.campaigns,
    pages=preferences.pages,
    models={"comparison": "evaluation.Comparison"},
)


def uses(source: Source, datasets: Sequence[int]) -> list[DataUse]:
    """Campaigns whose raters read prompts of the source. Two queries."""
    prompts = Prompt.objects.filter(
        campaign__dataset__in=datasets,
        campaign__status__in=(Campaign.Status.PREPARING, Campaign.Status.OPEN),
        row__example__source=source.name,
    )
    counts = dict(prompts.order_by().values_list("campaign").annotate(n=Count("pk")))
    campaigns = Campaign.objects.filter(pk__in=counts).select_related("project").order_by("-pk")
    return [_of(campaign, counts[campaign.pk]) for campaign in campaigns]


def _of(campaign: Campaign, prompts: int) -> DataUse:
    url = reverse("evaluation:campaign", args=[campaign.project.slug, campaign.pk])
    return DataUse(
        key=f"campaign:{campaign.pk}",
        kind="Campaign",
        name=campaign.name,
        url=url,
        dataset=campaign.dataset_id,
        advice="Close it: raters read these prompts.",
        notes=[f"{counted(prompts, 'prompt is', 'prompts are')} of this source."],
        actions=[("See the campaign", url)],
    )
