"""Everything that changes examples. Other apps and this app's views, API and tasks call these names."""

from annotation.services.examples import file_correction, requeue, retire, write_example
from annotation.services.leases import heartbeat, leave, take, undo_skip, why_not_open
from annotation.services.queue import (
    discard_draft,
    keep_words,
    kept_on_failure,
    save_draft,
    save_new_draft,
    submit,
    take_back,
    take_next,
)
from annotation.services.reviews import accept, accept_many, send_back, undo

__all__ = [
    "accept",
    "accept_many",
    "discard_draft",
    "file_correction",
    "heartbeat",
    "keep_words",
    "kept_on_failure",
    "leave",
    "requeue",
    "retire",
    "save_draft",
    "save_new_draft",
    "send_back",
    "submit",
    "take",
    "take_back",
    "take_next",
    "undo",
    "undo_skip",
    "why_not_open",
    "write_example",
]
