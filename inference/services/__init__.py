"""Writes deployments, the route, conversations and answers."""

from inference.services.answering import (
    Opened,
    TooLong,
    answer_now,
    generate,
    open_answer,
    stream_answer,
)
from inference.services.conversations import ask, ask_again, correct, start_conversation
from inference.services.deployments import ensure_deployment, request_load, request_unload
from inference.services.drafts import save_correction_draft
from inference.services.marks import mark_answer, take_back_mark
from inference.services.routes import point_route
from inference.services.writing import end_abandoned, end_dead

__all__ = [
    "Opened",
    "TooLong",
    "answer_now",
    "ask",
    "ask_again",
    "correct",
    "end_abandoned",
    "end_dead",
    "ensure_deployment",
    "generate",
    "mark_answer",
    "open_answer",
    "point_route",
    "request_load",
    "request_unload",
    "save_correction_draft",
    "start_conversation",
    "stream_answer",
    "take_back_mark",
]
