"""Training on a GPU: tokens a second and memory beside our estimate, for models of known shapes with random weights, and
whether it trains correctly there.

    python benchmarks/gpu_training.py [--checks] [--shapes 135M,1B,3B,8B] [--lengths 256,1024] [--rows 4,16] [--seconds 3] [--json]

Uses the product's own loop, methods and recipes. LoRA with its defaults for every number of rows and length; then with
activations computed twice, with dropout and with rows of one length; then all weights where the estimate says that they
may fit. `--checks` adds: a made model learns the demo's examples, the same LoRA run on the CPU in float32 has the same
losses, and a run killed by SIGKILL continues with the losses of an undisturbed one. Without a GPU it runs on the CPU; use
`--shapes tiny` there. The last line with `--json` is one JSON object.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    # The project's folder instead of this one, in which `statistics` is a benchmark and not the standard library.
    HERE = Path(__file__).resolve().parent
    sys.path[:] = [str(HERE.parent), *(path for path in sys.path if Path(path).resolve() != HERE)]
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    os.environ["GUILDHALL_STATE"] = tempfile.mkdtemp(prefix="guildhall-gpu-")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # As the worker does, before torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import django

    django.setup()

import argparse
import json
from dataclasses import asdict, replace
from typing import Any

import torch
import transformers

from benchmarks import gpu_checks
from benchmarks.gpu_cells import SHAPES, GpuCell, expected, measure, use_threads
from training.host.machine import this_machine

# A model that our estimate puts just above the GPU's memory is tried too, so that the estimate's error shows.
TRIED_ABOVE = 1.2


def cells_of(shape: str, lengths: list[int], rows: list[int]) -> list[GpuCell]:
    """The largest last: each part of the table ends with what needs most memory."""
    plain = [GpuCell(shape, "lora", count, length, {}) for length in lengths for count in rows]
    # The second costs seconds and is asked for once a shape: sample answers are made at the speed of the model, not of the GPU.
    plain[0] = replace(plain[0], questions=1)
    long, few, many = max(lengths), min(rows), max(rows)
    lora = [
        GpuCell(shape, "lora", few, long, {}, same_length=True),
        GpuCell(shape, "lora", few, long, {"dropout": 0.05}),
        GpuCell(shape, "lora", few, long, {"save_memory": True}),
        GpuCell(shape, "lora", many, long, {"save_memory": True}),
    ]
    full = [
        GpuCell(shape, "full", few, min(lengths), {}),
        GpuCell(shape, "full", few, long, {"save_memory": False}),
        GpuCell(shape, "full", many, long, {}),
    ]
    return plain + lora + full


def report(figures: dict[str, Any]) -> str:
    machine = figures["machine"]
    lines = [
        f"{machine['device_name']}, torch {figures['torch']}, transformers {figures['transformers']}",
        "",
        "| model | how | rows x tokens | tokens/s | our guess | by own clock | allocated GB | reserved | process | estimate |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_line(cell) for cell in figures["cells"]]
    written = [
        f"{cell['shape']}: {cell['generated_per_second']:.1f} tokens/s"
        for cell in figures["cells"]
        if "generated_per_second" in cell
    ]
    lines += ["", "Sample answers, one at a time: " + "; ".join(written)]
    if checks := figures.get("checks"):
        lines += [
            "",
            "| check | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in checks.items()),
        ]
    return "\n".join(lines)


def _line(cell: dict[str, Any]) -> str:
    guess = cell["expected"]
    start = f"| {cell['shape']} | {cell['how']} | {cell['rows']} x {cell['length']} "
    if "error" in cell:
        return f"{start}| {cell['error']} | | | | | | {guess['memory_bytes'] / 1e9:.1f} |"
    gigabytes = [cell.get(name, 0) / 1e9 for name in ("allocated_bytes", "reserved_bytes", "process_bytes")]
    sizes = " | ".join(f"{size:.1f}" for size in [*gigabytes, guess["memory_bytes"] / 1e9])
    return (
        f"{start}| {cell['tokens_per_second']:,.0f} | {guess['tokens_per_second']:,.0f} "
        f"| {cell['by_own_clock']:,.0f} | {sizes} |"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--shapes", default="135M,1B,3B,8B", help=", ".join(SHAPES))
    parser.add_argument("--lengths", default="256,1024", help="tokens of a row")
    parser.add_argument("--rows", default="4,16", help="rows of a step, all in memory at once")
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="of measured steps for each line, by our guess"
    )
    parser.add_argument("--checks", action="store_true", help="also whether training is correct")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON in the last line")
    return parser.parse_args()


def main() -> None:
    asked = _arguments()
    use_threads()
    machine = this_machine()
    figures: dict[str, Any] = {
        "machine": asdict(machine),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "cells": [],
    }
    lengths, rows = ([int(part) for part in text.split(",")] for text in (asked.lengths, asked.rows))
    try:
        for shape in filter(None, asked.shapes.split(",")):
            for cell in cells_of(shape, lengths, rows):
                if expected(cell, machine)["memory_bytes"] > TRIED_ABOVE * machine.memory_total:
                    continue
                figures["cells"].append(measure(cell, seconds=asked.seconds))
                print(_line(figures["cells"][-1]), file=sys.stderr, flush=True)
        if asked.checks:
            figures["checks"] = gpu_checks.all_checks(machine.device)
    finally:
        shutil.rmtree(os.environ["GUILDHALL_STATE"], ignore_errors=True)
        print(report(figures), flush=True)
        if asked.json:
            print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
