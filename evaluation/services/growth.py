"""An open campaign grows: more prompts, more ratings per prompt, more raters."""

from django.db import transaction

from core.audit.entries import record
from core.errors import Conflict, Invalid
from core.models import Membership, Role, User
from core.services.projects import change_roles
from evaluation.actions import EvaluationAction
from evaluation.models import Campaign, PlanStage, Prompt
from evaluation.queries.campaigns import rows_left
from evaluation.queries.gaps import could_rate
from evaluation.services.campaigns import (
    MOST_PER_PROMPT,
    MOST_PROMPTS,
    create_prompts,
    launch_answers,
    must_be_served,
)
from evaluation.services.plan import (
    begin_stage,
    lock,
    must_be_as_shown,
    must_be_idle,
    must_be_open,
    must_have_all_answers,
    settle_stage,
)


def most_more_prompts(campaign: Campaign) -> int:
    """The number of prompts that can be added: rows of its split that are not in the campaign, up to MOST_PROMPTS in total."""
    room = MOST_PROMPTS - Prompt.objects.current().filter(campaign=campaign).count()
    return max(0, min(rows_left(campaign).count(), room))


@transaction.atomic
def add_prompts(*, by: User, campaign: Campaign, prompts: int, seen: str = "") -> PlanStage:
    """Draws more prompts and starts the background job that makes their answers; each joins when it has both.

    The campaign stays open meanwhile. If the background job fails, the campaign keeps its earlier prompts. Raises Invalid when there are
    fewer prompts left, Conflict unless the campaign is open, has all its answers and is what the person saw (`seen`, see
    `campaign_stamp`), Refused when a version is not served.
    """
    campaign = lock(campaign)
    must_be_as_shown(campaign, seen)
    must_be_open(campaign)
    must_have_all_answers(campaign)
    left = most_more_prompts(campaign)
    if not left:
        raise Invalid(
            "No prompts can be added.",
            fields={
                "prompts": [
                    f"All {campaign.get_split_display().lower()} of the dataset version are in this campaign."
                ]
            },
        )
    if not 1 <= prompts <= left:
        raise Invalid(
            "The prompts cannot be added.", fields={"prompts": [f"Choose 1 to {left}. More are not left."]}
        )
    must_be_served(campaign)
    number = campaign.plan_stages.count()
    create_prompts(
        campaign, list(rows_left(campaign).select_related("revision")), prompts, seed=campaign.seed + number
    )
    stage = begin_stage(by=by, campaign=campaign)
    record(
        by=by,
        project=campaign.project,
        action=EvaluationAction.CAMPAIGN_PROMPTS_ADDED,
        obj=campaign,
        prompts=prompts,
        stage=stage.number,
        ratings_planned=stage.ratings_planned,
        rated_before=stage.rated_before,
    )
    launch_answers(by, campaign, f"More answers for {campaign.name}")
    return stage


@transaction.atomic
def add_raters(
    *,
    by: User,
    campaign: Campaign,
    people: list[int] | None = None,
    ratings_per_prompt: int | None = None,
    seen: str = "",
) -> PlanStage | None:
    """Gives members (ids of users) the role rater, and raises the ratings per prompt, by different people.

    Only more ratings per prompt change the plan; the new stage is returned then, else None. Raises Invalid when neither
    is given, when there would be fewer ratings than now, or when somebody is not a member or is a rater already, and
    Conflict like `add_prompts`.
    """
    campaign = lock(campaign)
    must_be_as_shown(campaign, seen)
    must_be_open(campaign)
    people = sorted(set(people or []))
    per_prompt = campaign.ratings_per_prompt if ratings_per_prompt is None else ratings_per_prompt
    if not campaign.ratings_per_prompt <= per_prompt <= MOST_PER_PROMPT:
        raise _wrong("ratings_per_prompt", f"Choose {campaign.ratings_per_prompt} to {MOST_PER_PROMPT}.")
    if not people and per_prompt == campaign.ratings_per_prompt:
        raise _wrong("ratings_per_prompt", "Choose more ratings per prompt, new raters, or both.")
    _make_raters(by, campaign, people)
    return _raise_ratings(by, campaign, per_prompt) if per_prompt > campaign.ratings_per_prompt else None


def _wrong(field: str, message: str) -> Invalid:
    return Invalid("No raters were added.", fields={field: [message]})


def _make_raters(by: User, campaign: Campaign, people: list[int]) -> None:
    members = list(could_rate(campaign).filter(user__in=people).select_for_update(of=("self",)))
    if len(members) != len(people):
        raise _wrong("people", "Choose members of the project without the role rater.")
    for member in members:
        membership = Membership.objects.select_related("user", "project").get(pk=member.pk)
        change_roles(by=by, membership=membership, roles=[*membership.roles, Role.RATER])


def _raise_ratings(by: User, campaign: Campaign, per_prompt: int) -> PlanStage:
    must_have_all_answers(campaign)
    before, campaign.ratings_per_prompt = campaign.ratings_per_prompt, per_prompt
    campaign.save(update_fields=["ratings_per_prompt"])
    stage = begin_stage(by=by, campaign=campaign)
    record(
        by=by,
        project=campaign.project,
        action=EvaluationAction.CAMPAIGN_RATINGS_RAISED,
        obj=campaign,
        was=before,
        ratings_per_prompt=per_prompt,
        stage=stage.number,
        ratings_planned=stage.ratings_planned,
        rated_before=stage.rated_before,
    )
    return stage


@transaction.atomic
def drop_unanswered(*, by: User, campaign: Campaign) -> int:
    """Drops prompts without answers. Returns their number. Conflict in the first stage once there are ratings.

    The plan becomes smaller; a stage that added nothing else is removed. A prompt with answers being made again gets
    its earlier ones back, which are still in doubt.
    """
    campaign = lock(campaign)
    if campaign.status not in (Campaign.Status.OPEN, Campaign.Status.CLOSED):
        raise Conflict("This campaign is not open yet.", "Try again to make its answers, or delete it.")
    must_be_idle(campaign)
    missing = Prompt.objects.unanswered().filter(campaign=campaign)
    rated = campaign.comparisons.filter(rating__isnull=False)
    # For answers being made again, the earlier ones are restored; the plan does not change.
    if campaign.plan_stages.count() == 1 and missing.filter(replaces=None).exists() and rated.exists():
        # A person who has seen votes must not choose the length of the first plan, since its looks are parts of it.
        raise Conflict(
            "This campaign has ratings already, so its first plan cannot become smaller.",
            "Make the missing answers, or close the campaign and start a new one.",
        )
    unanswered = list(missing.values_list("pk", flat=True))
    if not unanswered:
        raise Conflict("All prompts of this campaign have their answers.", "Reload the page.")
    if not Prompt.objects.filter(campaign=campaign).exclude(pk__in=unanswered).exists():
        raise Conflict("No prompts would be left.", "Try again to make the answers, or delete the campaign.")
    Prompt.objects.filter(pk__in=unanswered).delete()
    settle_stage(campaign)
    _forget_empty_stage(campaign)
    record(
        by=by,
        project=campaign.project,
        action=EvaluationAction.CAMPAIGN_PROMPTS_DROPPED,
        obj=campaign,
        prompts=len(unanswered),
    )
    return len(unanswered)


def _forget_empty_stage(campaign: Campaign) -> None:
    newest = list(campaign.plan_stages.order_by("-number")[:2])
    if len(newest) == 2 and newest[0].ratings_planned == newest[1].ratings_planned:
        newest[0].delete()
