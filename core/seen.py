"""Stamps of what a page or the API showed, so that an action is refused when the data changed after that. Pure functions.

A page sends a stamp of its data (the hidden field `seen`), a program the `seen` that it read; the service compares it, under
its lock, with the present data.
"""

import hashlib
import json

from core.errors import Conflict


def stamp(*values: object) -> str:
    """A short text that is the same for the same values."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def must_be_as_seen(seen: str, *values: object, label: str) -> None:
    """Conflict when `seen` is the stamp of other values. An empty one is not compared."""
    if seen and seen != stamp(*values):
        raise Conflict(
            f"{label} changed after you loaded the page.",
            "Nothing was done. Look at the present state, then decide again.",
        )
