"""All functions that change examples. Other apps and this app's views, API and tasks call them."""

from annotation.services.annotating import submit, take_back, take_next, write_example
from annotation.services.drafts import (
    discard_draft,
    item_state,
    keep_decision,
    save_comment,
    save_draft,
    save_new_draft,
)
from annotation.services.examples import file_correction, requeue, retire
from annotation.services.leases import heartbeat, leave, take, undo_skip, why_not_open
from annotation.services.reviewing import accept, accept_many, send_back, send_back_many, undo, undo_many

__all__ = [
    "accept",
    "accept_many",
    "discard_draft",
    "file_correction",
    "heartbeat",
    "item_state",
    "keep_decision",
    "leave",
    "requeue",
    "retire",
    "save_comment",
    "save_draft",
    "save_new_draft",
    "send_back",
    "send_back_many",
    "submit",
    "take",
    "take_back",
    "take_next",
    "undo",
    "undo_many",
    "undo_skip",
    "why_not_open",
    "write_example",
]
