"""When the weights of an engine are checked: what the reconciler remembers of one engine's checks between passes.

Due after a start, after every load, when somebody else loaded or unloaded, and once an hour; made in a thread.
"""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from inference.engines import BACKENDS, Served
from inference.models import Engine, WeightCheck
from inference.reconcile import weights
from inference.reconcile.probing import Probe, Result
from inference.services import checks as notes

EVERY_SECONDS = 3600.0
AGAIN_SECONDS = 5.0  # after one that could not be made
NOT_MADE_LIMIT = 3  # so many in a row, and the engine is not trusted any more

Outcome = WeightCheck.Outcome


class OutOfService(Exception):
    """The engine must not answer any more; the text says why. With `result` when it answered with wrong weights."""

    def __init__(self, reason: str, result: Result | None = None) -> None:
        super().__init__(reason)
        self.reason, self.result = reason, result


@dataclass
class Checking:
    """Of one life of one engine. `alone`: what its models said alone; `reports`: token checks that passed, by deployment, of
    versions that are served once the weights are checked."""

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
        """Whether what the base says alone is known: asked before the first adapter was loaded."""
        return self.noise is not None

    @property
    def running(self) -> bool:
        return self.probe is not None

    def look(self, served: Iterable[Served]) -> None:
        """Notices time passed, and names that came without being loaded from here."""
        names = frozenset(one.name for one in served)
        if names - self.seen or (self.passed_at and time.monotonic() - self.passed_at > EVERY_SECONDS):
            self.due = True
        self.seen = names

    def note_load(self, name: str) -> None:
        """An adapter is about to be loaded."""
        self.due = True
        self.seen |= {name}

    def begin(self, engine: Engine, adapters: list[str]) -> None:
        """Starts a check of the base and `adapters`, unless one was tried a moment ago."""
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
        """What is served changes: a check under way tells nothing any more, and another is due."""
        if self.probe is not None:
            self.probe.cancelled.set()

    def poll(self, engine: Engine) -> bool:
        """Takes the result of a check that is done. True when it passed; OutOfService when it failed, or could not be
        made several times in a row."""
        if self.probe is None or not self.results:
            return False
        result = self.results[0]
        if self.probe.cancelled.is_set() and result.outcome != Outcome.FAILED:
            self._forget(due=True)
            return False
        if result.outcome == Outcome.FAILED:
            raise OutOfService(result.reason, result)
        notes.note_check(engine=engine, process=life_of(engine), result=result)
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
                f"Whether it answers with the right weights could not be checked {self.not_made} times in a row. "
                f"{result.reason}"
            )
        return False

    def _forget(self, *, due: bool) -> None:
        self.probe, self.due = None, due
        self.results = []


def life_of(engine: Engine) -> str:
    """Which life of the engine this is: a restart gives another."""
    return f"process {engine.pid}" if engine.pid else engine.url


def of_adopted(engine: Engine) -> Checking:
    """For an engine that an earlier process of ours started: what its models said alone then."""
    checking = Checking()
    last = engine.weight_checks.filter(outcome=Outcome.PASSED, process=life_of(engine)).first()
    if last is not None:
        try:
            checking.alone = {name: weights.from_json(said) for name, said in last.report["alone"].items()}
            checking.noise = float(last.report["noise"])
        except (KeyError, TypeError, ValueError, AttributeError):
            pass  # written by another version, about other prompts: asked again
    return checking
