"""Versions for the tests of measurements: a frozen dataset with test rows, and real adapters for the tiny model."""

from django.db import transaction

from annotation.models import Example
from core.storage import storage
from tests.support.factories import make_example, make_frozen, make_training, make_version, spelled
from training.general import TASKS, GeneralSet, general_set


def freeze(world, rows=60, *, test=0.3, start=0):
    """`rows` approved examples in two slices, frozen; a group holds two rows."""
    for at in range(start, start + rows):
        make_example(
            world.project,
            question=f"Where is my shipment {spelled(at)}?",
            completion=f"It is at sea, and the planned arrival is {1 + at % 28} Dec. Your next step: none for now.",
            context=[f"FD-{at} | at sea | ETA {1 + at % 28} Dec"],
            status=Example.Status.APPROVED,
            slice=("shipment status", "customs")[at % 2],
            group=f"g{at // 2}",
        )
    with transaction.atomic():
        return make_frozen(world.project, world.admin, test=test)


def make_adapter(world, base, dataset, tmp_path, *, seed=1):
    """A version with a real adapter, of random weights: nothing here needs it to have learnt."""
    import torch

    from training.methods.lora import LoRA, LoRARecipe

    folder = tmp_path / f"adapter-{seed}"
    folder.mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LoRA().load(storage().local_path(base.artifact), LoRARecipe(rank=4), "cpu")
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.data.normal_(0, 0.5)
        LoRA().save(model, folder)
    training = make_training(world.project, world.admin, base_model=base, dataset=dataset, status="succeeded")
    return make_version(
        world.project,
        world.admin,
        training_run=training,
        artifact=storage().put(folder, kind="model"),
        adapter_rank=4,
    )


def small_set():
    """Twenty-two items of each task of the general set: the tiny model answers nonsense, and at full length."""
    items = tuple(item for name in TASKS for item in general_set().of(name)[:22])
    return GeneralSet(items, "0" * 64)
