"""The page of the object that a background job of evaluation works on (core.runs.RunKind.subject)."""

from django.urls import reverse

from core.models import Run
from evaluation.models import Campaign


def of_campaign(run: Run) -> tuple[str, str] | None:
    campaign = Campaign.objects.filter(pk=run.params.get("campaign")).select_related("project").first()
    if campaign is None:
        return None
    return f"Campaign {campaign.name}", reverse(
        "evaluation:campaign", args=[campaign.project.slug, campaign.pk]
    )
