"""Argon2, a few at a time: each hash needs 100 MB, so many sign-ins at once could use all memory."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connections

from core.errors import Busy

# Seconds that a request waits for its turn.
PATIENCE = 3.0
_turns = threading.BoundedSemaphore(settings.HASHES_AT_ONCE)


@contextmanager
def _turn() -> Iterator[None]:
    """One of the process's slots. The database connection goes back to the pool first: hashing and waiting take long.

    Raises Busy when no slot is free within PATIENCE. Inside a transaction the connection cannot be given back, so services
    hash before they start one.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
    if not _turns.acquire(timeout=PATIENCE):
        raise Busy("Many people are signing in now.", "Try again in a few seconds.", retry_after=5)
    try:
        yield
    finally:
        _turns.release()


class BoundedArgon2PasswordHasher(Argon2PasswordHasher):
    """Django's Argon2 hasher. All hashes (sign-in, change, reset, new account) use these two."""

    def encode(self, password: str, salt: str) -> str:
        with _turn():
            return str(super().encode(password, salt))

    def verify(self, password: str, encoded: str) -> bool:
        with _turn():
            return bool(super().verify(password, encoded))
