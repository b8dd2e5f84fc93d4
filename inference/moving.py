"""What of inference belongs to an archive of a project (core.moving)."""

from core.moving.fields import is_texts, is_turns
from core.moving.own import register_audit_ids
from core.moving.parts import Part, Row, another_uuid, plain, register_left_out, register_part
from inference.actions import InferenceAction
from inference.marks import AnswerMark
from inference.models import (
    Answer,
    Conversation,
    CorrectionDraft,
    Deployment,
    Engine,
    Route,
    WeightCheck,
)


def _wrong_conversation(row: Row) -> str:
    return "" if is_texts(row["context"]) else "its records are not texts"


def _wrong_answer(row: Row) -> str:
    return "" if is_turns(row["messages"]) else "its conversation is not one"


def _settle_answer(row: Row) -> None:
    if row["status"] == Answer.Status.STREAMING:
        row["status"] = Answer.Status.STOPPED


def register_moving() -> None:
    register_part(Part(Conversation, "project", json={"context": plain}, check=_wrong_conversation))
    register_part(
        Part(
            Answer,
            "project",
            json={"messages": plain, "params": plain},
            reset={
                "api_key_id": (None, "API keys do not come along."),
                "adapter_id": (None, "Personal adapters do not come along."),
            },
            fresh={"public_id": another_uuid},
            settle=_settle_answer,
            check=_wrong_answer,
        )
    )
    register_part(Part(AnswerMark, "answer__project"))
    register_audit_ids(InferenceAction.ANSWER_CORRECTED, example="annotation.Example")
    serving = "Nothing is loaded or live there at first. Load a version and release it."
    register_left_out(Engine, serving, words="Engines, deployments, and which version is live")
    register_left_out(Deployment, serving)
    register_left_out(Route, serving)
    register_left_out(WeightCheck, "They are about the engines of this installation.")
    register_left_out(CorrectionDraft, "They are private to the people who type them.")
