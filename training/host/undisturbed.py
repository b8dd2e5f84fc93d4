"""The speed of a run while nothing else slows it.

A run's average speed equals that of its machine only if nothing else worked there. Steps are grouped into stretches of
some seconds. On a CPU a stretch counts when other processes took less than a tenth of the machine's processor time; a run
without such a stretch has no undisturbed speed, and no estimate uses it. Other work on a GPU cannot be seen from here,
so the upper quartile of the stretches counts; short other work does not lower it.
"""

import time
from collections.abc import Callable
from contextlib import suppress

import psutil

STRETCH_SECONDS = 2.0
OTHERS_AT_MOST = 0.10


def processor_seconds() -> tuple[float, float]:
    """(seconds all processes of the machine computed, seconds this one did), since some moment in the past."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # A guest's time is included in user time. Time stolen by other guests of the same host is in the sum, since it
    # slows the run.
    busy = sum(times) - idle - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    own = psutil.Process().cpu_times()
    return busy, own.user + own.system


def processor_seconds_of_siblings() -> tuple[float, float]:
    """The same, with all children of this process's parent as one: several processes that train together do not disturb each other."""
    busy, _ = processor_seconds()
    own = 0.0
    for process in psutil.Process().parents()[0].children():
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            own += times.user + times.system
    return busy, own


class Stretches:
    """Receives steps as they end. `read` returns processor seconds like `processor_seconds`."""

    def __init__(
        self,
        device: str,
        *,
        processors: int = 0,
        read: Callable[[], tuple[float, float]] = processor_seconds,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._device = device
        self._processors = processors or psutil.cpu_count() or 1
        self._read, self._clock = read, clock
        self._stretches: list[tuple[float, int]] = []
        self._seconds, self._tokens, self._others = 0.0, 0, 0.0
        self._at = (0.0, 0.0, 0.0)

    def step_begins(self) -> None:
        self._at = (*self._read(), self._clock())

    def step_ended(self, *, tokens: int) -> None:
        busy, own = self._read()
        now = self._clock()
        before_busy, before_own, began = self._at
        self._others += max(0.0, (busy - before_busy) - (own - before_own))
        self._seconds += now - began
        self._tokens += tokens
        if self._seconds >= STRETCH_SECONDS:
            self._close()

    def _close(self) -> None:
        share = self._others / (self._processors * self._seconds) if self._seconds else 0.0
        if self._device != "cpu" or share < OTHERS_AT_MOST:
            self._stretches.append((self._seconds, self._tokens))
        self._seconds, self._tokens, self._others = 0.0, 0, 0.0

    @property
    def speed(self) -> float | None:
        """Tokens per second, padding not counted; None when every stretch was disturbed."""
        if not self._stretches:
            return None
        if self._device == "cpu":
            return sum(tokens for _, tokens in self._stretches) / sum(
                seconds for seconds, _ in self._stretches
            )
        paces = sorted(tokens / seconds for seconds, tokens in self._stretches)
        return paces[(3 * (len(paces) - 1)) // 4]
