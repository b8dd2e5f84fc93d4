"""Whether training is correct on this machine's device, by the product's own loop: the checks of `benchmarks/gpu_training.py`.

A model made here learns the demo's examples with all its weights; LoRA on it is then compared with the CPU in float32, with
itself, and with a run that is killed and goes on. Run as a program, this file is that run.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:] = [str(HERE.parent), *(path for path in sys.path if Path(path).resolve() != HERE)]
    import django

    django.setup()

import hashlib
import json
import signal
import subprocess
import tempfile
import time
from functools import partial
from typing import Any

from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, set_seed

from core.text import whole_lines_of
from tests.support.waiting import wait_for
from tests.training.tiny import make_tokenizer
from training import checkpoints
from training.estimates import steps_of
from training.host.machine import multiplies_bfloat16
from training.methods import METHODS, recipe_from
from training.runner import loop
from training.runner.data import Encoded, encode_rows, stop_id_of
from training.runner.plan import TrainingPlan
from training.runner.train import tokenizer_of

STOP = "<|im_end|>"
SYSTEM = "You answer customers of a freight forwarder."
COMPARED_STEPS = 12
KILLED_AFTER = 4
LEARN = {"epochs": 4.0, "learning_rate": 1e-3, "max_length": 2048, "evaluations": 1, "save_memory": False}
ADAPT = {"learning_rate": 1e-3, "max_length": 2048, "evaluations": 1, "most_rows": 4 * COMPARED_STEPS}


class LossesByStep:
    """A reporter that keeps losses by step, in a file too when it gets one, and waits between steps."""

    def __init__(self, file: Path | None = None, pause: float = 0.0) -> None:
        self.train: dict[int, float] = {}
        self.validation: dict[int, float] = {}
        self._file, self._pause = file, pause

    def step(self, *, step: int, message: str, left: float | None) -> None:
        time.sleep(self._pause)

    def train_point(self, *, step: int, loss: float, **_: float | None) -> None:
        self.train[step] = loss
        if self._file is not None:
            with self._file.open("a") as lines:
                lines.write(json.dumps([step, loss]) + "\n")

    def validation_point(self, *, step: int, loss: float, figures: dict[str, float]) -> None:
        self.validation[step] = loss

    def samples(self, **_: object) -> None: ...

    def saved(self, *, step: int) -> None: ...


def demo_rows() -> list[dict[str, Any]]:
    """The approved pairs of the demo, every eighth held out."""
    folder = HERE.parent / "dataset" / "demo" / "pairs"
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in whole_lines_of(path.read_text())]
    pairs = [pair for pair in map(json.loads, lines) if pair["stage"] == "approved" and pair["completion"]]
    return [
        {name: pair[name] for name in ("messages", "context", "completion")}
        | {"position": at, "example": at, "split": "validation" if at % 8 == 7 else "train"}
        for at, pair in enumerate(pairs)
    ]


def encoded(folder: Path, recipe: Any) -> Encoded:
    return encode_rows(
        demo_rows(),
        tokenizer_of(folder),
        stop_token=STOP,
        system_prompt=SYSTEM,
        max_length=recipe.max_length,
        most_rows=recipe.most_rows,
        most_validation_rows=16,
        seed=recipe.seed,
    )


def make_base(folder: Path) -> None:
    """A small Llama with random weights and a real tokenizer."""
    make_tokenizer(folder)
    config = LlamaConfig(
        vocab_size=len(AutoTokenizer.from_pretrained(folder)),
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
    set_seed(3)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)


def trained(
    folder: Path,
    method: str,
    values: dict[str, Any],
    device: str,
    reporter: LossesByStep,
    *,
    number: int,
    into: Path | None = None,
) -> str:
    """Trains from `folder`, or from this run's checkpoint; the hash of the stored weights."""
    recipe = recipe_from(METHODS[method].recipe, values)
    set_seed(recipe.seed)
    tokenizer = tokenizer_of(folder)
    data = encoded(folder, recipe)
    plan = TrainingPlan(
        recipe=recipe,
        data=data,
        steps=steps_of(len(data.train), recipe.batch_size, recipe.epochs),
        tokenizer=tokenizer,
        stop_id=stop_id_of(tokenizer, STOP),
        questions=0,
    )
    complete = checkpoints.complete(number)
    model = METHODS[method].load(folder, recipe, device)
    with tempfile.TemporaryDirectory() as work:
        loop.train(
            training_run_id=number,
            model=model,
            plan=plan,
            reporter=reporter,
            stop_asked=lambda: False,
            device=device,
            autocast=device == "cuda" and multiplies_bfloat16(device),
            work=Path(work),
            resume_from=complete[0][1] if complete else None,
        )
        stored = into or Path(work) / "result"
        METHODS[method].save(model, stored)
        tokenizer.save_pretrained(stored)
        (weights,) = stored.glob("*model.safetensors")
        return hashlib.sha256(weights.read_bytes()).hexdigest()


