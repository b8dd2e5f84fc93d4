"""What training takes away, and what keeps it: full fine-tuning and LoRA, plain and with each mitigation, on the 135M model.

    nice -n 10 python benchmarks/forgetting.py [--rows 120] [--epochs 3] [--items 40] [--seeds 1] [--only lora,best] [--quick] [--json]

The rows are the demo's approved examples whose completion states facts; others of other conversations are held out. The model is
SmolLM2-135M-Instruct, prepared, trained and measured by the product's own code. The old tasks are the general set (`training.general`):
arithmetic, following a format, world facts and refusals, whose answers are checked, and plain prose, of which the loss is measured. The
rows are mails of a freight forwarder, so no row has their format; no item is among the questions that replay practises, and prose is
practised by none.

A model's forgetting, `forgotten_X`, is how much less likely the right answers to the old tasks became: nats a token of the reference answers
(of prose of the text), mean over the five tasks; a task that got better counts as 0, so that one cannot pay for another. It is the figure of
the page "The way back". The share of right answers, which is coarser, stands beside it by task (`right_X`); `points_lost_X` is the mean over
the four tasks of what it fell by, in points. X is `full`, `lora`, or a mitigation; `full` has a fifth of LoRA's learning rate, at
which it learns the rows better than LoRA does, and is the strong case. `best` is LoRA with the mitigation that is advised;
`kept_share` = 1 - forgotten_best / forgotten_full is the part of plain full fine-tuning's forgetting that is gone, `heldout_ratio_best` =
heldout_loss_best / heldout_loss_lora. `heldout_loss_X` is in nats per completion token, `base` stands for the model before training. By the
speed of two idle cores about 40 minutes; with `--quick` about 8. With `--json` the last line is one JSON object.
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
    os.environ["GUILDHALL_STATE"] = tempfile.mkdtemp(prefix="guildhall-forgetting-")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # As the worker does, before torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import django

    django.setup()

import argparse
import gc
import json
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from peft import PeftModel
from transformers import PreTrainedModel

from benchmarks.gpu_checks import LossesByStep
from benchmarks.unknown_facts import STOP, gguf
from benchmarks.unknown_rows import Row, held_out, stating_rows, system_prompt
from core.runs.context import RunFailed
from training.estimates import steps_of
from training.general import TASKS, GeneralSet, general_set
from training.host.machine import multiplies_bfloat16
from training.methods import METHODS, recipe_from
from training.models import BaseModel
from training.objectives import recipe_type
from training.objectives.supervised import learns_own_words
from training.runner.answers import answers
from training.runner.base_answers import BaseWriter
from training.runner.base_models import _from_gguf
from training.runner.data import encode_rows, stop_id_of
from training.runner.forgetting import GeneralQuestion, portions, questions_of
from training.runner.held_out import load_weights, losses_of_rows
from training.runner.loop import train
from training.runner.plan import TrainingPlan
from training.runner.replay import with_replay
from training.runner.rewriting import rewritten
from training.runner.scoring import apart
from training.runner.train import set_up_torch, tokenizer_of

Model = PreTrainedModel | PeftModel
PLAIN = {"replay": "none"}
FULL = {"learning_rate": 2e-4}
# (method, settings that differ from the form's defaults).
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "full": ("full", FULL | PLAIN),
    "lora": ("lora", PLAIN),
    "best": ("lora", {"replay": "general"}),
    "lora_self": ("lora", {"replay": "self"}),
    "lora_own_words": ("lora", PLAIN | {"own_words": True}),
    "lora_held": ("lora", PLAIN | {"divergence_weight": 0.1}),
    "full_general": ("full", FULL | {"replay": "general"}),
    "full_self": ("full", FULL | {"replay": "self"}),
}
CONTEXT = 2048


class Old:
    """The old tasks, and how a model does them."""

    def __init__(self, folder: Path, items: int) -> None:
        base = BaseModel(stop_token=STOP, context_length=CONTEXT)
        self.tokenizer = tokenizer_of(folder)
        self.stop = stop_id_of(self.tokenizer, STOP)
        whole = general_set()
        # Spread evenly over each task, which goes from easy to hard.
        chosen = [one for task in TASKS for one in _spread(whole.of(task), items)]
        self.questions = questions_of(GeneralSet(tuple(chosen), whole.version), base, self.tokenizer)

    def figures(self, model: Model, device: str) -> dict[str, float]:
        """{task: share of right answers}, and {"loss_" and task: nats per token of the reference answers}."""
        right: dict[str, list[bool]] = {}
        loss, tokens = Counter[str](), Counter[str]()
        with apart(model):
            for portion in portions(self.questions):
                task = TASKS[portion[0].item.task]
                if task.most_tokens:
                    right.setdefault(task.name, []).extend(self._right(model, portion, task.most_tokens))
                loss[f"loss_{task.name}"] += sum(losses_of_rows(model, [one.row for one in portion], device))
                tokens[f"loss_{task.name}"] += sum(one.row.answer_tokens for one in portion)
        shares = {name: sum(each) / len(each) for name, each in right.items()}
        return shares | {name: loss[name] / tokens[name] for name in loss}

    def _right(self, model: Model, portion: Sequence[GeneralQuestion], most_tokens: int) -> list[bool]:
        written = answers(
            model,
            [one.prompt for one in portion],
            stop_id=self.stop,
            pad_id=self.stop,
            most_tokens=most_tokens,
        )
        texts = [self.tokenizer.decode(ids, skip_special_tokens=True).strip() for (ids,) in written]
        return [
            one.item.check is not None and one.item.check(text)
            for one, text in zip(portion, texts, strict=True)
        ]


def _spread(items: Sequence[Any], most: int) -> list[Any]:
    return [items[at * len(items) // most] for at in range(most)] if most < len(items) else list(items)


def forgotten(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """See the beginning of this file."""
    lost = [max(0.0, after[f"loss_{task}"] - before[f"loss_{task}"]) for task in TASKS]
    points = [100 * (before[task] - after[task]) for task in TASKS if task in before]
    return {"forgotten": sum(lost) / len(lost), "points_lost": sum(points) / len(points)}


def trained(
    folder: Path,
    rows: Sequence[Row],
    validation: Sequence[Row],
    *,
    method: str,
    settings: dict[str, Any],
    device: str,
    number: int,
) -> tuple[Any, float]:
    """The trained model, and its loss on the validation rows."""
    recipe = recipe_from(recipe_type(method), {"evaluations": 1, **settings})
    set_up_torch(recipe.seed)
    tokenizer = tokenizer_of(folder)
    split = [("train", row) for row in rows] + [("validation", row) for row in validation]
    named = [{**row, "split": name, "position": at, "example": at} for at, (name, row) in enumerate(split)]
    work = Path(tempfile.mkdtemp(dir=os.environ["GUILDHALL_STATE"]))
    writer = BaseWriter(folder, tokenizer, STOP, device, recipe.seed, work, lambda _: None)
    if learns_own_words(recipe):
        named, changed = rewritten(named, writer, system_prompt=system_prompt(), context=CONTEXT)
        say(f"{changed} of {len(rows)} answers have the base model's words.")
    data = encode_rows(
        named,
        tokenizer,
        stop_token=STOP,
        system_prompt=system_prompt(),
        max_length=recipe.max_length,
        seed=recipe.seed,
    )
    data = with_replay(data, recipe, writer, training_run_id=0)
    plan = TrainingPlan(
        recipe=recipe,
        data=data,
        steps=steps_of(len(data.train), recipe.batch_size, recipe.epochs),
        tokenizer=tokenizer,
        stop_id=stop_id_of(tokenizer, STOP),
        questions=0,
    )
    losses = LossesByStep()
    model = METHODS[method].load(folder, recipe, device)
    train(
        training_run_id=number,
        model=model,
        plan=plan,
        reporter=losses,
        stop_asked=lambda: False,
        device=device,
        # As the product trains on a GPU, where the base model is loaded in bfloat16.
        autocast=device == "cuda" and multiplies_bfloat16(device),
        work=work / "trainer",
        resume_from=None,
    )
    return model, list(losses.validation.values())[-1]


# --- the table --------------------------------------------------------------------------------------------
def summed(found: Mapping[str, Sequence[dict[str, float]]]) -> dict[str, Any]:
    """The figures of all models, means over seeds."""
    figures: dict[str, Any] = {}
    for name, seeds in found.items():
        mean = {key: sum(one[key] for one in seeds) / len(seeds) for key in seeds[0]}
        figures[f"right_{name}"] = {task: round(mean[task], 4) for task in TASKS if task in mean}
        figures[f"prose_{name}"] = round(mean["loss_prose"], 4)
        figures[f"losses_{name}"] = {task: round(mean[f"loss_{task}"], 4) for task in TASKS}
        for key in ("forgotten", "points_lost", "heldout_loss"):
            if key in mean:
                figures[f"{key}_{name}"] = round(mean[key], 4)
    if figures.get("forgotten_full") and "forgotten_best" in figures:
        figures["kept_share"] = round(1 - figures["forgotten_best"] / figures["forgotten_full"], 4)
    if "heldout_loss_lora" in figures and "heldout_loss_best" in figures:
        ratio = figures["heldout_loss_best"] / figures["heldout_loss_lora"]
        figures["heldout_ratio_best"] = round(ratio, 4)
    return figures


def table(figures: dict[str, Any]) -> str:
    tasks = [task for task in TASKS if task != "prose"]
    lines = [
        f"{figures.get('rows', 0)} rows, {figures.get('epochs', 0):g} epochs, {figures.get('seeds', 0)} seed(s)",
        "",
        f"| model | forgotten | held-out loss | {' | '.join(tasks)} | prose, nats |",
        "|---" * (4 + len(tasks)) + "|",
    ]
    for name in ("base", *MODELS):
        if f"right_{name}" not in figures:
            continue
        cells = [f"{figures[f'right_{name}'][task]:.0%}" for task in tasks]
        measured = [figures.get(f"{key}_{name}") for key in ("forgotten", "heldout_loss")]
        shown = ["" if value is None else f"{value:.3f}" for value in measured]
        lines.append(
            f"| {name} | {' | '.join(shown)} | {' | '.join(cells)} | {figures[f'prose_{name}']:.3f} |"
        )
    return "\n".join(lines)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measure(folder: Path, asked: argparse.Namespace, figures: dict[str, Any]) -> None:
    device = set_up_torch(0)
    old = Old(folder, asked.items)
    precision = "bfloat16" if device == "cuda" else "float32"
    base = load_weights(folder, device=device, precision=precision)
    before = old.figures(base, device)
    del base
    found: dict[str, list[dict[str, float]]] = {"base": [before]}
    say(f"base: {before}")
    for seed in range(1, asked.seeds + 1):
        pool, tested = held_out(stating_rows(), asked.held_out, seed)
        random.Random(f"{seed}/order").shuffle(pool)
        rows = pool[: asked.rows]
        figures |= {"rows": len(rows), "held_out": len(tested), "seeds": seed, "epochs": asked.epochs}
        for name in asked.only.split(",") if asked.only else MODELS:
            gc.collect()
            began = time.process_time()
            method, settings = MODELS[name]
            model, loss = trained(
                folder,
                rows,
                tested,
                method=method,
                settings={"epochs": asked.epochs, "seed": seed, **settings},
                device=device,
                number=100 * seed + list(MODELS).index(name),
            )
            after = old.figures(model, device)
            own = after | {"heldout_loss": loss} | forgotten(before, after)
            found.setdefault(name, []).append(own)
            del model
            figures |= summed(found)
            spent = time.process_time() - began
            say(f"Seed {seed}, {name}: {own}, {spent:.0f} s of processor time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=120, help="rows to train on")
    parser.add_argument("--held-out", type=int, default=40, help="rows to measure the loss on, at least")
    parser.add_argument("--items", type=int, default=40, help="items of each old task")
    parser.add_argument("--epochs", type=float, default=3.0)
    parser.add_argument(
        "--seeds", type=int, default=1, help="each with other held-out rows and another order"
    )
    parser.add_argument(
        "--only", default="", help="names of models, with commas; full, lora and best are compared"
    )
    parser.add_argument("--quick", action="store_true", help="32 rows, 16 held out, 12 items, three models")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    asked = parser.parse_args()
    if asked.quick:
        asked.rows, asked.held_out, asked.items, asked.only = 32, 16, 12, "full,lora,best"
    if unknown := set(filter(None, asked.only.split(","))) - set(MODELS):
        raise SystemExit(f"No such model: {', '.join(sorted(unknown))}. Choose among {', '.join(MODELS)}.")
    figures: dict[str, Any] = {}
    state = Path(os.environ["GUILDHALL_STATE"])
    try:
        folder = state / "model"
        folder.mkdir(parents=True)
        say("Unpacking the model ...")
        _from_gguf(gguf(), folder)
        measure(folder, asked, figures)
    except KeyboardInterrupt:
        say("Stopped. The table has what was measured until then.")
    except RunFailed as failed:
        say(f"A training failed: {failed}. The table has what was measured until then.")
    finally:
        shutil.rmtree(state, ignore_errors=True)
    print(table(figures), flush=True)
    if asked.json:
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
