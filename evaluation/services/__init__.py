"""Everything that changes a campaign or a rating."""

from evaluation.services.campaigns import (
    close_campaign,
    create_campaign,
    delete_campaign,
    reopen_campaign,
    retry_campaign,
)
from evaluation.services.rating import change_rating, hold, next_comparison, rate, skip

__all__ = [
    "change_rating",
    "close_campaign",
    "create_campaign",
    "delete_campaign",
    "hold",
    "next_comparison",
    "rate",
    "reopen_campaign",
    "retry_campaign",
    "skip",
]
