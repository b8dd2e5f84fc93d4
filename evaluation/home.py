"""Evaluation's card on Home. Raters see the number of their comparisons, but no results."""

import math
from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone

from core.access import Access
from core.home.stages import Glance, NextItem, Stage, StageCard
from core.models import Role
from core.roles import CAMPAIGN_READERS
from core.wording import counted, noun
from evaluation.models import Campaign, Comparison, Correction
from evaluation.queries import campaigns_of, open_campaigns
from evaluation.queries.gaps import campaigns_in_doubt
from evaluation.queries.rating import RaterProgress, seconds_a_rating, shares_of

LOOKED_AT = 50  # newest campaigns that may need an admin


def glance(access: Access) -> Glance:
    """Raters: their comparisons. Admins and viewers: the progress of campaigns."""
    shares = shares_of(access.user, list(open_campaigns(access.project))) if access.has(Role.RATER) else []
    campaigns = list(campaigns_of(access.project)) if access.sees_all else []
    waiting = [share for share in shares if share.left]
    seconds = seconds_a_rating(access.project) if waiting else 0.0
    items = [_to_rate(access, share, seconds) for share in waiting]
    if access.has(Role.ADMIN):
        items += _for_admin(access, campaigns[:LOOKED_AT])
    return Glance(_card(access, campaigns, left=sum(share.left for share in shares)), items)


def _card(access: Access, campaigns: list[Any], *, left: int) -> StageCard:
    """Admins and viewers: ratings of planned ratings in open campaigns. Raters: their own. Others: the number of open
    campaigns."""
    url = reverse("evaluation:home", args=[access.project.slug])
    if access.sees_all:
        live = [c for c in campaigns if c.status == Campaign.Status.OPEN]
        waits = f"; {left:,} left for you" if left else ""
        if live:
            rated, planned = sum(c.rating_count for c in live), sum(c.wanted for c in live)
            return StageCard(f"{rated:,}", f"of {planned:,} planned ratings{waits}", url)
        total = sum(c.rating_count for c in campaigns)
        preparing = sum(c.status == Campaign.Status.PREPARING for c in campaigns)
        if preparing:
            return StageCard(f"{total:,}", "ratings; answers are being made", url)
        return StageCard(
            f"{total:,}", "ratings; no campaign is open" if campaigns else "no campaign yet", url
        )
    if access.has(Role.RATER):
        rated = Comparison.objects.filter(
            campaign__project=access.project, rater=access.user, status=Comparison.Status.RATED
        ).count()
        line = f"rated by you; {left:,} left for you" if left else "rated by you; none left"
        return StageCard(f"{rated:,}", line, url)
    count = open_campaigns(access.project).count()
    return StageCard(f"{count:,}", noun(count, "campaign open", "campaigns open"))


def _to_rate(access: Access, share: RaterProgress, seconds: float) -> NextItem:
    minutes = max(1, math.ceil(share.left * seconds / 60))
    return NextItem(
        title=f"{counted(share.left, 'comparison')} to rate",
        line=f"About {counted(minutes, 'minute')}. You see two answers without model names.",
        url=reverse("evaluation:rate", args=[access.project.slug, share.campaign.pk]),
        action="Continue" if share.rated else "Rate",
        order=20,
        tone="copper",
    )


def _for_admin(access: Access, campaigns: list[Any]) -> list[NextItem]:
    items = []
    in_doubt = campaigns_in_doubt(access.project)
    for campaign in campaigns:
        url = reverse("evaluation:campaign", args=[access.project.slug, campaign.pk])
        if campaign.pk in in_doubt:
            line = "The answers may come from other weights than the version's. Check them, then set the votes aside or keep them."
            title = f"{in_doubt[campaign.pk]:,} votes of “{campaign.name}” are on answers in doubt"
            items.append(NextItem(title, line, url, "Open", 30, "copper"))
        if (
            campaign.status == Campaign.Status.OPEN
            and campaign.unanswered_count
            and not campaign.run.is_active
        ):
            line = "The rest of the campaign continues. Try again, or drop the prompts without answers."
            title = f"{campaign.unanswered_count:,} prompts of “{campaign.name}” have no answers"
            items.append(NextItem(title, line, url, "Open", 30, "copper"))
        if campaign.status == Campaign.Status.FAILED:
            line = "Finished answers are kept. See the reason, then try again."
            items.append(
                NextItem(f"“{campaign.name}” could not make its answers", line, url, "Open", 30, "copper")
            )
        elif campaign.status == Campaign.Status.OPEN and campaign.rating_count >= campaign.wanted > 0:
            line = f"All {campaign.wanted:,} ratings are in. Read the results, then close it."
            items.append(NextItem(f"“{campaign.name}” is fully rated", line, url, "Results", 30))
    return items


def corrections_back(access: Access) -> str:
    """The return to annotation: answers that raters corrected this week."""
    since = timezone.now() - timedelta(days=7)
    count = Correction.objects.filter(comparison__campaign__project=access.project, at__gte=since).count()
    if not count:
        return ""
    return f"{counted(count, 'corrected answer')} returned from rating this week"


stage = Stage(
    key="rate",
    label="Rate",
    order=40,
    glance=glance,
    roles=CAMPAIGN_READERS,
    url_name="evaluation:home",
)
