"""Gives comparisons to raters, and stores their ratings."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from annotation.models import Example
from annotation.services import file_correction
from annotation.text.cleaning import clean_text
from core.audit.entries import record
from core.database.transitions import transition
from core.errors import Conflict, Invalid
from core.marks import refuse_marks
from core.models import Membership, User
from core.services.drafts import kept_if_refused
from core.text import trimmed
from evaluation.actions import EvaluationAction
from evaluation.models import (
    Campaign,
    CampaignAnswer,
    Comparison,
    Correction,
    Entry,
    Prompt,
    Rating,
    RatingDraft,
    Score,
)
from evaluation.queries.rating import has_room, is_offered, prompt_lead, prompts_wanting, rater_lead
from evaluation.services.drafts import Scores, form_fields, save_draft
from evaluation.sides import SIDES, candidate_is_a, due_side

LEASE = timedelta(minutes=15)
LONGEST_COMMENT = 4000
LONGEST_CORRECTION = 20_000
Status = Comparison.Status


@transaction.atomic
def next_comparison(*, by: User, campaign: Campaign) -> Comparison | None:
    """The rater's open comparison, else a new one on a prompt that needs ratings; None when no prompt does.

    Nobody gets a prompt twice. A prompt is given to at most `ratings_per_prompt` people. Prompts with missing or
    doubtful answers are not given; an open one is withdrawn when a doubt comes up.
    Raises Conflict when the campaign is not open.
    """
    # One request of a rater at a time, so that two tabs get the same comparison and no error.
    Membership.objects.select_for_update(no_key=True).filter(project=campaign.project_id, user=by).first()
    campaign.refresh_from_db(fields=["status"])
    _must_be_open(campaign)
    now = timezone.now()
    held = Comparison.objects.filter(campaign=campaign, rater=by, status=Status.OPEN).first()
    if held is not None:
        stays = is_offered(held.prompt_id)
        if stays and (held.expires_at > now or has_room(held.prompt_id, campaign, now=now)):
            Comparison.objects.filter(pk=held.pk, status=Status.OPEN).update(expires_at=now + LEASE)
            return held
        transition(held, Status.EXPIRED)
    lead = rater_lead(by, campaign)
    prompt = _claim_prompt(by, campaign, now, due=due_side(lead))
    if prompt is None:
        return None
    again = Comparison.objects.filter(prompt=prompt, rater=by, status=Status.EXPIRED).first()
    if again is not None:
        transition(again, Status.OPEN, shown_at=now, expires_at=now + LEASE)
        return again
    a, b = _sides(prompt, lead, now)
    return Comparison.objects.create(
        campaign=campaign, prompt=prompt, rater=by, a=a, b=b, expires_at=now + LEASE
    )


def _must_be_open(campaign: Campaign) -> None:
    if campaign.status != Campaign.Status.OPEN:
        raise Conflict(
            "This campaign is not open for ratings at the moment.",
            "Your earlier ratings count. Go back to Rate to see other campaigns.",
        )


def _claim_prompt(by: User, campaign: Campaign, now: datetime, *, due: int) -> Prompt | None:
    """Locks a prompt that needs one more rating. Prompts being given to colleagues at this moment are skipped first; if
    only such are left, waits for them, since they may still need one."""
    for skip_locked in (True, False):
        while True:
            prompt = (
                prompts_wanting(by, campaign, now=now, due=due)
                .select_for_update(of=("self",), skip_locked=skip_locked)
                .first()
            )
            if prompt is None:
                break
            # The lock may have come after a colleague's commit that the query above did not see yet.
            if has_room(prompt.pk, campaign, now=now):
                return prompt
    return None


def _sides(prompt: Prompt, lead: int, now: datetime) -> tuple[CampaignAnswer, CampaignAnswer]:
    """The leads of rater and prompt cannot change meanwhile, since membership and prompt are locked."""
    answers = {a.entry.position: a for a in prompt.answers.select_related("entry")}
    baseline, candidate = answers[Entry.BASELINE], answers[Entry.CANDIDATE]
    if candidate_is_a(rater_lead=lead, prompt_lead=prompt_lead(prompt.pk, now=now)):
        return candidate, baseline
    return baseline, candidate


def rate(
    *,
    by: User,
    comparison: Comparison,
    choice: str,
    scores: Scores | None,
    comment: str = "",
    corrections: Mapping[str, str] | None = None,
) -> Rating:
    """Stores the rating, once. A correction (side -> rewritten text) becomes an example in the annotation queue.

    `scores` is complete or None. Raises Conflict when it was rated or skipped before or the campaign is closed, and
    Invalid when values are missing or wrong; only the rater's draft is stored then.
    """
    fields = form_fields(choice, scores, comment, corrections)
    with kept_if_refused(partial(save_draft, by=by, comparison=comparison, content=fields)):
        return _rate(by, comparison, choice, scores, comment, corrections)


@transaction.atomic
def _rate(
    by: User,
    comparison: Comparison,
    choice: str,
    scores: Scores | None,
    comment: str,
    corrections: Mapping[str, str] | None,
) -> Rating:
    _check(choice, scores, comment, corrections)
    _lock_open(comparison)
    if comparison.status == Status.RATED:
        raise Conflict("You have rated this one already.", "Open it to change the rating.")
    now = timezone.now()
    transition(comparison, Status.RATED, rated_at=now)
    rating = Rating.objects.create(
        comparison=comparison,
        choice=choice,
        preferred=_preferred(comparison, choice),
        comment=trimmed(clean_text(comment)),
        seconds=max((now - comparison.shown_at).total_seconds(), 0.0),
    )
    _keep_scores(rating, scores)
    filed = _keep_corrections(by, comparison, corrections)
    RatingDraft.objects.filter(comparison=comparison).delete()
    record(
        by=by,
        project=comparison.campaign.project,
        action=EvaluationAction.COMPARISON_RATED,
        obj=comparison,
        corrections=filed,
    )
    return rating


def change_rating(
    *,
    by: User,
    comparison: Comparison,
    choice: str,
    scores: Scores | None,
    comment: str = "",
    corrections: Mapping[str, str] | None = None,
) -> Rating:
    """Replaces the rater's own earlier rating while the campaign is open. An earlier correction does not change.

    A refused change is saved as the rater's draft.
    """
    fields = form_fields(choice, scores, comment, corrections) | {"change": "1"}
    with kept_if_refused(partial(save_draft, by=by, comparison=comparison, content=fields)):
        return _change_rating(by, comparison, choice, scores, comment, corrections)


@transaction.atomic
def _change_rating(
    by: User,
    comparison: Comparison,
    choice: str,
    scores: Scores | None,
    comment: str,
    corrections: Mapping[str, str] | None,
) -> Rating:
    _check(choice, scores, comment, corrections)
    _lock_open(comparison)
    rating = Rating.objects.select_for_update(of=("self",)).filter(comparison=comparison).first()
    if rating is None:
        raise Conflict("You have not rated this one yet.", "Rate it first.")
    before = rating.choice
    rating.choice = choice
    rating.preferred = _preferred(comparison, choice)
    rating.comment = trimmed(clean_text(comment))
    rating.save(update_fields=["choice", "preferred", "comment", "changed_at"])
    rating.scores.all().delete()
    _keep_scores(rating, scores)
    filed = _keep_corrections(by, comparison, corrections)
    RatingDraft.objects.filter(comparison=comparison).delete()
    record(
        by=by,
        project=comparison.campaign.project,
        action=EvaluationAction.RATING_CHANGED,
        obj=comparison,
        choice=[before, choice],
        corrections=filed,
    )
    return rating


@transaction.atomic
def skip(*, by: User, comparison: Comparison) -> None:
    """Skips the comparison; another rater gets the prompt."""
    _lock_open(comparison)
    if comparison.status != Status.OPEN:
        raise Conflict("This comparison is no longer open.", "Continue with the next one.")
    transition(comparison, Status.SKIPPED)
    RatingDraft.objects.filter(comparison=comparison).delete()
    record(
        by=by, project=comparison.campaign.project, action=EvaluationAction.COMPARISON_SKIPPED, obj=comparison
    )


@transaction.atomic
def hold(*, by: User, comparison: Comparison) -> Comparison:
    """Extends the rater's lease by LEASE."""
    held = Comparison.objects.filter(
        pk=comparison.pk, rater=by, status=Status.OPEN, campaign__status=Campaign.Status.OPEN
    )
    if not held.update(expires_at=timezone.now() + LEASE):
        raise Conflict("This comparison is no longer open.", "Continue with the next one.")
    comparison.refresh_from_db(fields=["expires_at"])
    return comparison


