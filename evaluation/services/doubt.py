"""Votes on answers that may come from other weights than their version's: set aside, brought back, asked for again.

Only all such votes of a campaign can be set aside, never single ones: choosing among votes after seeing what they say
would decide the result.
"""

from django.db import transaction
from django.utils import timezone

from core.audit.entries import record
from core.errors import Conflict, Invalid
from core.models import User
from evaluation.models import Campaign, CampaignAnswer, Comparison, Prompt
from evaluation.queries.gaps import remakable_prompts, returnable_votes, votes_in_doubt
from evaluation.services.campaigns import launch_answers, must_be_served
from evaluation.services.plan import lock, must_be_idle, must_be_open, settle_stage

LONGEST_REASON = 2000


@transaction.atomic
def set_aside(*, by: User, campaign: Campaign, reason: str, votes: int | None = None) -> int:
    """Sets all votes of the campaign aside that rest on answers in doubt. They count nowhere then. Gives their number.

    `votes` is how many the person was told it would be. Raises Invalid without a reason, Conflict when it is another number
    by now, or when no vote that counts rests on such an answer.
    """
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise Invalid(
            "A reason is needed.",
            fields={"reason": [f"Give a reason of up to {LONGEST_REASON:,} characters."]},
        )
    campaign = lock(campaign)
    count = votes_in_doubt(campaign).update(
        set_aside_at=timezone.now(), set_aside_by=by, set_aside_reason=reason
    )
    if not count:
        raise Conflict(
            "No vote of this campaign that counts rests on an answer in doubt.", "Reload the page."
        )
    if votes is not None and votes != count:
        raise Conflict(
            f"It is {count:,} votes now, not {votes:,}: the campaign went on since you looked.",
            "Nothing was set aside. Look at the number, then decide again.",
        )
    record(
        by=by, project=campaign.project, verb="ratings.set_aside", obj=campaign, votes=count, reason=reason
    )
    return count


@transaction.atomic
def undo_set_aside(*, by: User, campaign: Campaign) -> int:
    """Votes that were set aside count again. Gives their number.

    Votes on answers that were made again since stay aside: the prompt is rated on its new answers.
    """
    campaign = lock(campaign)
    count = returnable_votes(campaign).update(set_aside_at=None, set_aside_by=None, set_aside_reason="")
    if not count:
        raise Conflict(
            "No vote of this campaign can be brought back.",
            "Votes on answers that were made again stay aside.",
        )
    record(by=by, project=campaign.project, verb="ratings.set_aside_undone", obj=campaign, votes=count)
    return count


@transaction.atomic
def remake_answers(*, by: User, campaign: Campaign) -> int:
    """Launches a run that makes both answers again for prompts with an answer in doubt. Gives the number of prompts.

    A prompt that raters saw keeps its answers and votes, and a copy of it takes its place; others just get new answers.
    Prompts on which votes rest that count are left out: set these votes aside first. Raises Conflict when none is left,
    unless the campaign is open, and while a run makes answers; Refused when a version is not served.
    """
    campaign = lock(campaign)
    must_be_open(campaign)
    must_be_idle(campaign)
    must_be_served(campaign)
    prompts = list(remakable_prompts(campaign).select_for_update(of=("self",)))
    if not prompts:
        raise Conflict(
            "No answer of this campaign can be made again.",
            "Answers can be made again when they are in doubt and no vote that counts rests on them: set such votes "
            "aside first.",
        )
    shown = set(Comparison.objects.filter(prompt__in=prompts).values_list("prompt_id", flat=True))
    _replace([prompt for prompt in prompts if prompt.pk in shown])
    fresh = [prompt.pk for prompt in prompts if prompt.pk not in shown]
    CampaignAnswer.objects.filter(prompt__in=fresh).delete()
    Prompt.objects.filter(pk__in=fresh).update(same_answer=None)
    settle_stage(campaign)
    record(
        by=by, project=campaign.project, verb="campaign.answers_remade", obj=campaign, prompts=len(prompts)
    )
    launch_answers(by, campaign, f"Answers made again for {campaign.name}")
    return len(prompts)


def _replace(prompts: list[Prompt]) -> None:
    Comparison.objects.filter(prompt__in=prompts, status=Comparison.Status.OPEN).update(
        status=Comparison.Status.EXPIRED
    )
    Prompt.objects.bulk_create(
        Prompt(
            campaign_id=prompt.campaign_id,
            row_id=prompt.row_id,
            position=prompt.position,
            messages=prompt.messages,
            context=prompt.context,
            slice=prompt.slice,
            replaces=prompt,
        )
        for prompt in prompts
    )