def killed_and_resumed(folder: Path, device: str, number: int) -> tuple[dict[int, float], int, str]:
    """Losses by step, the step it continued from, and the hash, of a run in processes of its own whose first one is killed."""
    file = Path(tempfile.mkdtemp(prefix="killed-", dir=folder.parent)) / "losses"
    command = [sys.executable, str(HERE / "gpu_checks.py"), str(folder), device, str(file), str(number)]

    def reached() -> bool:
        return bool(checkpoints.complete(number)) and checkpoints.complete(number)[0][0] >= KILLED_AFTER

    with subprocess.Popen([*command, "0.5"], env=os.environ, stdout=subprocess.DEVNULL) as first:
        try:
            wait_for(reached, seconds=300, what="a checkpoint", every=0.05)
        finally:
            first.send_signal(signal.SIGKILL)
    from_step = checkpoints.complete(number)[0][0]
    answer = subprocess.run(
        [*command, "0"], env=os.environ, capture_output=True, text=True, check=True
    ).stdout
    losses = dict(json.loads(line) for line in whole_lines_of(file.read_text()))
    return losses, from_step, answer.split()[-1]


def _apart(one: dict[int, float], other: dict[int, float]) -> float:
    """The largest relative difference of losses of the same steps."""
    assert one.keys() == other.keys(), (one.keys(), other.keys())
    return max(abs(one[step] - other[step]) / abs(one[step]) for step in one)


def all_checks(device: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        base, learned = Path(name) / "base", Path(name) / "learned"
        base.mkdir()
        make_base(base)
        found = _learns(base, learned, device)
        lora = partial(trained, learned, "lora", ADAPT)
        cpu, first, second = LossesByStep(), LossesByStep(), LossesByStep()
        lora("cpu", cpu, number=2)
        hashes = [lora(device, reporter, number=3 + at) for at, reporter in enumerate((first, second))]
        resumed, from_step, last = killed_and_resumed(learned, device, 5)
        return found | {
            "first step's loss: here, on the CPU in float32": [first.train[1], cpu.train[1]],
            "largest relative difference from the CPU, 12 steps": _apart(cpu.train, first.train),
            "two runs: largest difference of losses": _apart(first.train, second.train),
            "two runs: equal bytes": hashes[0] == hashes[1],
            "killed: continued from step": from_step,
            "killed: largest difference of losses": _apart(first.train, resumed),
            "killed: equal bytes": last == hashes[0],
        }


def _learns(base: Path, learned: Path, device: str) -> dict[str, Any]:
    reporter = LossesByStep()
    trained(base, "full", LEARN, device, reporter, number=1, into=learned)
    before, *_, after = reporter.validation.values()
    return {"a made model learns the demo, validation loss before, after": [before, after]}


def _one_killable_run(folder: str, device: str, file: str, number: str, pause: str) -> None:
    loop.CHECKPOINT_SECONDS = 0.3
    reporter = LossesByStep(Path(file), float(pause))
    print(trained(Path(folder), "lora", ADAPT, device, reporter, number=int(number)))


if __name__ == "__main__":
    _one_killable_run(*sys.argv[1:])
