"""How long a running fine-tune still takes: steps, evaluations, samples, checkpoints and storing counted apart.

Pure: it is given what was done and how long that took, and a clock. Each kind of work is judged by what this run measured
of it last; until then by the estimate that the run was launched with, corrected by how far the estimate was off for the
work that was measured.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

# Steps that the pace is taken from: enough that rows of different length even out, few enough to follow a machine that
# becomes busy.
RECENT_STEPS = 40
# A process's first step also sets up memory and kernels; with this many others it says nothing more.
SETTLED_STEPS = 3
# Work that a slow or busy machine slows alike; writing to a disk is another matter.
COMPUTED = ("train", "evaluate", "sample")
# Nothing is left only when the run has ended.
LEAST_SECONDS = 1.0
# Work that takes longer than expected will take this share of its time more: an overrun grows, so does what it promises.
OVERRUN_SHARE = 0.2


class TimeLeft:
    """Gathers what work took and says what is left. `expected` are seconds of one unit: a token, an evaluation, a round of
    sample answers, a checkpoint, the storing; `before` is what earlier attempts took, as {kind: (seconds, units)}."""

    def __init__(
        self,
        *,
        expected: Mapping[str, float],
        before: Mapping[str, tuple[float, float]] | None = None,
        save_every: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._expected = dict(expected)
        for kind, (seconds, units) in (before or {}).items():
            if units > 0:
                self._expected[kind] = seconds / units
        self._save_every = save_every
        self._clock = clock
        self._steps: deque[tuple[float, float]] = deque(maxlen=RECENT_STEPS)
        self._first: tuple[float, float] | None = None
        self._last: dict[str, float] = {}
        self._measured, self._foreseen = 0.0, 0.0
        self._now: str = ""
        self._began = 0.0
        self._share_done = 0.0

    # --- what happened
    def step(self, *, seconds: float, tokens: int) -> None:
        """One optimiser step of so many tokens."""
        self._compare("train", seconds, tokens)
        if self._first is None:
            self._first = (seconds, tokens)
        else:
            self._steps.append((seconds, tokens))

    def did(self, kind: str, seconds: float) -> None:
        """One evaluation, round of samples, checkpoint or storing was finished."""
        self._compare(kind, seconds, 1)
        self._last[kind] = seconds

    @contextmanager
    def doing(self, kind: str) -> Iterator[None]:
        """Around one evaluation and the like: while it runs, what is left of it shrinks."""
        self._now, self._began, self._share_done = kind, self._clock(), 0.0
        try:
            yield
            self.did(kind, self._clock() - self._began)
        finally:
            self._now = ""

    def progress(self, share: float) -> None:
        """How much of the work that runs now is done, 0 to 1."""
        self._share_done = share

    def _compare(self, kind: str, seconds: float, units: float) -> None:
        if kind in COMPUTED and kind in self._expected:
            self._measured += seconds
            self._foreseen += units * self._expected[kind]

    # --- what is left
    def _foreseen_unit(self, kind: str) -> float | None:
        """Seconds of one unit that nothing was measured of: a machine that was slower than expected will be slower here too."""
        unit = self._expected.get(kind)
        if unit is None or kind not in COMPUTED or self._foreseen <= 0:
            return unit
        return unit * self._measured / self._foreseen

    def _unit(self, kind: str) -> float | None:
        """Seconds of one unit: this run's own, else the expectation."""
        if kind == "train":
            steps = list(self._steps)
            if len(steps) < SETTLED_STEPS and self._first is not None:
                steps.append(self._first)
            tokens = sum(count for _, count in steps)
            return sum(seconds for seconds, _ in steps) / tokens if tokens else self._foreseen_unit(kind)
        return self._last[kind] if kind in self._last else self._foreseen_unit(kind)

    def _left_of_current(self) -> float:
        """Seconds that the work that runs now still takes; `left` counts it as not done yet, so this replaces one unit."""
        spent = self._clock() - self._began
        expected = self._unit(self._now) or 0.0
        if self._share_done > 0:
            # By its own pace, the more the further it is.
            own = spent / self._share_done
            expected += (own - expected) * self._share_done
        return max(expected - spent, OVERRUN_SHARE * spent)

    def left(self, remaining: Mapping[str, float]) -> float | None:
        """Seconds until the run ends, given units not done yet by kind (the piece that runs now included): {train: tokens,
        evaluate, sample, store: times}. None while nothing is known of the pace."""
        total = 0.0
        for kind, units in remaining.items():
            waiting = units
            if kind == self._now and units >= 1:
                total += self._left_of_current()
                waiting -= 1
            if waiting <= 0:
                continue
            unit = self._unit(kind)
            if unit is None:
                return None
            total += waiting * unit
        total += int(total // self._save_every) * (self._unit("save") or 0.0)
        if self._now == "save":
            total += self._left_of_current()
        return max(total, LEAST_SECONDS)
