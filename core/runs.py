"""Kinds of runs, and the context of a runner."""

import logging
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from core.models import Run, User

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunKind:
    """`runner` is a dotted path "package.module:function", imported in the worker only (it may need torch).

    `on_end`, a dotted path too, is called with the run after it ended in any way, inside the transaction
    that ends it: a kind updates its own rows there (a cancelled import, a failed training).

    `on_again`, a dotted path, is called with the run and the person who starts a failed or cancelled run again, inside
    the transaction that queues it: the kind sets its rows back to the state of an active run, or raises
    Conflict or Refused. Runners must expect data of an earlier attempt, so that nothing is done twice.
    `again_words` describes for people what starting it again does. `operators_again`: only operators may.

    `subject`, a dotted path, is called with a run of a project and gives (words, address) of the object of the run, or
    None when it was deleted.
    """

    name: str
    label: str
    queue: str
    runner: str
    on_end: str = ""
    max_attempts: int = 3
    on_again: str = ""
    again_words: str = "It starts from the beginning."
    operators_again: bool = False
    subject: str = ""


_kinds: dict[str, RunKind] = {}


def register_kind(kind: RunKind) -> None:
    _kinds[kind.name] = kind


def kind_of(name: str) -> RunKind:
    return _kinds[name]


def load_named(path: str) -> Any:
    """The object of a dotted path "package.module:name"."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


@dataclass(frozen=True)
class Again:
    """How a failed or cancelled run can be started again: the button's label, and what happens then or who can help."""

    verb: str
    words: str
    allowed: bool


def again_for(run: Run, user: User) -> Again | None:
    """For a person who can change the run; None while it is active and after success."""
    kind = _kinds.get(run.kind)
    if kind is None or run.status not in Run.UNFINISHED:
        return None
    verb = "Try again" if run.status == Run.Status.FAILED else "Resume"
    if kind.operators_again and not user.is_operator:
        return Again(verb, "Only an operator can start it again. Ask an operator.", False)
    return Again(verb, f"Choose “{verb}” to start it again. {kind.again_words}", True)


def subject_of(run: Run) -> tuple[str, str] | None:
    """(words, address) of the object of the run: an import, a dataset, a training run and so on."""
    kind = _kinds.get(run.kind)
    if kind is None or not kind.subject or run.project_id is None:
        return None
    found: tuple[str, str] | None = load_named(kind.subject)(run)
    return found


def kind_label(name: str) -> str:
    """The name of the kind for people; an old run can have an unknown kind, which is shown as it is."""
    return _kinds[name].label if name in _kinds else name.replace("_", " ").capitalize()


class RunFailed(Exception):
    """Raised by a runner for a known failure: a code, what happened, and what to do."""

    def __init__(self, code: str, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.advice = code, message, advice


class RunCancelled(Exception):
    """Raised inside a runner when somebody asked to cancel; let it pass through."""


class RunLost(Exception):
    """Raised inside a runner when another worker has its run now; it must stop without writing."""


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
