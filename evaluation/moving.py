"""What of evaluation belongs to an archive of a project (core.moving)."""

from core.moving.fields import is_texts, is_turns
from core.moving.own import register_audit_ids, register_run_params
from core.moving.parts import Part, Row, another_uuid, plain, register_left_out, register_part
from evaluation.actions import EvaluationAction
from evaluation.models import (
    Campaign,
    CampaignAnswer,
    Comparison,
    Correction,
    Entry,
    PlanStage,
    Prompt,
    Rating,
    RatingDraft,
    Score,
)


def _settle_campaign(row: Row) -> None:
    if row["status"] == Campaign.Status.PREPARING:
        row["status"] = Campaign.Status.FAILED


def _wrong_prompt(row: Row) -> str:
    return "" if is_turns(row["messages"]) and is_texts(row["context"]) else "its conversation is not one"


def register_moving() -> None:
    register_part(Part(Campaign, "project", json={"params": plain}, settle=_settle_campaign))
    register_part(Part(PlanStage, "campaign__project"))
    register_part(Part(Entry, "campaign__project"))
    register_part(
        Part(Prompt, "campaign__project", json={"messages": plain, "context": plain}, check=_wrong_prompt)
    )
    register_part(Part(CampaignAnswer, "prompt__campaign__project"))
    register_part(Part(Comparison, "campaign__project", fresh={"public_id": another_uuid}))
    register_part(Part(Rating, "comparison__campaign__project"))
    register_part(Part(Score, "rating__comparison__campaign__project"))
    register_part(Part(Correction, "comparison__campaign__project"))
    register_run_params(campaign="evaluation.Campaign")
    register_left_out(RatingDraft, "They are private to the people who type them.")
    for action in EvaluationAction:
        register_audit_ids(action, run="core.Run")
