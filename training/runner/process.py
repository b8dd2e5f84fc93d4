"""One of the processes that train a run together: python -m training.runner.process <folder of the job>

torchrun starts them and says in the environment which one this is (RANK, WORLD_SIZE, LOCAL_RANK). They read no database: the worker,
which has the run, gives them a job and writes down what the first of them reports.
"""

import json
import os
import sys
import time
import traceback
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from core.host.processes import die_with_parent
from training.runner.job_folder import AGENT, REPORTS, RESULT, STOP, ProcessError

if TYPE_CHECKING:
    import torch

    from training.rows import TrainingRow
    from training.runner.job import TrainingJob
    from training.runner.memory import PeakMemory
    from training.runner.plan import TrainingPlan

# How long the processes wait for each other: longer than an evaluation, sample answers or the writing of a checkpoint take.
TIMEOUT = timedelta(minutes=60)
# Words of gloo and NCCL when another process is gone.
_GONE = ("gloo", "nccl", "connection closed by peer", "connection reset", "broken pipe", "socket")


class Reports:
    """The loop's reporter in the first process: writes what it is told into the pipe."""

    def __init__(self, pipe: TextIO, plan: "TrainingPlan", memory: "PeakMemory") -> None:
        self._pipe, self._plan, self._memory = pipe, plan, memory

    def tell(self, kind: str, **values: object) -> None:
        """Figures travel with every report, so that the worker's are as new as its sentence."""
        clock = self._plan.clock
        figures = {
            "seconds": clock.seconds,
            "units": clock.units,
            "undisturbed": self._plan.stretches.speed,
            "peak": self._memory.peak,
        }
        self._pipe.write(json.dumps({"kind": kind, "values": values, "figures": figures}) + "\n")
        self._pipe.flush()

    def step(self, *, step: int, message: str, left: float | None) -> None:
        self.tell("step", step=step, message=message, left=left)

    def train_point(
        self, *, step: int, loss: float, learning_rate: float | None, speed: float | None
    ) -> None:
        self.tell("train_point", step=step, loss=loss, learning_rate=learning_rate, speed=speed)

    def validation_point(self, *, step: int, loss: float, figures: dict[str, float]) -> None:
        self.tell("validation_point", step=step, loss=loss, figures=figures)

    def samples(self, *, step: int, answers: "list[tuple[TrainingRow, str]]") -> None:
        self.tell("samples", step=step, answers=[answer for _, answer in answers])

    def saved(self, *, step: int) -> None:
        self.tell("saved", step=step)


class SilentReports(Reports):
    """The reporter of the other processes."""

    def tell(self, kind: str, **values: object) -> None: ...


def main(folder: Path) -> None:
    die_with_parent()
    if os.getppid() != int(os.environ[AGENT]):
        sys.exit("The process that started this one is gone.")
    import django

    django.setup()
    from training.runner.job import read

    number = int(os.environ["RANK"])
    try:
        _train(read(folder), folder)
    except BaseException as error:
        _understood(error).write(folder, number)
        raise


def _understood(error: BaseException) -> ProcessError:
    from torch.distributed import DistError

    from core.runs.context import RunFailed
    from training.runner.train import understood

    if not isinstance(error, RunFailed):
        error = understood(error)
    if isinstance(error, RunFailed):
        return ProcessError("known", error.message, error.code, error.advice)
    text = "".join(traceback.format_exception(error))
    gone = isinstance(error, DistError) or any(word in str(error).lower() for word in _GONE)
    return ProcessError("connection" if gone else "other", text)


def _train(job: "TrainingJob", folder: Path) -> None:
    from django.conf import settings

    began = time.monotonic()
    # Checkpoints are beside the worker's, whatever this process's environment says.
    settings.STATE_DIR = job.state_dir
    _join(job)
    from torch import distributed

    from training.runner import ranks
    from training.runner.loop import train
    from training.runner.memory import PeakMemory
    from training.runner.train import tokenizer_of

    plan = job.own_plan(tokenizer_of(job.base_folder))
    # The worker reads the pipe on the first process's host.
    to = folder / REPORTS if ranks.is_first() else Path(os.devnull)
    with PeakMemory(job.device) as memory, to.open("w") as pipe:
        reporter = (Reports if ranks.is_first() else SilentReports)(pipe, plan, memory)
        reporter.step(step=plan.first_step, message="Loading the model in each process.", left=None)
        model = job.untrained_model()
        plan.clock.add("load", time.monotonic() - began)
        result = train(
            training_run_id=job.training_run_id,
            model=model,
            plan=plan,
            reporter=reporter,
            stop_asked=(folder / STOP).exists,
            device=job.device,
            autocast=job.autocast,
            work=folder / f"trainer-{ranks.number()}",
            resume_from=job.resume_from,
            keep=lambda weights: _keep(weights, folder / RESULT),
        )
        reporter.tell("end", stopped=result.stopped, steps=result.steps, loss_after=result.loss_after)
    # The others wait until the first has stored the result.
    distributed.barrier()
    distributed.destroy_process_group()


def _join(job: "TrainingJob") -> None:
    """This process's device, threads and seed, and its connection to the others."""
    from training.runner.train import set_up_torch

    set_up_torch(job.typed_recipe().seed)
    import torch
    from torch import distributed

    if job.device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    else:
        torch.set_num_threads(job.threads)
    backend = "cpu:gloo,cuda:nccl" if job.device == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=TIMEOUT)


def _keep(weights: "dict[str, torch.Tensor]", folder: Path) -> None:
    """Leaves the trained weights to the worker, which stores the result."""
    from training.runner import ranks
    from training.runner.trained_weights import save_tensors

    if ranks.is_first():
        save_tensors(weights, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
