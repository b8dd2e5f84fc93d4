"""Several processes for one run: the worker starts them by torchrun, writes down what they report, and ends them.

The worker keeps the run: its claim, heartbeat, cancellation and database. Whatever ends the worker ends the processes too, and when one
of them is killed all end, and the run is taken up again from its last checkpoint.
"""

import json
import logging
import os
import select
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from core.runs.context import RunBroken, RunContext, RunFailed
from training.distribution import Layout
from training.host.undisturbed import Stretches
from training.runner.along import called
from training.runner.database import DatabaseReporter
from training.runner.job import TrainingJob
from training.runner.job_folder import REPORTS, STOP, errors_in, exits_in
from training.runner.plan import TrainingPlan
from training.runner.torchrun import start

if TYPE_CHECKING:
    from training.runner.loop import LoopResult

log = logging.getLogger(__name__)
LOOK_EVERY_SECONDS = 0.2


class ToldMemory:
    """Peak memory of the process that used most, as the first one tells it; bytes."""

    peak = 0


class _ToldStretches(Stretches):
    """The undisturbed speed as the first process tells it."""

    told: float | None = None

    @property
    def speed(self) -> float | None:
        return self.told


def train_in_processes(
    job: TrainingJob,
    *,
    layout: Layout,
    ctx: RunContext,
    plan: TrainingPlan,
    reporter: DatabaseReporter,
    memory: ToldMemory,
    stop_asked: Callable[[], bool],
    folder: Path,
) -> "LoopResult":
    """Trains until the end or until the worker must stop; the trained weights are in `folder` then.

    Raises RunFailed as training in this process does, RunBroken when a process was killed.
    """
    job.write(folder)
    os.mkfifo(folder / REPORTS)
    # For reading and writing: opening does not wait, and the pipe has no end before that of the processes.
    pipe = os.open(folder / REPORTS, os.O_RDWR)
    process = start(folder, layout, threads=job.threads, rendezvous=settings.TRAINING_RENDEZVOUS)
    told = _Told(plan, reporter, memory, job.device)
    try:
        with called(job.training_run_id, folder, layout, job.threads):
            while True:
                ready, _, _ = select.select([pipe], [], [], LOOK_EVERY_SECONDS)
                if ready:
                    told.read(os.read(pipe, 65536))
                elif process.poll() is not None:
                    break
                if stop_asked():
                    (folder / STOP).touch()
                ctx.check()
    finally:
        # Its processes end with it.
        process.kill()
        process.wait()
        os.close(pipe)
    if process.returncode != 0 or told.result is None:
        raise _why(folder, layout, process.returncode)
    return told.result


def _why(folder: Path, layout: Layout, agent: int) -> Exception:
    """The error that the end of the processes means; `agent` is the exit status of torchrun."""
    errors = errors_in(folder)
    for error in errors:
        if error.kind == "known":
            return RunFailed(error.code, error.message, error.advice)
    exits = exits_in(folder)
    # torchrun ends the others by SIGTERM. Another signal killed one; the others then miss it, and may not say so in words known here.
    own = {status for status in exits.values() if status != -signal.SIGTERM}
    if agent < 0 or any(status < 0 for status in own) or (exits and not own):
        return RunBroken(f"Killed; exit status of processes: {exits or agent}")
    for error in errors:
        if error.kind == "other":
            return RuntimeError(f"A training process failed.\n{error.message}")
    if errors:
        return RunBroken("The processes lost each other.")
    if layout.hosts > 1:
        return RunFailed(
            "hosts_missing",
            f"Not all {layout.hosts} hosts came to train this run.",
            "Start “manage.py train_along” on each of them, or set GUILDHALL_TRAINING_HOSTS to 1. “Try again” continues from the last "
            "checkpoint.",
        )
    return RuntimeError(f"The training processes could not be started, exit status {agent}; see the log.")


class _Told:
    """Gives the reports of the first process to the worker's reporter."""

    def __init__(
        self, plan: TrainingPlan, reporter: DatabaseReporter, memory: ToldMemory, device: str
    ) -> None:
        self.result: LoopResult | None = None
        self._plan, self._reporter, self._memory = plan, reporter, memory
        self._own_seconds, self._own_units = dict(plan.clock.seconds), dict(plan.clock.units)
        self._stretches = _ToldStretches(device)
        plan.stretches = self._stretches
        self._rest = b""

    def read(self, content: bytes) -> None:
        *lines, self._rest = (self._rest + content).split(b"\n")
        for line in lines:
            told = json.loads(line)
            self._figures(told["figures"])
            # The others are the reporter's own: step, train_point, validation_point, saved.
            own: dict[str, Callable[..., None]] = {"samples": self._samples, "end": self._end}
            report = own.get(told["kind"]) or getattr(self._reporter, told["kind"])
            report(**told["values"])

    def _figures(self, figures: dict[str, Any]) -> None:
        clock = self._plan.clock
        clock.seconds, clock.units = dict(self._own_seconds), dict(self._own_units)
        for kind, seconds in figures["seconds"].items():
            clock.add(kind, seconds, figures["units"][kind])
        self._stretches.told = figures["undisturbed"]
        self._memory.peak = max(self._memory.peak, figures["peak"])

    def _samples(self, *, step: int, answers: list[str]) -> None:
        self._reporter.samples(step=step, answers=list(zip(self._plan.questions, answers, strict=True)))

    def _end(self, *, stopped: bool, steps: int, loss_after: float | None) -> None:
        from training.runner.loop import LoopResult

        self.result = LoopResult(stopped=stopped, steps=steps, loss_after=loss_after)
