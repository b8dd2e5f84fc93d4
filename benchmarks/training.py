"""Training: ours beside TRL's SFTTrainer, in one run: the same rows as the same token ids, the same model, adapter and steps.

    python benchmarks/training.py [--rows 60] [--repeats 2] [--pairs ../shared/data/service_pairs.jsonl] [--quick] [--json]

Every measurement is a process of its own; ours and TRL's take turns, `--repeats` times, and the median counts. The machine should be
otherwise idle. The model is SmolLM2-135M-Instruct, LoRA with the defaults of our form. Speeds are tokens of rows a second, padding
not counted, over the steps alone: from the first row's way into the model to the end of the optimiser.

All are in one precision: bfloat16 where the processor has instructions for it, else float32. `tokens_per_second_ratio` is ours
against TRL without recomputing activations, the fastest of random batches, batches of rows of similar length, and one row at a time
with gradients accumulated; `tokens_per_second_ratio_defaults` against TRL's own defaults (activations computed twice). Memory is the
highest resident memory above that of the process before the model is loaded; `peak_memory_ratio` is ours against that fastest one,
`peak_memory_ratio_random_batches` and `peak_memory_ratio_one_row` against the others. `heldout_loss_ours` and `heldout_loss_trl` are
nats per completion token of the same held-out rows, measured by the same code. `memory_lora_over_full` is our default LoRA against
full fine-tuning with Adam in float32, four rows at once and activations kept, on the same rows in the same steps. `evaluation_share`
is what evaluations and sample answers take of a run on 80 rows with the defaults. `resume_overhead_seconds` is the time from the start of a new process after
SIGKILL to its first new step. With `--json` the last line is one JSON object.
"""

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    # The project's folder instead of this one, in which `statistics` is a benchmark and not the standard library.
    sys.path[:] = [str(HERE.parent), *(path for path in sys.path if Path(path).resolve() != HERE)]
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    os.environ["GUILDHALL_STATE"] = tempfile.mkdtemp(prefix="guildhall-training-")
    import django

    django.setup()

import argparse
import json
import random
import statistics
import subprocess
import time
from typing import Any

from benchmarks.unknown_facts import gguf
from core.text import lines_of
from training.host.machine import multiplies_bfloat16
from training.runner.base_models import _from_gguf

