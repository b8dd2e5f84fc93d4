"""Changes of campaigns and ratings."""

from evaluation.services.campaigns import (
    close_campaign,
    create_campaign,
    delete_campaign,
    reopen_campaign,
    retry_campaign,
)
from evaluation.services.doubt import remake_answers, set_aside, undo_set_aside
from evaluation.services.drafts import discard_draft, rating_state, save_draft
from evaluation.services.growth import add_prompts, add_raters, drop_unanswered
from evaluation.services.rating import change_rating, hold, next_comparison, rate, skip

__all__ = [
    "add_prompts",
    "add_raters",
    "change_rating",
    "close_campaign",
    "create_campaign",
    "delete_campaign",
    "discard_draft",
    "drop_unanswered",
    "hold",
    "next_comparison",
    "rate",
    "rating_state",
    "remake_answers",
    "reopen_campaign",
    "retry_campaign",
    "save_draft",
    "set_aside",
    "skip",
    "undo_set_aside",
]
