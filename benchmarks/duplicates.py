"""How long a search for duplicates takes in a project of 100,000 examples, and the memory of its worker.

    python benchmarks/duplicates.py [--rows 100000] [--json]

Starts the program (web, worker, beat, PostgreSQL, Valkey) with its own state folder. The time is that of the run: reading, comparing,
storing. Of the made rows (benchmarks/made_rows.py) one in twenty asks nearly the same as an earlier one; besides, 3 of 100 repeat a
prompt and record with another answer, so that answers are compared by value and by meaning.
"""

import sys
from pathlib import Path

# The project's folder instead of this one, in which `statistics` is a benchmark and not the standard library.
HERE = Path(__file__).resolve().parent
sys.path[:] = [str(HERE.parent), *(path for path in sys.path if Path(path).resolve() != HERE)]

import argparse
import json
from typing import Any

from benchmarks import made_rows
from benchmarks.data import Session
from benchmarks.real_loop import ADMIN, DEMO_PASSWORD, measured, say, seconds_between, wait
from benchmarks.server_watch import find
from benchmarks.worker_memory import WorkerMemory
from core.text import whole_lines_of
from tests.support.program import ROOT, Program

LIMIT = 60
REPEATS = 33  # every so many rows are followed by one that repeats its prompt and record


def write(path: Path, count: int) -> int:
    """Writes `count` rows; returns how many of them repeat a prompt with another answer."""
    repeats, written = 0, 0
    with path.open("w", encoding="utf-8") as file:
        for number, row in enumerate(made_rows.rows(count)):
            file.write(json.dumps(row) + "\n")
            written += 1
            if number % REPEATS == 0 and written < count:
                file.write(
                    json.dumps({**row, "completion": f"We do not have it. {row['completion']}"}) + "\n"
                )
                repeats, written = repeats + 1, written + 1
            if written >= count:
                break
    return repeats


def cpu_seconds(program: Program) -> float:
    """What the worker's processes have used: on a busy machine this says more than the time by the clock."""
    leader = find(program, "worker")
    assert leader is not None
    times = [process.cpu_times() for process in (leader, *leader.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def search(session: Session, rows: int) -> None:
    """Fills the figures near_duplicates_100k_seconds, near_duplicates_peak_mb and near_duplicates_found."""
    say(f"Making {rows:,} rows ...")
    file = session.program.state / "duplicates.jsonl"
    repeats = write(file, rows)
    session.project("Duplicates", "duplicates")
    say("Importing ...")
    session.bring_in("duplicates", file, "queued")
    say("Looking for duplicates ...")
    at = "projects/duplicates/duplicates/search/"
    before = cpu_seconds(session.program)
    with WorkerMemory(session.program, "worker") as memory:
        session.api.post(at)
        found = wait(session.api, at, seconds=3600)
    run = found["run"]
    session.figures |= {
        "near_duplicates_100k_seconds": seconds_between(run["started_at"], run["finished_at"]),
        "near_duplicates_cpu_seconds": cpu_seconds(session.program) - before,
        "near_duplicates_peak_mb": memory.peak_mb,
        "near_duplicates_before_mb": memory.before_mb,
        "near_duplicates_repeats": repeats,
        "near_duplicates_found": found["counts"],
    }


def table(figures: dict[str, Any]) -> str:
    if "near_duplicates_100k_seconds" not in figures:
        return "not run"
    return (
        f"search for duplicates, seconds      {figures['near_duplicates_100k_seconds']:>8.1f}   limit < {LIMIT}\n"
        f"CPU seconds of its worker           {figures['near_duplicates_cpu_seconds']:>8.1f}\n"
        f"its worker's peak memory, MB        {figures['near_duplicates_peak_mb']:>8.0f}   before {figures['near_duplicates_before_mb']:.0f}\n"
        f"found                               {json.dumps(figures['near_duplicates_found'])}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object at the end")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {}

    def output(found: dict[str, Any]) -> str:
        return f"{table(found)}\n{json.dumps(found)}" if arguments.json else table(found)

    with measured("duplicates", figures, output, False) as state:
        processes = state / "Procfile"
        kept = ("web:", "worker:", "beat:")
        lines = whole_lines_of((ROOT / "Procfile").read_text())
        processes.write_text("".join(line for line in lines if line.startswith(kept)))
        with (
            Program(state, environment={"GUILDHALL_PROCFILE": str(processes)}) as program,
            program.signed_in(ADMIN, DEMO_PASSWORD) as api,
        ):
            search(Session(program, api, figures), arguments.rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
