"""A rater's unsent rating of a comparison. Only that rater sees it."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from annotation.text.cleaning import clean_text
from core.audit.entries import record
from core.errors import Conflict, Invalid
from core.models import User
from core.services import drafts
from core.services.drafts import FormState
from core.text import trimmed
from evaluation.actions import EvaluationAction
from evaluation.models import Campaign, Comparison, Rating, RatingDraft, Score
from evaluation.sides import SIDES

LONGEST = 200_000  # characters of one text: a text too long to send is kept, so that it can be shortened
Status = Comparison.Status
# {"a": {"accuracy": 4, "tone": 5, "conciseness": 3}, "b": {...}}; None when the rater skipped them.
Scores = Mapping[str, Mapping[str, int]]


@transaction.atomic
def save_draft(
    *, by: User, comparison: Comparison, content: Mapping[str, Any], writer: str = "", seen: str | None = None
) -> RatingDraft:
    """Saves the form in any state. `content` has the form's own field names; `change` is set to change a rating.

    Conflict when the comparison is sent or skipped already: a late draft must not come back. With `seen`, see
    core.services.drafts.keep.
    """
    comparison = (
        Comparison.objects.select_for_update(of=("self",))
        .select_related("campaign", "a__answer", "b__answer")
        .get(pk=comparison.pk, rater=by)
    )
    state = rating_state(comparison=comparison, changing=bool(content.get("change")))
    if not state.editable:
        raise Conflict(state.detail, state.advice)
    owner = {"comparison": comparison}
    values = {"content": _clean(comparison, content)}
    return drafts.keep(RatingDraft, owner=owner, values=values, writer=writer, seen=seen)


def form_fields(
    choice: str, scores: Scores | None, comment: str, corrections: Mapping[str, str] | None
) -> dict[str, Any]:
    """A rating under the field names of the page's form, as drafts have it."""
    fields: dict[str, Any] = {"choice": choice, "comment": comment, "skip_scores": scores is None}
    for side in SIDES:
        typed = (scores or {}).get(side, {})
        fields |= {f"{criterion}_{side}": value for criterion, value in typed.items()}
        fields[f"correction_{side}"] = (corrections or {}).get(side)
    return fields


def _clean(comparison: Comparison, content: Mapping[str, Any]) -> dict[str, Any]:
    """The known fields that are not empty. A correction equal to the answer counts as empty."""
    kept: dict[str, Any] = {}
    if content.get("choice") in Rating.Choice.values:
        kept["choice"] = content["choice"]
    if content.get("skip_scores"):
        kept["skip_scores"] = True
    for side in SIDES:
        for criterion in Score.Criterion.values:
            name = f"{criterion}_{side}"
            if str(content.get(name)) in {"1", "2", "3", "4", "5"}:
                kept[name] = int(content[name])
        text = clean_text(content.get(f"correction_{side}"))
        if text and trimmed(text) != trimmed(clean_text(getattr(comparison, side).answer.text)):
            kept[f"correction_{side}"] = text
    if comment := clean_text(content.get("comment")):
        kept["comment"] = comment
    for value in kept.values():
        if isinstance(value, str) and len(value) > LONGEST:
            raise Invalid(
                f"A text is too long to be saved: at most {LONGEST:,} characters.", "Make it shorter."
            )
    return kept


@transaction.atomic
def discard_draft(*, by: User, comparison: Comparison) -> None:
    """Deletes the unsent rating. The deletion is audited; the text is not kept."""
    gone, _ = RatingDraft.objects.filter(comparison=comparison, comparison__rater=by).delete()
    if gone:
        project = comparison.campaign.project
        record(by=by, project=project, action=EvaluationAction.RATING_DRAFT_DISCARDED, obj=comparison)


def rating_state(*, comparison: Comparison, changing: bool) -> FormState:
    """For pages opened earlier: whether this comparison can still be rated (or its rating changed) here. Reads only."""
    advice = "Continue with the next one."
    if comparison.campaign.status != Campaign.Status.OPEN:
        closed = "This campaign is not open for ratings at the moment."
        return FormState(False, False, False, detail=closed, advice="Copy your text if you need it.")
    if comparison.status == Status.SKIPPED:
        return FormState(False, False, False, detail="You skipped this comparison.", advice=advice)
    if comparison.status == Status.RATED and not changing:
        return FormState(False, False, False, detail="You rated this comparison already.", advice=advice)
    return FormState(True, True, True)