def _lock_open(comparison: Comparison) -> None:
    """Locks the campaign against closing until the rating is stored, and reads the comparison again."""
    campaign = (
        Campaign.objects.select_for_update(no_key=True, of=("self",))
        .select_related("project")
        .get(pk=comparison.campaign_id)
    )
    _must_be_open(campaign)
    if Prompt.objects.filter(replaces=comparison.prompt_id).exists():
        raise Conflict(
            "The answers of this comparison were made again meanwhile, so it cannot be rated.",
            "Continue with the next one. The prompt comes back with its new answers.",
        )
    comparison.refresh_from_db(fields=["status", "shown_at", "expires_at"])
    comparison.campaign = campaign


def _check(choice: str, scores: Scores | None, comment: str, corrections: Mapping[str, str] | None) -> None:
    fields: dict[str, list[str]] = {}
    if choice not in Rating.Choice.values:
        fields["choice"] = ["Choose which answer you would send, or choose “Equal” or “Both bad”."]
    if scores is not None:
        for side in SIDES:
            side_scores = scores.get(side, {})
            for criterion in Score.Criterion.values:
                value = side_scores.get(criterion)
                if type(value) is not int or not 1 <= value <= 5:
                    fields[f"{criterion}_{side}"] = ["Give a score from 1 to 5, or skip the scores."]
    if len(comment) > LONGEST_COMMENT:
        fields["comment"] = [f"Keep the note under {LONGEST_COMMENT:,} characters."]
    for side, text in (corrections or {}).items():
        if side not in SIDES:
            fields["corrections"] = ["Corrections must be named a or b, for answer A or answer B."]
        elif len(text) > LONGEST_CORRECTION:
            fields[f"correction_{side}"] = [f"Keep the answer under {LONGEST_CORRECTION:,} characters."]
    if fields:
        raise Invalid("Something is missing.", fields=fields)


