"""The number of ratings that a campaign plans. Each growth of the plan is a separate stage, so that the verdict can
correct for it."""

from typing import Any

from django.db.models import Max

from core.errors import Conflict
from core.models import User
from core.seen import must_be_as_seen, stamp
from evaluation.models import Campaign, PlanStage, Prompt, Rating


def lock(campaign: Campaign) -> Campaign:
    """Reads the campaign again and locks it against ratings, closing and other changes until the transaction ends."""
    campaign.refresh_from_db(
        from_queryset=Campaign.objects.select_for_update(no_key=True, of=("self",)).order_by()
    )
    return campaign


def _standing(campaign: Campaign) -> list[Any]:
    stages = sorted(stage.number for stage in campaign.plan_stages.all())
    return [str(campaign.status), campaign.ratings_per_prompt, stages]


def campaign_stamp(campaign: Campaign) -> str:
    """A stamp that a page sends when the campaign is closed, opened again or grows. New ratings do not change it."""
    return stamp(*_standing(campaign))


def must_be_as_shown(campaign: Campaign, seen: str) -> None:
    """Conflict when the (locked) campaign is not what the person saw (`seen`, see `campaign_stamp`)."""
    must_be_as_seen(seen, *_standing(campaign), label="This campaign")


def must_be_open(campaign: Campaign) -> None:
    if campaign.status != Campaign.Status.OPEN:
        raise Conflict(
            f"This campaign is {campaign.get_status_display().lower()}, so its plan cannot change.",
            "Open it again first." if campaign.status == Campaign.Status.CLOSED else "Wait until it is open.",
        )


def must_be_idle(campaign: Campaign) -> None:
    if campaign.run is not None and campaign.run.is_active:
        raise Conflict(
            "The answers of this campaign are being made.",
            "Wait until they are ready, or cancel the background job.",
        )


def must_have_all_answers(campaign: Campaign) -> None:
    """One growth at a time: an earlier one must be complete or dropped."""
    must_be_idle(campaign)
    if Prompt.objects.unanswered().filter(campaign=campaign).exists():
        raise Conflict(
            "Some prompts of this campaign have no answers yet.", "Make their answers or drop them first."
        )


def begin_stage(*, by: User, campaign: Campaign) -> PlanStage:
    """Stores the campaign's new plan and its present number of ratings. The caller has the `lock` and has changed the
    plan."""
    newest = PlanStage.objects.filter(campaign=campaign).aggregate(number=Max("number"))["number"] or 0
    return PlanStage.objects.create(
        campaign=campaign,
        number=newest + 1,
        ratings_planned=_planned(campaign),
        rated_before=Rating.objects.counted().filter(comparison__campaign=campaign).count(),
        created_by=by,
    )


def settle_stage(campaign: Campaign) -> None:
    """Corrects the newest stage when it is known which answers differ, or when prompts were dropped."""
    newest = PlanStage.objects.filter(campaign=campaign).order_by("-number").first()
    if newest is not None:
        PlanStage.objects.filter(pk=newest.pk).update(ratings_planned=_planned(campaign))


def _planned(campaign: Campaign) -> int:
    prompts = Prompt.objects.current().filter(campaign=campaign).exclude(same_answer=True).count()
    return prompts * campaign.ratings_per_prompt
