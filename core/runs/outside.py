"""Progress that is visible during one long transaction, and locks between such transactions."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol

from django.db import connection

from core.models import Run
from core.runs.context import RunCancelled, RunContext, RunLost


class Report(Protocol):
    """RunContext.report, or a function with the same arguments."""

    def __call__(
        self,
        *,
        done: int | None = None,
        total: int | None = None,
        message: str | None = None,
        now: bool = False,
    ) -> None: ...


@contextmanager
def reporting_outside(ctx: RunContext) -> Iterator[Report]:
    """A `report` that writes through its own connection: each thread has one.

    Inside the runner's transaction a report would be invisible until the end, and would lock the run's row against
    its own heartbeat and against a request to cancel it. RunCancelled and RunLost are passed on.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"report-{ctx.run.pk}") as side:

        def report(
            *,
            done: int | None = None,
            total: int | None = None,
            message: str | None = None,
            now: bool = False,
        ) -> None:
            side.submit(ctx.report, done=done, total=total, message=message, now=now).result()

        try:
            yield report
        finally:
            side.submit(_close_own_connection).result()


def _close_own_connection() -> None:
    """`connection` is another connection in each thread, so this must be looked up at the call."""
    connection.close()


def wait_for_turn(lock: str, *, report: Report, message: str) -> None:
    """Takes the advisory lock named `lock` until the transaction ends; reports `message` while somebody else has it."""
    while True:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [lock])
            if cursor.fetchone() == (True,):
                return
        report(message=message)
        time.sleep(0.2)


def still_ours(run: Run) -> None:
    """The last check before the commit: a cancelled or replaced attempt must store nothing.

    The lock delays a cancellation until the commit; from here the work is done.
    """
    held = Run.objects.select_for_update().filter(pk=run.pk, claim=run.claim)
    status = held.values_list("status", flat=True).first()
    if status == Run.Status.CANCELLING:
        raise RunCancelled
    if status != Run.Status.RUNNING:
        raise RunLost
