"""Progress that is seen while one long transaction is still open."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol

from django.db import connection

from core.runs import RunContext


class Report(Protocol):
    """RunContext.report, or anything that takes its arguments."""

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
    """A `report` that writes through a connection of its own, which is what each thread has.

    Inside the runner's transaction a report would be invisible until the end, and would lock the run's row against
    its own heartbeat and against whoever asks to cancel it. RunCancelled and RunLost pass through as ever.
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
    """`connection` means another connection in each thread, so this must be looked up where it is called."""
    connection.close()
