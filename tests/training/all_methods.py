"""Trains every method and objective on the tiny model for a few steps and writes down what comes out, in this process or, started by
torchrun, in several: python -m tests.training.all_methods <model folder> <folder for the answer> <number of processes>
"""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
STEPS = 3


def preferences(count=12):
    return [
        {
            "position": at, "example": at, "split": "validation" if at >= count else "train", "context": [],
            "messages": [{"role": "user", "content": f"Where is it, case {at}?"}],
            "completion": "It is at sea. " * (1 + at % 5), "rejected": "No idea! " * (1 + (at * 3) % 7),
        }
        for at in range(count + 5)
    ]  # fmt: skip


def cases():
    """(name, method, objective, changes to the recipe)."""
    from tests.training.methods_at_work import CASES
    from training.objectives import OBJECTIVES, SUPERVISED

    # QLoRA trains in one process.
    yield from (
        (name, method, SUPERVISED.name, changes) for method, changes, name in CASES if method != "qlora"
    )
    for objective in OBJECTIVES:
        if objective != SUPERVISED.name:
            yield objective, "lora", objective, {"learning_rate": 0.01}
            yield f"{objective}-full", "full", objective, {"learning_rate": 0.003}


def one(folder, state, number, method, objective, changes):
    """What one training comes to; `rows` are the places in the planned order that each process took, sorted."""
    import torch
    from transformers import AutoTokenizer

    from tests.training.methods_at_work import STOP, rows
    from training.methods import METHODS, recipe_from
    from training.objectives import OBJECTIVES, SUPERVISED, recipe_type
    from training.runner import loop, ranks
    from training.runner.data import encode_rows
    from training.runner.plan import TrainingPlan

    values = {"evaluations": 1, "schedule": "constant", "batch_size": 4, "rows_at_once": 1, "max_length": 512}
    recipe = recipe_from(recipe_type(method, objective), values | changes)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    content = rows(24) if objective == SUPERVISED.name else preferences()
    data = encode_rows(
        content, tokenizer, stop_token=STOP, system_prompt="", max_length=512, objective=OBJECTIVES[objective]
    )
    plan = TrainingPlan(
        recipe=recipe,
        data=data,
        steps=STEPS,
        tokenizer=tokenizer,
        stop_id=tokenizer.convert_tokens_to_ids(STOP),
        objective=OBJECTIVES[objective],
        questions=1,
    )
    taken, losses, seen, kept = [], [], {}, {}
    get = loop._Rows.__getitem__

    def noted(self, at):
        taken.append(at)
        return get(self, at)

    class Reporter:
        def step(self, **told): ...

        def train_point(self, *, loss, **told):
            losses.append(loss)

        def validation_point(self, *, step, loss, figures):
            seen[step] = (loss, figures)

        def samples(self, **told): ...

        def saved(self, **told): ...

    torch.manual_seed(recipe.seed)
    model = METHODS[method].load(folder, recipe, "cpu")
    loop._Rows.__getitem__ = noted
    loop.SAMPLE_TOKENS = 4
    loop.train(
        training_run_id=number,
        model=model,
        plan=plan,
        reporter=Reporter(),
        stop_asked=lambda: False,
        device="cpu",
        autocast=False,
        work=state / "work",
        resume_from=None,
        keep=kept.update,
    )
    loop._Rows.__getitem__ = get
    return {
        "losses": losses,
        "validation": [loss for loss, _ in seen.values()],
        "figures": [value for _, figures in seen.values() for value in figures.values()],
        # Enough to tell two results apart: of each weight the sum of squares.
        "weights": [float(weight.double().square().sum()) for weight in kept.values()],
        "rows": ranks.gathered(sorted(taken)),
    }


def main(folder, target, count):
    import django

    django.setup()
    import torch
    from django.conf import settings
    from torch import distributed

    torch.set_num_threads(1)
    if count > 1:
        distributed.init_process_group("gloo")
    shared = [tempfile.mkdtemp(dir=target)]
    if count > 1:
        distributed.broadcast_object_list(shared)
    settings.STATE_DIR = Path(shared[0])
    found = {
        name: one(folder, settings.STATE_DIR, number, method, objective, changes)
        for number, (name, method, objective, changes) in enumerate(cases())
    }
    if count == 1 or distributed.get_rank() == 0:
        (target / f"found-{count}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
