"""Votes on answers that may come from other weights than their version's: set aside, counted again, rated again.

Only all such votes of a campaign can be set aside, never single ones: choosing among known votes would decide the
result.
"""

from django.db import transaction
from django.utils import timezone

from core.audit.entries import record
from core.errors import Conflict, Invalid
from core.models import User
from evaluation.actions import EvaluationAction
from evaluation.models import Campaign, CampaignAnswer, Comparison, Prompt
from evaluation.queries.gaps import remakable_prompts, returnable_votes, votes_in_doubt
from evaluation.services.campaigns import launch_answers, must_be_served
from evaluation.services.plan import lock, must_be_idle, must_be_open, settle_stage

LONGEST_REASON = 2000


@transaction.atomic
def set_aside(*, by: User, campaign: Campaign, reason: str, votes: int | None = None) -> int:
    """Sets aside all votes of the campaign on answers in doubt. They no longer count. Returns their number.

    `votes` is the number that the person saw. Raises Invalid without a reason, Conflict when the number has changed, or
    when there is no such counted vote.
    """
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise Invalid(
            "Give a reason.",
            fields={"reason": [f"Give a reason of up to {LONGEST_REASON:,} characters."]},
        )
    campaign = lock(campaign)
    count = votes_in_doubt(campaign).update(
        set_aside_at=timezone.now(), set_aside_by=by, set_aside_reason=reason
    )
    if not count:
        raise Conflict("This campaign has no counted votes on answers in doubt.", "Reload the page.")
    if votes is not None and votes != count:
        raise Conflict(
            f"There are {count:,} such votes now, not {votes:,}. The campaign changed since you opened the page.",
            "Nothing was set aside. Check the new number, then decide again.",
        )
    record(
        by=by,
        project=campaign.project,
        action=EvaluationAction.RATINGS_SET_ASIDE,
        obj=campaign,
        votes=count,
        reason=reason,
    )
    return count


@transaction.atomic
def undo_set_aside(*, by: User, campaign: Campaign) -> int:
    """Counts votes again that were set aside. Returns their number.

    Votes on answers that were made again since stay set aside: the new answers are rated.
    """
    campaign = lock(campaign)
    count = returnable_votes(campaign).update(set_aside_at=None, set_aside_by=None, set_aside_reason="")
    if not count:
        raise Conflict(
            "No vote of this campaign can be counted again.",
            "Votes on answers that were made again stay set aside.",
        )
    record(
        by=by,
        project=campaign.project,
        action=EvaluationAction.RATINGS_SET_ASIDE_UNDONE,
        obj=campaign,
        votes=count,
    )
    return count


@transaction.atomic
def remake_answers(*, by: User, campaign: Campaign) -> int:
    """Starts a background job that makes both answers again for prompts with an answer in doubt. Returns the number of
    prompts.

    A prompt that raters saw keeps its answers and votes, and a copy replaces it; others only get new answers. Prompts
    with counted votes are left out: set these votes aside first. Raises Conflict when none is left, when the campaign
    is not open, and while a background job makes answers; Refused when a version is not served.
    """
    campaign = lock(campaign)
    must_be_open(campaign)
    must_be_idle(campaign)
    must_be_served(campaign)
    prompts = list(remakable_prompts(campaign).select_for_update(of=("self",)))
    if not prompts:
        raise Conflict(
            "No answer of this campaign can be made again.",
            "Answers in doubt can be made again when no counted vote is on them. Set such votes aside first.",
        )
    shown = set(Comparison.objects.filter(prompt__in=prompts).values_list("prompt_id", flat=True))
    _replace([prompt for prompt in prompts if prompt.pk in shown])
    fresh = [prompt.pk for prompt in prompts if prompt.pk not in shown]
    CampaignAnswer.objects.filter(prompt__in=fresh).delete()
    Prompt.objects.filter(pk__in=fresh).update(same_answer=None)
    settle_stage(campaign)
    record(
        by=by,
        project=campaign.project,
        action=EvaluationAction.CAMPAIGN_ANSWERS_REMADE,
        obj=campaign,
        prompts=len(prompts),
    )
    launch_answers(by, campaign, f"New answers for {campaign.name}")
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
