"""The folder of a run that several processes train; all of them can read it.

    job.pickle       the job, written by the worker
    reports          a named pipe: the first process writes one JSON object a line, the worker reads them
    stop             made by the worker when the run must be saved and handed back
    error-<n>.json   why process n ended
    exits-<n>.json   {process: exit status} of processes of host n that failed, written by its torchrun
    result/          the trained weights, written by the first process

Needs no Django, which processes set up after they have bound themselves to the one that started them.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

JOB, REPORTS, STOP, RESULT, EXITS = "job.pickle", "reports", "stop", "result", "exits-{}.json"
# Environment variables: who started a process. It ends when that one is gone.
WORKER, AGENT = "GUILDHALL_TRAINING_WORKER", "GUILDHALL_TRAINING_AGENT"

# known: a RunFailed; connection: another process is gone; other: an error in the program.
ErrorKind = Literal["known", "connection", "other"]


@dataclass(frozen=True)
class ProcessError:
    """Why a process ended. `message` of kind "other" is its traceback."""

    kind: ErrorKind
    message: str
    code: str = ""
    advice: str = ""

    def write(self, folder: Path, number: int) -> None:
        (folder / f"error-{number}.json").write_text(json.dumps(asdict(self)))


def errors_in(folder: Path) -> list[ProcessError]:
    return [ProcessError(**json.loads(path.read_text())) for path in sorted(folder.glob("error-*.json"))]


def exits_in(folder: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for path in folder.glob(EXITS.format("*")):
        found |= json.loads(path.read_text())
    return found
