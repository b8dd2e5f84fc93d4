"""What a running campaign lacks: missing answers, answers in doubt, votes on them."""

from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, QuerySet

from core.models import Membership, Project, Role
from evaluation.models import Campaign, Prompt, Rating


@dataclass(frozen=True)
class Gaps:
    """`unanswered` prompts wait for their answers, `in_doubt` prompts are not offered because of them.

    `votes_in_doubt` count and are on answers in doubt; `set_aside` do not count; `returnable` of these are on answers
    that were not made again since. `remakable` prompts are in doubt and have no counted votes.
    """

    unanswered: int
    in_doubt: int
    remakable: int
    votes_in_doubt: int
    set_aside: int
    returnable: int


def votes_in_doubt(campaign: Campaign) -> QuerySet[Rating]:
    """Counted votes on an answer that may come from other weights than its version's."""
    return Rating.objects.counted().in_doubt().filter(comparison__campaign=campaign)


def campaigns_in_doubt(project: Project) -> dict[int, int]:
    """{campaign id: counted votes on answers in doubt}, for campaigns with such votes. One query."""
    votes = Rating.objects.counted().in_doubt().filter(comparison__campaign__project=project).order_by()
    counted = votes.values("comparison__campaign").annotate(n=Count("pk"))
    return dict(counted.values_list("comparison__campaign", "n"))


def returnable_votes(campaign: Campaign) -> QuerySet[Rating]:
    """Votes set aside that can count again: their prompt has no newer answers."""
    return Rating.objects.filter(
        comparison__campaign=campaign,
        set_aside_at__isnull=False,
        comparison__prompt__replaced_by__isnull=True,
    )


def remakable_prompts(campaign: Campaign) -> QuerySet[Prompt]:
    counted = Rating.objects.counted().filter(comparison__prompt=OuterRef("pk"))
    return Prompt.objects.in_doubt().filter(~Exists(counted), campaign=campaign)


def gaps_of(campaign: Campaign) -> Gaps:
    """Six counts for a campaign of any size."""
    aside = Rating.objects.filter(comparison__campaign=campaign, set_aside_at__isnull=False)
    return Gaps(
        unanswered=Prompt.objects.unanswered().filter(campaign=campaign).count(),
        in_doubt=Prompt.objects.in_doubt().filter(campaign=campaign).count(),
        remakable=remakable_prompts(campaign).count(),
        votes_in_doubt=votes_in_doubt(campaign).count(),
        set_aside=aside.count(),
        returnable=returnable_votes(campaign).count(),
    )


def could_rate(campaign: Campaign) -> QuerySet[Membership]:
    """Members of the project without the role rater."""
    return (
        Membership.objects.filter(project=campaign.project_id, user__is_active=True)
        .exclude(roles__contains=[Role.RATER])
        .select_related("user")
        .order_by("user__name", "pk")
    )
