"""What a runner is given while it works, and the errors it ends with."""

import logging
import threading
import time
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from core.models import Run

log = logging.getLogger(__name__)


class RunFailed(Exception):
    """Raised by a runner for a known failure: a code, what happened, and what to do."""

    def __init__(self, code: str, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.advice = code, message, advice


class RunCancelled(Exception):
    """Raised inside a runner when somebody asked to cancel; let it pass through."""


class RunLost(Exception):
    """Raised inside a runner when another worker has its run now; it must stop without writing."""


class RunBroken(Exception):
    """Raised by a runner when a process that works for it was killed. The run is taken up again as after the loss of its worker, and
    that counts as an attempt."""


class RunHandedBack(Exception):
    """Raised by a runner whose worker must stop, after saving its state: the run waits for another worker.

    It does not count as an attempt; only lost workers do.
    """


class RunContext:
    """The connection of a runner to its run: progress, heartbeat, cancellation.

    The heartbeat comes from a separate thread, so that a long native step (a matrix product, a model
    load) does not look like a lost worker.
    """

    # Progress is written at most this often; ETA is smoothed over the last reports.
    WRITE_EVERY_SECONDS = 0.5

    def __init__(self, run: Run, claim: uuid.UUID) -> None:
        self.run = run
        self.params: dict[str, Any] = run.params
        self.attempt = run.attempt
        self._claim = claim
        self._stop = threading.Event()
        self._state = Run.Status.RUNNING.value
        self._written = 0.0
        self._first: tuple[float, int] | None = None
        self._ends: float | None = None
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat-{run.pk}", daemon=True)

    def __enter__(self) -> "RunContext":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    def _mine(self) -> QuerySet[Run]:
        return Run.objects.filter(pk=self.run.pk, claim=self._claim)

    def _beat(self) -> None:
        try:
            while not self._stop.wait(settings.RUN_HEARTBEAT_SECONDS):
                try:
                    alive = self._mine().filter(status__in=[Run.Status.RUNNING, Run.Status.CANCELLING])
                    if not alive.update(heartbeat_at=timezone.now()):
                        self._state = "lost"
                        return
                    self._state = self._mine().values_list("status", flat=True).get()
                except Exception:
                    # The database can be offline for a while; the run continues and sends heartbeats again later.
                    log.warning(
                        "Run %s: heartbeat failed, will try again",
                        self.run.pk,
                        exc_info=True,
                    )
                    connection.close()
        finally:
            connection.close()

    def check(self) -> None:
        """Raises RunCancelled or RunLost when the runner should stop. Cheap: no query."""
        if self._state == Run.Status.CANCELLING:
            raise RunCancelled
        if self._state == "lost":
            raise RunLost

    def report(
        self,
        *,
        done: int | None = None,
        total: int | None = None,
        message: str | None = None,
        left: float | None = None,
        now: bool = False,
    ) -> None:
        """Reports the progress. Written at most twice a second unless `now`; checks for cancellation.

        `left`: seconds until the end, from a runner with a better estimate than `done` of `total`; it counts down until
        the next one.
        """
        run = self.run
        if done is not None:
            run.done = done
        if total is not None:
            run.total = total
        if message is not None:
            run.message = message[:300]
        clock = time.monotonic()
        if left is not None:
            self._ends = clock + left
        if self._first is None or run.done < self._first[1]:
            self._first = (clock, run.done)
        if now or clock - self._written >= self.WRITE_EVERY_SECONDS:
            self._written = clock
            run.eta_at = self._eta(clock)
            changed = (
                self._mine()
                .filter(status__in=[Run.Status.RUNNING, Run.Status.CANCELLING])
                .update(
                    done=run.done,
                    total=run.total,
                    message=run.message,
                    eta_at=run.eta_at,
                    heartbeat_at=timezone.now(),
                )
            )
            if not changed:
                self._state = "lost"
            elif self._mine().values_list("status", flat=True).get() == Run.Status.CANCELLING:
                self._state = Run.Status.CANCELLING.value
        self.check()

    def _eta(self, clock: float) -> Any:
        """From the time left that the runner gave, else from the pace of this attempt; the work of an earlier attempt does not
        count for the pace."""
        if self._ends is not None:
            return timezone.now() + timedelta(seconds=self._ends - clock)
        if self._first is None or not self.run.total:
            return None
        began, done_then = self._first
        moved = self.run.done - done_then
        if moved <= 0 or clock - began < 1.0:
            return None
        left = (self.run.total - self.run.done) * (clock - began) / moved
        return timezone.now() + timedelta(seconds=left)
