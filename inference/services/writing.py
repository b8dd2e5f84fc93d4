"""A process that writes an answer sends a heartbeat every few seconds, so that a killed process blocks its conversation
for seconds only."""

import logging
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache

from django.db import connection
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from core.errors import Conflict
from core.wording import counted
from inference.models import Answer, Conversation

log = logging.getLogger(__name__)

BEAT_SECONDS = 2.0
# Three missed heartbeats in a row: the process has ended, or cannot write to the database.
DEAD_AFTER = timedelta(seconds=7)
# The sweep waits longer, so that an offline database does not end answers that continue.
SWEPT_AFTER = timedelta(seconds=60)
CUT_OFF = "The program stopped while this answer was being written."


class _Beat:
    """One thread per process while it writes answers: one statement for all of them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.open: Counter[int] = Counter()
        self.running = False

    def add(self, pk: int) -> None:
        with self.lock:
            self.open[pk] += 1
            if not self.running:
                self.running = True
                threading.Thread(target=self._run, name="signs-of-life", daemon=True).start()

    def drop(self, pk: int) -> None:
        with self.lock:
            self.open[pk] -= 1
            if self.open[pk] <= 0:
                del self.open[pk]

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(BEAT_SECONDS)
            with self.lock:
                written = list(self.open)
                if not written:
                    self.running = False
                    return
            try:
                prove(written)
            except Exception:  # on any database error the answers and this thread continue
                log.warning("Answers %s: the heartbeat could not be written", written, exc_info=True)
            finally:
                connection.close()


@cache
def _beat_of(process: int) -> _Beat:
    """One per process: a forked worker has its parent's memory but not its thread."""
    return _Beat()


def prove(written: list[int]) -> None:
    """Notes that these answers are being written now."""
    Answer.objects.filter(pk__in=written, status=Answer.Status.STREAMING).update(alive_at=Now())


@contextmanager
def being_written(answer: Answer) -> Iterator[None]:
    """While it is active, this process sends heartbeats for the answer."""
    beat = _beat_of(os.getpid())
    beat.add(answer.pk)
    try:
        yield
    finally:
        beat.drop(answer.pk)


def end_dead(conversation: Conversation) -> int:
    """Ends answers of a conversation after their process died; returns their number."""
    return _dead(DEAD_AFTER, conversation=conversation)


def end_abandoned() -> int:
    """The same for all answers, after a longer time."""
    return _dead(SWEPT_AFTER)


def _dead(after: timedelta, **which: object) -> int:
    return Answer.objects.filter(
        status=Answer.Status.STREAMING,
        pk__in=Answer.objects.filter(status=Answer.Status.STREAMING, **which)
        .annotate(seen=Coalesce("alive_at", "created_at"))
        .filter(seen__lt=Now() - after)
        .values("pk"),
    ).update(status=Answer.Status.FAILED, error=CUT_OFF)


def one_at_a_time(conversation: Conversation) -> None:
    """Conflict while an answer of the conversation is being written; an answer of a dead process is ended first."""
    end_dead(conversation)
    quiet = (
        conversation.answers.filter(status=Answer.Status.STREAMING)
        .annotate(quiet=Now() - Coalesce(F("alive_at"), F("created_at")))
        .order_by("-id")
        .values_list("quiet", flat=True)
        .first()
    )
    if quiet is None:
        return
    if quiet > timedelta(seconds=2 * BEAT_SECONDS):
        left = max(1, round((DEAD_AFTER - quiet).total_seconds()) + 1)
        raise Conflict(
            "The last answer was cut off: the program that wrote it is not responding.",
            f"Ask again in {counted(left, 'second')}.",
        )
    raise Conflict(
        "An answer is still being written here.", "Wait for it, or stop it in the tab where you asked."
    )
