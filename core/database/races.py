"""Conflicts of two requests at the same moment that only the database sees.

Services have their own messages for expected conflicts. All others come here, for pages and API: one of the two requests has
written, the other gets a 409 that says so.
"""

import logging

from django.db import DatabaseError, IntegrityError, OperationalError

from core.errors import Conflict

log = logging.getLogger(__name__)

_AGAIN = "Look at the present state, then decide again."
# PostgreSQL's codes (SQLSTATE).
_SAID = {
    "23505": "Somebody else wrote the same at the same time.",  # unique
    "23P01": "Somebody else wrote the same at the same time.",  # exclusion
    "23503": "An object that this needs was removed at the same time.",  # foreign key
    "23001": "An object that this needs was removed at the same time.",  # restrict
    "40P01": "Somebody else changed the same at the same time.",  # deadlock: this side was cancelled
    "40001": "Somebody else changed the same at the same time.",  # serialization
    "55P03": "Somebody else is changing the same right now.",  # lock not available
}


def conflict_of(error: BaseException) -> Conflict | None:
    """The Conflict of a database error that another write caused; None for other errors."""
    if not isinstance(error, (IntegrityError, OperationalError)):
        return None
    sentence = _SAID.get(sqlstate(error))
    if sentence is None and isinstance(error, IntegrityError):
        sentence = "This does not match the present data."  # a check constraint, a column that must be set
    if sentence is None:
        return None
    log.warning("The database refused a write", exc_info=error)
    return Conflict(sentence, f"Nothing was written. {_AGAIN}")


def sqlstate(error: BaseException) -> str:
    """PostgreSQL's code of a database error, empty when it has none."""
    cause = error.__cause__ if isinstance(error, DatabaseError) else None
    return str(getattr(cause, "sqlstate", None) or "")
