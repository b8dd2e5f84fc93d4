"""The kind of run of evaluation, and which page shows what such a run works on."""

from django.urls import reverse

from core.models import Run
from core.runs.kinds import RunKind
from evaluation.models import Campaign


def of_campaign(run: Run) -> tuple[str, str] | None:
    campaign = Campaign.objects.filter(pk=run.params.get("campaign")).select_related("project").first()
    if campaign is None:
        return None
    return f"Campaign {campaign.name}", reverse(
        "evaluation:campaign", args=[campaign.project.slug, campaign.pk]
    )


CAMPAIGN = RunKind(
    "campaign",
    "Campaign answers",
    queue="default",
    runner="evaluation.runner.answers:run",
    on_end="evaluation.services.campaigns:answers_ended",
    on_again="evaluation.services.campaigns:again",
    again_words="Finished answers are kept.",
    subject="evaluation.run_kinds:of_campaign",
)
