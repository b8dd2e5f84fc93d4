"""What a page or the API showed, so that an action is about that and not about what came since. Pure functions.

A page sends a stamp of what it showed along (the hidden field `seen`), a program what it read as `seen`; the service
compares it, under its lock, with what is there now.
"""

import hashlib
import json
from typing import Any

from core.errors import Conflict


def stamp(*values: Any) -> str:
    """A short text that is the same for the same values."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def must_be_as_seen(seen: str, *values: Any, what: str) -> None:
    """Conflict when `seen` is the stamp of something else. An empty one does not say what was seen."""
    if seen and seen != stamp(*values):
        raise Conflict(
            f"{what} changed since you looked.",
            "Nothing was done. Look at what is there now, then decide again.",
        )