def _preferred(comparison: Comparison, choice: str) -> Entry | None:
    if choice not in SIDES:
        return None
    answer: CampaignAnswer = getattr(comparison, choice)
    return answer.entry


def _keep_scores(rating: Rating, scores: Scores | None) -> None:
    if scores is None:
        return
    Score.objects.bulk_create(
        Score(
            rating=rating,
            entry_id=getattr(rating.comparison, side).entry_id,
            criterion=criterion,
            value=scores[side][criterion],
        )
        for side in SIDES
        for criterion in Score.Criterion.values
    )


def _keep_corrections(by: User, comparison: Comparison, corrections: Mapping[str, str] | None) -> int:
    """Files corrections that differ from the answer. The example joins the prompt's group, so that it stays in the prompt's
    split."""
    filed = 0
    for side, text in (corrections or {}).items():
        answer: CampaignAnswer = getattr(comparison, side)
        text = clean_text(text)
        if not text.strip() or trimmed(text) == trimmed(clean_text(answer.answer.text)):
            continue
        if Correction.objects.filter(comparison=comparison, answer=answer).exists():
            continue
        refuse_marks(**{f"correction_{side}": text})
        prompt = comparison.prompt
        example = file_correction(
            by=by,
            project=comparison.campaign.project,
            messages=prompt.messages,
            context=prompt.context,
            completion=text,
            slice=prompt.slice,
            edge=prompt.row.revision.content.get("edge", ""),
            group=prompt.row.example.group,
            origin=Example.Origin.RATING,
            origin_detail={
                # Annotators read this: it must not contain the names of the compared versions.
                "label": "An answer corrected while rating",
                "url": _comparison_url(comparison),
                "answer": answer.answer.text,
            },
        )
        Correction.objects.create(comparison=comparison, answer=answer, text=text, example=example, by=by)
        filed += 1
    return filed


def _comparison_url(comparison: Comparison) -> str:
    """The linked page is for admins and viewers only."""
    return reverse("evaluation:comparison", args=[comparison.campaign.project.slug, comparison.public_id])
