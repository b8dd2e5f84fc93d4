"""Decides when the weights of an engine are checked: the reconciler's state of one engine's checks between passes.

A check is due after a start, after every load, when another program loaded or unloaded, and once an hour. It runs in a
thread.
"""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from inference.engines import BACKENDS, Served
from inference.models import Engine, WeightCheck
from inference.reconcile import marking, weights
from inference.reconcile.probing import Probe, Result

EVERY_SECONDS = 3600.0
AGAIN_SECONDS = 5.0  # after one that could not be done
NOT_MADE_LIMIT = 3  # this many in a row, and the engine is taken out of service

Outcome = WeightCheck.Outcome


class OutOfService(Exception):
    """The engine must not answer any more; the text has the reason. `result` is set when it answered with wrong
    weights."""

    def __init__(self, reason: str, result: Result | None = None) -> None:
        super().__init__(reason)
        self.reason, self.result = reason, result


@dataclass
class Checking:
    """State of one start of one engine. `alone`: the answers of its models alone; `reports`: passed token checks, by
    deployment, of versions that are served once the weights are checked."""

    due: bool = True
    alone: dict[str, weights.Answers] = field(default_factory=dict)
    noise: float | None = None
    reports: dict[int, dict[str, Any]] = field(default_factory=dict)
    seen: frozenset[str] = frozenset()
    not_made: int = 0
    not_before: float = 0.0
    passed_at: float = 0.0
    probe: Probe | None = None
    results: list[Result] = field(default_factory=list)

    @property
    def knows_base(self) -> bool:
        """Whether the base model's answers alone are known. They are measured before the first adapter is loaded."""
        return self.noise is not None

    @property
    def running(self) -> bool:
        return self.probe is not None

    def look(self, served: Iterable[Served]) -> None:
        """Notices that time passed, and models that were not loaded from here."""
        names = frozenset(model.name for model in served)
        if names - self.seen or (self.passed_at and time.monotonic() - self.passed_at > EVERY_SECONDS):
            self.due = True
        self.seen = names

    def note_load(self, name: str) -> None:
        """An adapter is about to be loaded."""
        self.due = True
        self.seen |= {name}

    def begin(self, engine: Engine, adapters: list[str]) -> None:
        """Starts a check of the base and `adapters`, unless one was tried very recently."""
        if self.running or time.monotonic() < self.not_before:
            return
        base = engine.base_model.slug
        probe = Probe(BACKENDS[engine.backend], engine.url, base, adapters, self.alone, self.noise)
        self.probe = probe
        self.due = False
        threading.Thread(
            target=lambda: self.results.append(probe.run()), daemon=True, name=f"check {engine.name}"
        ).start()

    def cancel(self) -> None:
        """The loaded models change: a running check is no longer valid, and another one is due."""
        if self.probe is not None:
            self.probe.cancelled.set()

    def poll(self, engine: Engine) -> bool:
        """Handles the result of a finished check. True when it passed; OutOfService when it failed, or could not be
        done several times in a row."""
        if self.probe is None or not self.results:
            return False
        result = self.results[0]
        if self.probe.cancelled.is_set() and result.outcome != Outcome.FAILED:
            self._forget(due=True)
            return False
        if result.outcome == Outcome.FAILED:
            raise OutOfService(result.reason, result)
        marking.note_check(engine=engine, process=life_of(engine), result=result)
        self._forget(due=self.due or result.outcome != Outcome.PASSED)
        self.alone |= result.alone
        self.noise = result.noise
        if result.outcome == Outcome.PASSED:
            self.not_made, self.passed_at = 0, time.monotonic()
            return True
        self.not_made += 1
        self.not_before = time.monotonic() + AGAIN_SECONDS
        if self.not_made >= NOT_MADE_LIMIT:
            raise OutOfService(
                f"The check of its weights could not be done {self.not_made} times in a row. {result.reason}"
            )
        return False

    def _forget(self, *, due: bool) -> None:
        self.probe, self.due = None, due
        self.results = []


def life_of(engine: Engine) -> str:
    """Identifies this start of the engine: it differs after a restart."""
    return f"process {engine.pid}" if engine.pid else engine.url


def of_adopted(engine: Engine) -> Checking:
    """For an engine that an earlier engines process started: the answers of its models alone at that time."""
    checking = Checking()
    last = engine.weight_checks.filter(outcome=Outcome.PASSED, process=life_of(engine)).first()
    if last is not None:
        try:
            checking.alone = {
                name: weights.from_json(answers) for name, answers in last.report["alone"].items()
            }
            checking.noise = float(last.report["noise"])
        except (KeyError, TypeError, ValueError, AttributeError):
            pass  # written by another version, with other prompts: measured again
    return checking
