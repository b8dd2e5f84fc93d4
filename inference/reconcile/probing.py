"""Asks the models of one engine alone and together. Runs in a thread of the engines process, without the database,
so that engines are watched meanwhile. Requests of users continue at the same time.

Cost, with P prompts, T tokens each, n adapters: the base model alone, a new adapter alone, the base model together with
each adapter (n rounds), everything at once (one round): about (2n + 7) x P x (T + 6) tokens, and one more round for
each difference.
With P = 2, T = 6 and four adapters of a model of 135M parameters: 26 s on 0.4 of a core, and at most SECONDS.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as OutOfTime
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from django.utils import timezone

from inference.engines import Backend, EngineAway, EngineRefused
from inference.models import WeightCheck
from inference.reconcile import weights
from inference.reconcile.weights import PROMPTS, TOKENS, Answers, Difference

log = logging.getLogger(__name__)
Outcome = WeightCheck.Outcome
# A version is served only after this; an engine on a CPU that also trains is slow.
SECONDS = 300.0
# The text of the companions: long enough to last while the others answer, and within the shortest context that can be
# set.
COMPANION_TEXT, COMPANION_TOKENS = "Once upon a time", 100


class NotMade(Exception):
    """The check could not be done; the text has the reason."""


@dataclass
class Result:
    outcome: str
    reason: str
    began_at: datetime
    ended_at: datetime
    models: list[str]
    report: dict[str, Any]
    alone: dict[str, Answers] = field(default_factory=dict)
    noise: float | None = None


class Companion:
    """A model that writes until it is stopped, while others answer."""

    def __init__(self, begin: Callable[[], Any]) -> None:
        self.writing = threading.Event()
        self.ended = threading.Event()
        self.problem: EngineAway | EngineRefused | None = None
        self._stop = threading.Event()
        self._begin = begin
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        try:
            with closing(self._begin()) as pieces:
                for _ in pieces:
                    self.writing.set()
                    if self._stop.is_set():
                        return
        except (EngineAway, EngineRefused) as error:
            self.problem = error
        finally:
            self.ended.set()
            self.writing.set()

    def stop(self) -> None:
        self._stop.set()


class Probe:
    """One check of one engine. `alone`: answers of models alone since this start of the engine, and `noise`: the change
    of the base model in a batch with itself, in nats. Missing values are measured now."""

    def __init__(
        self,
        backend: Backend,
        url: str,
        base: str,
        adapters: Sequence[str],
        alone: Mapping[str, Answers],
        noise: float | None = None,
    ) -> None:
        self.backend, self.url, self.base, self.adapters = backend, url, base, list(adapters)
        self.alone = {name: answers for name, answers in alone.items() if name in {base, *adapters}}
        self.noise = noise
        self.began_at = timezone.now()
        self.cancelled = threading.Event()
        self.rounds = 0
        self.largest = 0.0
        self.difference: dict[str, Any] = {}
        self.once: list[dict[str, Any]] = []
        self.together = True
        self._deadline = time.monotonic() + SECONDS

    def run(self) -> Result:
        """Does not raise."""
        try:
            reason = self._differences()
            outcome = Outcome.FAILED if reason else Outcome.PASSED
        except NotMade as problem:
            outcome, reason = Outcome.NOT_MADE, str(problem)
        except EngineAway as problem:
            outcome, reason = Outcome.NOT_MADE, f"The engine did not respond: {problem}"
        except EngineRefused as problem:
            outcome, reason = Outcome.NOT_MADE, f"The engine refused: {problem.message}"
        except Exception:
            # Otherwise nothing would report it: the thread would end, and the check would seem to run without end.
            log.exception("A check of weights failed unexpectedly")
            outcome, reason = (
                Outcome.NOT_MADE,
                "It failed unexpectedly. The log of the engines process has the reason.",
            )
        report = {
            "rounds": self.rounds,
            "largest_shift": round(self.largest, 4),
            "noise": self.noise,
            "difference": self.difference,
            "not_repeated": self.once,
            "all_at_once": self.together,
            "alone": {name: weights.as_json(answers) for name, answers in self.alone.items()},
        }
        names = [self.base, *self.adapters]
        return Result(outcome, reason, self.began_at, timezone.now(), names, report, self.alone, self.noise)

    # --- what is asked -------------------------------------------------------------------------------------
    def _differences(self) -> str:
        """The difference in a sentence; "" for none."""
        if self.base not in self.alone or self.noise is None:
            self._measure()
        difference = self._round([], [self.base])
        for name in self.adapters:
            if not difference and name not in self.alone:
                self.alone[name] = self._ask([name])[name]
        for name in self.adapters:
            difference = difference or self._round([name], [self.base])
        if self.adapters and not difference:
            difference = self._all_at_once()
        return difference

    def _measure(self) -> None:
        """The base model's answers alone, and their change in a batch where nothing can leak."""
        self.alone[self.base] = self._ask([self.base])[self.base]
        beside = self._ask([self.base], [self.base] * 4)[self.base]
        noise, _ = weights.compare(self.alone[self.base], beside, weights.NOISE_MOST)
        if noise > weights.NOISE_MOST:
            raise NotMade(
                f"In a batch with itself the base model's answer changes by {noise:.2f} nats. This is too much to distinguish a wrong answer from rounding."
            )
        self.noise = round(noise, 4)

    @property
    def _limit(self) -> float:
        return weights.limit_of(self.noise or 0.0)

    def _all_at_once(self) -> str:
        names = [self.base, *self.adapters]
        try:
            return self._round(names, names)
        except NotAtOnce:
            # An attached engine may have fewer slots than adapters, which then take turns.
            self.together = False
        for name in self.adapters:
            if difference := self._round([self.base], [name]):
                return difference
        return ""

    def _round(self, companions: list[str], models: list[str]) -> str:
        """Asks `models` while `companions` write. A difference counts when it occurs twice."""
        first = self._compare(self._ask(models, companions))
        if first is None:
            return ""
        again = self._compare(self._ask(models, companions))
        if again is None:
            self.once.append({"model": first[0], "companions": companions, **vars(first[1])})
            return ""
        name, difference = again
        self.difference = {"model": name, "companions": companions, **vars(difference)}
        return self._sentence(name, difference, companions)

    def _compare(self, answers: dict[str, Answers]) -> tuple[str, Difference] | None:
        for name, model_answers in answers.items():
            largest, difference = weights.compare(self.alone[name], model_answers, self._limit)
            self.largest = max(self.largest, largest)
            if difference is not None:
                return name, difference
        return None

    def _sentence(self, name: str, difference: Difference, companions: list[str]) -> str:
        """The text has no version names, since all projects of an engine read it."""
        others = [companion for companion in companions if companion != name]
        if not companions:
            where = "Asked again alone,"
        elif len(others) > 1:
            where = "Together with all others,"
        else:
            with_adapter = others and others[0] != self.base
            where = "Together with an adapter," if with_adapter else "Together with the base model,"
        return (
            f"{where} {'the base model' if name == self.base else 'an adapter'} answered differently than alone: "
            f"“{difference.prompt}” differs at token {difference.position} by {difference.by:.2f} nats, and rounding "
            f"explains at most {self._limit:.2f}."
        )

    # --- requests ------------------------------------------------------------------------------------------
    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if self.cancelled.is_set():
            raise NotMade("The models of the engine changed meanwhile.")
        if left <= 0:
            raise NotMade(f"It did not finish within {SECONDS / 60:.0f} minutes. The machine is too busy.")
        return left

    def _ask(self, models: list[str], companions: Sequence[str] = ()) -> dict[str, Answers]:
        """The answers of `models` to all prompts at once, while each of `companions` writes."""
        self.rounds += 1
        left = self._left()
        beside = [Companion(partial(self._keep_writing, name, left)) for name in companions]
        try:
            for companion in beside:
                self._wait_for(companion, beside)
            answers = self._together(models)
            if any(companion.ended.is_set() for companion in beside):
                raise NotAtOnce("The engine did not answer them at the same time.")
            return answers
        finally:
            for companion in beside:
                companion.stop()

    def _keep_writing(self, name: str, seconds: float) -> Any:
        return self.backend.keep_writing(self.url, name, COMPANION_TEXT, COMPANION_TOKENS, seconds)

    def _wait_for(self, companion: Companion, all_of_them: list[Companion]) -> None:
        while not companion.writing.wait(0.2):
            self._left()
            if any(other.ended.is_set() for other in all_of_them):
                break
        for other in all_of_them:
            if other.problem is not None:
                raise other.problem
            if other.ended.is_set():
                raise NotAtOnce("The engine did not answer them at the same time.")

    def _together(self, models: list[str]) -> dict[str, Answers]:
        pool = ThreadPoolExecutor(len(models) * len(PROMPTS))
        try:
            futures: dict[str, list[Future[Any]]] = {
                name: [
                    pool.submit(self.backend.continuation, self.url, name, prompt, TOKENS, self._left())
                    for prompt in PROMPTS
                ]
                for name in models
            }
            return {
                name: tuple(tuple(self._result(future)) for future in several)
                for name, several in futures.items()
            }
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _result(self, future: Future[Any]) -> Any:
        while True:
            try:
                return future.result(timeout=min(0.5, self._left()))
            except OutOfTime:
                continue


class NotAtOnce(NotMade):
    """Requests that should share a batch ran one after another."""
