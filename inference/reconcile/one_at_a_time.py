"""The lock that allows one engines process to work while others wait."""

import logging

import psycopg
from django.db import connection

log = logging.getLogger(__name__)

# A constant that no other program on this database uses.
LOCK_KEY = 0x6775_696C_6401


class OneAtATime:
    def __init__(self) -> None:
        self._lock: psycopg.Connection | None = None

    def _hold_lock(self) -> bool:
        """Whether this process has the lock. Asks the lock's own connection, so a lost connection is noticed."""
        if self._lock is not None:
            self._lock.execute("SELECT 1")
            return True
        params = {
            key: value
            for key, value in connection.get_connection_params().items()
            if key not in ("pool", "cursor_factory", "context", "prepare_threshold")
        }
        candidate = psycopg.connect(**params, autocommit=True)
        row = candidate.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY]).fetchone()
        if row is None or not row[0]:
            candidate.close()
            log.info("Another engines process is working; this one waits.")
            return False
        self._lock = candidate
        return True

    def _drop_lock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None