PRECISION = {"bf16": multiplies_bfloat16("cpu")}
KEPT = PRECISION | {"gradient_checkpointing": False}
TRL = {
    "trl": KEPT,
    "trl_by_length": KEPT | {"train_sampling_strategy": "group_by_length"},
    "trl_one_row": KEPT | {"rows_at_once": 1},
    "trl_defaults": PRECISION,
}
LIMITS = {
    "tokens_per_second_ratio": "at least 2.0", "peak_memory_ratio": "at most 0.8", "evaluation_share": "at most 0.15",
    "memory_lora_over_full": "at most 0.30", "resume_overhead_seconds": "under 20",
}  # fmt: skip
SHOWN = (
    "tokens_per_second_ratio", "tokens_per_second_ratio_random_batches", "tokens_per_second_ratio_defaults", "peak_memory_ratio",
    "peak_memory_ratio_random_batches", "peak_memory_ratio_one_row", "memory_lora_over_full", "evaluation_share",
    "resume_overhead_seconds", "adapter_mb",
)  # fmt: skip
RESUMED_ROWS = 400  # more steps than the first process gets to do


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Bench:
    """The model, the rows in an order of their own, and the figures so far."""

    def __init__(self, state: Path, asked: argparse.Namespace) -> None:
        self.asked, self.figures = asked, dict[str, Any]()
        self.folder, self.pairs = state / "model", state / "pairs.jsonl"
        self.folder.mkdir(parents=True)
        say("Unpacking the model ...")
        _from_gguf(gguf(), self.folder)
        self._write_rows()

    def _write_rows(self) -> None:
        """Rows in random order; those after the ones to train on are of other conversations."""
        lines = lines_of(self.asked.pairs.read_text())
        random.Random(11).shuffle(lines)
        chosen = lines[: max(self.asked.rows, RESUMED_ROWS)]
        known = {json.loads(line)["conversation_id"] for line in chosen}
        others = [line for line in lines if json.loads(line)["conversation_id"] not in known]
        self.rows = lines
        train = chosen[: self.asked.rows]
        self.pairs.write_text("\n".join([*train, *others[: self.asked.held_out]]) + "\n")
        self.many = self.pairs.with_name("many.jsonl")
        self.many.write_text("\n".join([*chosen, *others[:20]]) + "\n")

    def cell(self, kind: str, method: str = "lora", **more: object) -> dict[str, Any]:
        return {
            "kind": kind, "method": method, "folder": str(self.folder), "pairs": str(self.pairs), "recipe": {},
            "rows": self.asked.rows, "held_out": self.asked.held_out, "options": {}, **more,
        }  # fmt: skip

    def measured(self, label: str, cell: dict[str, Any]) -> dict[str, Any]:
        """Runs one cell to its end. SystemExit with its last words when it fails."""
        say(f"{label} ...")
        done = subprocess.run(_command(cell), capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{label} failed:\n{done.stderr[-3000:]}")
        found: dict[str, Any] = json.loads(lines_of(done.stdout)[-1])
        say(f"    {json.dumps(found)}")
        return found

    # --- ours beside TRL
    def compare(self) -> None:
        cells = {"ours": self.cell("ours")} | {
            name: self.cell("trl", options=options) for name, options in TRL.items()
        }
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in cells}
        for turn in range(self.asked.repeats):
            # Each turn in another order: what the machine does meanwhile favours none.
            for name in _turned(list(cells), turn):
                found[name].append(self.measured(name, cells[name]))
        for name, all_of_it in found.items():
            speeds = [one["tokens"] / one["seconds"] for one in all_of_it]
            self.figures[f"tokens_per_second_{name}"] = statistics.median(speeds)
            self.figures[f"spread_{name}"] = max(speeds) / min(speeds) - 1
            self.figures[f"memory_mb_{name}"] = max(one["memory_bytes"] for one in all_of_it) / 1e6
            self.figures[f"heldout_loss_{name}"] = statistics.median(one["heldout_loss"] for one in all_of_it)
        memory = {name: self.figures[f"memory_mb_{name}"] for name in cells}
        speed = {name: self.figures[f"tokens_per_second_{name}"] for name in cells}
        best = max("trl", "trl_by_length", "trl_one_row", key=speed.__getitem__)
        self.figures |= {
            "trl_best": best,
            "tokens_per_second_ratio": speed["ours"] / speed[best],
            "tokens_per_second_ratio_random_batches": speed["ours"] / speed["trl"],
            "tokens_per_second_ratio_defaults": speed["ours"] / speed["trl_defaults"],
            "peak_memory_ratio": memory["ours"] / memory[best],
            "peak_memory_ratio_random_batches": memory["ours"] / memory["trl"],
            "peak_memory_ratio_one_row": memory["ours"] / memory["trl_one_row"],
            "adapter_mb": found["ours"][0]["adapter_mb"],
        }

    # --- memory against full fine-tuning
    def against_full(self) -> None:
        recipe = {"save_memory": False, "rows_at_once": 4, "batch_size": 4}
        rows = min(24, self.asked.rows)
        plain = self.cell("ours", "full", recipe=recipe, rows=rows, held_out=4, bfloat16=False)
        full = self.measured("full", plain)["memory_bytes"]
        # The same rows: memory is that of the longest.
        lora = self.measured("LoRA on the same rows", self.cell("ours", rows=rows, held_out=4))[
            "memory_bytes"
        ]
        self.figures |= {"memory_mb_full": full / 1e6, "memory_lora_over_full": lora / full}

    # --- a run with all that people see of it
    def share_of_evaluation(self) -> None:
        rows = 24 if self.asked.quick else 80
        cell = self.cell("watched", pairs=str(self.many), rows=rows, held_out=20)
        found = self.measured("a watched run", cell)
        parts = found["seconds_by_part"]
        self.figures["seconds_by_part"], self.figures["measuring"] = parts, found["measuring"]
        self.figures["evaluation_share"] = (parts["evaluate"] + parts["sample"]) / sum(parts.values())

    # --- SIGKILL and on
    def resume(self) -> None:
        say("Killing a run after its first checkpoint ...")
        cell = self.cell("resumed", pairs=str(self.many), rows=RESUMED_ROWS, held_out=20)
        with subprocess.Popen(
            _command(cell | {"clean": True}), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as first:
            assert first.stdout is not None
            line = first.stdout.readline()
            first.send_signal(signal.SIGKILL)
        if not line:
            raise SystemExit("The run to be killed ended before its first checkpoint.")
        began = time.time()
        found = self.measured("the run that goes on", cell)
        self.figures["resume_overhead_seconds"] = found["at"] - began
        self.figures["resumed_from_step"] = found["from_step"]


def _command(cell: dict[str, Any]) -> list[str]:
    return [sys.executable, "-W", "ignore", str(HERE / "training_cells.py"), json.dumps(cell)]


def _turned(names: list[str], turn: int) -> list[str]:
    turn %= len(names)
    return names[turn:] + names[:turn]


def table(figures: dict[str, Any]) -> str:
    lines = [f"{'':<16}{'tokens/s':>10}{'memory MB':>11}{'held-out loss':>15}"]
    lines += [
        f"{name:<16}{figures[f'tokens_per_second_{name}']:>10.0f}{figures[f'memory_mb_{name}']:>11.0f}"
        f"{figures[f'heldout_loss_{name}']:>15.3f}"
        for name in ("ours", *TRL)
        if f"tokens_per_second_{name}" in figures
    ]
    lines += [
        f"{name:<40}{figures[name]:>8.2f}   {LIMITS.get(name, '')}" for name in SHOWN if name in figures
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=60, help="rows to train on, once")
    parser.add_argument("--held-out", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument(
        "--pairs", type=Path, default=HERE.parent.parent / "shared" / "data" / "service_pairs.jsonl"
    )
    parser.add_argument("--quick", action="store_true", help="24 rows, 12 held out, once")
    parser.add_argument(
        "--json", action="store_true", help="print the figures as one JSON object in the last line"
    )
    asked = parser.parse_args()
    if asked.quick:
        asked.rows, asked.held_out, asked.repeats = 24, 12, 1
    if not asked.pairs.is_file():
        raise SystemExit(
            f"{asked.pairs} is not there. Name another file of prompts and completions with --pairs."
        )
    state = Path(os.environ["GUILDHALL_STATE"])
    figures: dict[str, Any] = {}
    try:
        bench = Bench(state, asked)
        figures = bench.figures
        for part in (bench.compare, bench.against_full, bench.share_of_evaluation, bench.resume):
            part()
    except KeyboardInterrupt:
        say("Stopped. The table has what was measured until then.")
    finally:
        shutil.rmtree(state, ignore_errors=True)
    print(table(figures), flush=True)
    if asked.json:
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
