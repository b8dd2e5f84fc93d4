"""The demo's training run with the defaults, in the running program: launched over HTTP, done by the worker of queue `gpu`.

    python benchmarks/demo_training.py [--json]

Starts the program with its own state folder, prepares the real base model, freezes the demo's examples and launches LoRA with the
default recipe: what the preflight said, and what was measured. On a machine with a GPU that torch can use, it trains there.
"""

import sys
from pathlib import Path

# The project's folder instead of this one, in which `statistics` is a benchmark and not the standard library.
HERE = Path(__file__).resolve().parent
sys.path[:] = [str(HERE.parent), *(path for path in sys.path if Path(path).resolve() != HERE)]

import argparse
from typing import Any

from benchmarks.real_loop import ADMIN, DEMO_PASSWORD, measured, ready_dataset, say, seconds_between, wait
from tests.support.program import Api, Program
from tests.support.waiting import wait_for

AT = "projects/freight-desk/"


def ready_base(api: Api) -> dict[str, Any] | None:
    bases = api.get(f"{AT}base-models/")["results"]
    if any(base["status"] == "failed" for base in bases):
        raise RuntimeError(f"The base model could not be prepared: {bases}")
    return next((base for base in bases if base["status"] == "ready"), None)


def launch(api: Api) -> tuple[dict[str, Any], str]:
    """(the preflight's answer, the path of the launched run)."""
    say("Waiting for the base model ...")
    base = wait_for(lambda: ready_base(api), seconds=300, what="the base model")
    dataset = api.post(f"{AT}datasets/", {})
    dataset = wait_for(
        lambda: ready_dataset(api, AT, dataset["number"]), seconds=120, what="the frozen dataset", every=0.2
    )
    values = {"method": "lora", "base_model": base["id"], "dataset": dataset["number"], "recipe": {}}
    preflight = api.post(f"{AT}training-preflight/", values)
    say("Training LoRA with the defaults ...")
    return preflight, f"{AT}training-runs/{api.post(f'{AT}training-runs/', values)['number']}/"


def figures_of(preflight: dict[str, Any], training: dict[str, Any]) -> dict[str, Any]:
    estimate, run = preflight["estimate"], training["run"]
    return {
        "device": training["environment"]["device_name"],
        "torch": training["environment"]["torch"],
        "train_rows": training["train_rows"],
        "steps": training["done_steps"],
        "loss_before": training["loss_before"],
        "loss_after": training["loss_after"],
        "seconds": seconds_between(run["started_at"], run["finished_at"]),
        "seconds_estimated": estimate["seconds"],
        "tokens_per_second": training["tokens_per_second"],
        "tokens_per_second_estimated": estimate["tokens_per_second"],
        "peak_memory_bytes": training["peak_memory_bytes"],
        "memory_bytes_estimated": estimate["memory_bytes"],
        "seconds_by_part": training["measured"],
        "seconds_by_part_estimated": estimate["parts"],
    }


def table(figures: dict[str, Any]) -> str:
    return "\n".join(f"{name:<28} {value}" for name, value in figures.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    as_json = parser.parse_args().json
    figures: dict[str, Any] = {}
    with (
        measured("demo", figures, table, as_json) as state,
        Program(state) as program,
        program.signed_in(ADMIN, DEMO_PASSWORD) as api,
    ):
        preflight, path = launch(api)
        figures |= figures_of(preflight, wait(api, path, seconds=1200))


if __name__ == "__main__":
    main()
