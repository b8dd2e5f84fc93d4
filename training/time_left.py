"""The time left of a training run: steps, evaluations, samples, checkpoints and storing counted apart.

Pure: its inputs are the work done, its duration and a clock. Each kind of work uses this run's last measurement. Before
that it uses the estimate from the launch, corrected by the error of the estimate for the work that was measured.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

# Steps that give the speed: enough that rows of different length even out, few enough to follow a machine that
# becomes busy.
RECENT_STEPS = 40
# A process's first step also sets up memory and kernels; with this many other steps it is ignored.
SETTLED_STEPS = 3
# Work that a slow or busy machine slows equally; writing to a disk is different.
COMPUTED = ("train", "evaluate", "sample", "reference")
# Zero is only reported when the run has ended.
LEAST_SECONDS = 1.0
# Work that takes longer than expected is assumed to need this share of its elapsed time more.
OVERRUN_SHARE = 0.2


class TimeLeft:
    """Records how long work took and computes the time left. `expected` are seconds of one unit: a token, an evaluation, a round of
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
        """One optimiser step with this many tokens."""
        self._compare("train", seconds, tokens)
        if self._first is None:
            self._first = (seconds, tokens)
        else:
            self._steps.append((seconds, tokens))

    def did(self, kind: str, seconds: float) -> None:
        """One evaluation, round of samples, checkpoint or storing is finished."""
        self._compare(kind, seconds, 1)
        self._last[kind] = seconds

    @contextmanager
    def doing(self, kind: str) -> Iterator[None]:
        """Around one evaluation or similar work: while it runs, its remaining time decreases."""
        self._now, self._began, self._share_done = kind, self._clock(), 0.0
        try:
            yield
            self.did(kind, self._clock() - self._began)
        finally:
            self._now = ""

    def progress(self, share: float) -> None:
        """The finished share of the current work, 0 to 1."""
        self._share_done = share

    def _compare(self, kind: str, seconds: float, units: float) -> None:
        if kind in COMPUTED and kind in self._expected:
            self._measured += seconds
            self._foreseen += units * self._expected[kind]

    # --- what work takes
    @property
    def settled(self) -> bool:
        """Whether this process has taken enough steps to know their speed."""
        return len(self._steps) >= SETTLED_STEPS

    def unit(self, kind: str) -> float:
        """Seconds of one token, evaluation, round of sample answers, loading or storing: measured, else expected, else 0."""
        return self._unit(kind) or 0.0

    # --- what is left
    def _foreseen_unit(self, kind: str) -> float | None:
        """Seconds of one unit that was not measured: a machine that was slower than expected is slower here too."""
        unit = self._expected.get(kind)
        if unit is None or kind not in COMPUTED or self._foreseen <= 0:
            return unit
        return unit * self._measured / self._foreseen

    def _unit(self, kind: str) -> float | None:
        """Seconds of one unit: measured in this run, else the estimate."""
        if kind == "train":
            steps = list(self._steps)
            if len(steps) < SETTLED_STEPS and self._first is not None:
                steps.append(self._first)
            tokens = sum(count for _, count in steps)
            return sum(seconds for seconds, _ in steps) / tokens if tokens else self._foreseen_unit(kind)
        return self._last[kind] if kind in self._last else self._foreseen_unit(kind)

    def _left_of_current(self) -> float:
        """Seconds left of the current work. `left` counts it as not done, so this replaces one unit."""
        spent = self._clock() - self._began
        expected = self._unit(self._now) or 0.0
        if self._share_done > 0:
            # Its own speed counts more the further it is.
            own = spent / self._share_done
            expected += (own - expected) * self._share_done
        return max(expected - spent, OVERRUN_SHARE * spent)

    def left(self, remaining: Mapping[str, float]) -> float | None:
        """Seconds until the run ends, given the units not done yet by kind (the current one included): {train: tokens,
        evaluate, sample, store: times}. None while the speed is not known."""
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
