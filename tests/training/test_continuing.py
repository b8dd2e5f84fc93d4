"""Runs that continue from a version, for real on the tiny model: what is exact, what is refused, and how the result is served."""

import pytest
import torch

from core.storage import storage
from inference.engines.transformers_server.models import Models
from tests.support.factories import make_version
from training import services
from training.methods import METHODS, complete
from training.models import ModelVersion
from training.runner import loop
from training.runner.held_out import load_version
from training.runner.starting import StartFolders, load
from training.serving import Serving

from .conftest import finish
from .methods_at_work import (
    CASES,
    Collected,
    plan_of,
    recipe_of,
    run_loop,
    validation_loss,
)
from .trained import freeze

BESIDE = [
    (method, changes, name)
    for method, changes, name in CASES
    # A processor packs 4-bit weights for answering only where they are 64 wide; the tiny model's are not.
    if METHODS[method].continuing(recipe_of(method, changes)) and method != "qlora"
]


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def state(settings, tmp_path):
    settings.STATE_DIR = tmp_path / "state"
    return tmp_path


@pytest.fixture
def plain_steps(monkeypatch):
    """An optimiser without a memory: a step depends on weights and rows only, so a run in two parts takes the same steps."""
    usual = loop.trainer_arguments

    def arguments(*args, **kwargs):
        own = usual(*args, **kwargs)
        own.optim = "sgd"
        return own

    monkeypatch.setattr(loop, "trainer_arguments", arguments)


def _stored(method, model, folder):
    folder.mkdir()
    METHODS[method].save(model, folder)
    return folder


class TestExactness:
    @pytest.mark.parametrize(("method", "changes", "name"), BESIDE, ids=[name for _, _, name in BESIDE])
    def test_a_stored_part_continues_where_it_ended(self, tiny_folder, state, method, changes, name):
        recipe, own = recipe_of(method, changes), METHODS[method]
        torch.manual_seed(1)
        model, plan = own.load(tiny_folder, recipe, "cpu"), plan_of(tiny_folder, recipe, steps=4)
        run_loop(model, plan, Collected(), state / "work", number=1)
        loss = validation_loss(model, plan)
        folder = _stored(method, model, state / "first")

        needed = own.continuing(recipe)
        again = recipe_of(method, changes | needed)
        torch.manual_seed(2)
        second = load(own, again, StartFolders(tiny_folder, folder), "cpu")
        assert validation_loss(second, plan) == pytest.approx(loss, rel=1e-6)
        assert any(weight.requires_grad for weight in second.parameters())
        seen = Collected()
        run_loop(second, plan_of(tiny_folder, again, steps=4), seen, state / "work", number=2)
        assert seen.validation[0] == pytest.approx(loss, rel=1e-6)
        assert seen.validation[4] < seen.validation[0]
        # What the second run stores is beside the same base model again.
        third = load(own, again, StartFolders(tiny_folder, _stored(method, second, state / "second")), "cpu")
        assert validation_loss(third, plan) == pytest.approx(seen.validation[4], rel=1e-5)

    @pytest.mark.parametrize(
        ("method", "changes", "other"),
        [
            ("lora", {"rank": 4}, {"rank": 8}),
            ("bottleneck", {"size": 8}, {"size": 16}),
            ("prompt", {"length": 4}, {"length": 5}),
        ],
    )
    def test_a_part_of_another_shape_is_refused(self, tiny_folder, state, method, changes, other):
        own = METHODS[method]
        folder = _stored(method, own.load(tiny_folder, recipe_of(method, changes), "cpu"), state / "first")
        with pytest.raises(ValueError, match="does not fit"):
            load(own, recipe_of(method, other), StartFolders(tiny_folder, folder), "cpu")

    def test_training_in_two_parts_is_training_longer(self, tiny_folder, state, plain_steps):
        recipe, own = (
            recipe_of("lora", {"learning_rate": 0.1, "rank": 4, "warmup": 0.0, "batch_size": 2}),
            METHODS["lora"],
        )
        torch.manual_seed(1)
        whole = own.load(tiny_folder, recipe, "cpu")
        long = plan_of(tiny_folder, recipe, steps=6)
        run_loop(whole, long, Collected(), state / "work", number=1)

        def part(model, rows, number):
            plan = plan_of(tiny_folder, recipe, steps=3)
            plan.order = list(rows)
            run_loop(model, plan, Collected(), state / "work", number=number)
            return model

        torch.manual_seed(1)
        half = len(long.order) // 2
        first = part(own.load(tiny_folder, recipe, "cpu"), long.order[:half], 2)
        folder = _stored("lora", first, state / "first")
        second = load(own, recipe, StartFolders(tiny_folder, folder), "cpu")
        part(second, long.order[half:], 3)
        start = dict(own.load(tiny_folder, recipe, "cpu").named_parameters())
        moved = 0.0
        for (name, value), other in zip(whole.named_parameters(), second.parameters(), strict=True):
            assert torch.allclose(value, other, atol=1e-7), name
            if "lora_B" in name:
                moved = max(moved, float((value - start[name]).abs().max()))
        assert moved > 1e-4


def _run(world, base, dataset, method, changes, start=None):
    recipe = {
        "epochs": 1,
        "most_rows": 12,
        "most_validation_rows": 4,
        "evaluations": 1,
        "max_length": 256,
    } | changes
    training = services.launch(
        by=world.admin,
        project=world.project,
        base_model=base,
        dataset=dataset,
        method=method,
        recipe=recipe,
        continued_from=start,
    )
    training = finish(training)
    assert training.run.status == "succeeded", training.run.error_message
    return training, ModelVersion.objects.get(training_run=training)


@pytest.mark.django_db(transaction=True)
class TestChains:
    def test_three_runs_of_one_adapter(self, world, tiny_base, tmp_path):
        dataset = freeze(world)
        changes = {"rank": 4, "alpha": 8, "learning_rate": 0.01}
        one, v1 = _run(world, tiny_base, dataset, "lora", changes)
        two, v2 = _run(world, tiny_base, dataset, "lora", changes, v1)
        three, v3 = _run(world, tiny_base, dataset, "lora", changes, v2)
        assert two.loss_before == pytest.approx(one.loss_after, rel=1e-5)
        assert three.loss_before == pytest.approx(two.loss_after, rel=1e-5)
        assert three.loss_after < one.loss_before
        assert (v3.parent, v3.parent_number, v2.parent, v1.parent) == (v2, v2.number, v1, None)
        assert (v3.kind, v3.serving, v3.adapter_rank) == ("adapter", Serving.ADAPTER, 4)
        assert v3.parity_prompts == v1.parity_prompts
        assert three.run.title.endswith(f", from {v2}")

        models = Models(storage().local_path(tiny_base.artifact), "base", most_adapters=3, device="cpu")
        for version in (v1, v2, v3):
            models.load(version.served_name, storage().local_path(version.artifact), "lora")
        prompt = torch.tensor([v3.parity_prompts[0]["token_ids"]])
        with torch.inference_mode():
            scores = [models.get(version.served_name).module(prompt).logits for version in (v1, v2, v3)]
            own = load_version(v3, device="cpu", precision="float32")(prompt).logits
        assert torch.allclose(scores[2], own, atol=1e-5)
        assert not torch.allclose(scores[0], scores[2], atol=1e-3)

    def test_whole_weights_then_a_part_then_that_part_again(self, world, tiny_base):
        dataset = freeze(world)
        _one, v1 = _run(world, tiny_base, dataset, "full", {"learning_rate": 0.01})
        changes = {"length": 4, "learning_rate": 0.1}
        two, v2 = _run(world, tiny_base, dataset, "prompt", changes, v1)
        # Complete weights are stored in bfloat16, and the next run starts from what is stored.
        three, v3 = _run(world, tiny_base, dataset, "prompt", changes, v2)
        assert three.loss_before == pytest.approx(two.loss_after, rel=1e-5)
        assert (v2.kind, v2.serving) == (v3.kind, v3.serving) == ("full", Serving.TRANSFORMERS)
        folder = storage().local_path(v3.artifact)
        assert complete.part_of(folder) is not None
        weights = [
            next(
                entry["sha256"] for entry in version.artifact.manifest if entry["path"] == "model.safetensors"
            )
            for version in (v1, v2, v3)
        ]
        assert len(set(weights)) == 1

        served = Models(folder, v3.served_name, most_adapters=0, device="cpu").get(v3.served_name)
        assert served.virtual_tokens == 4
        ours = load_version(v3, device="cpu", precision="float32")
        ids = v3.parity_prompts[0]["token_ids"]
        prompt = torch.tensor([ids])
        options = {"max_new_tokens": 12, "do_sample": False, "attention_mask": torch.ones_like(prompt)}
        with torch.inference_mode():
            expected = ours.generate(input_ids=prompt, **options)
            assert torch.equal(served.module.generate(input_ids=prompt, **options), expected)
            whole = load_version(v1, device="cpu", precision="float32")(prompt).logits[0, -1]
        assert not torch.allclose(ours(prompt).logits[0, -1], whole, atol=1e-3)

    def test_an_adapter_on_whole_weights_is_merged_into_them(self, world, tiny_base):
        dataset = freeze(world)
        one, v1 = _run(world, tiny_base, dataset, "ia3", {"learning_rate": 0.1})
        for variant in ("lora", "pissa"):
            two, v2 = _run(
                world, tiny_base, dataset, "lora", {"rank": 4, "learning_rate": 0.01, "variant": variant}, v1
            )
            # What IA3 stored is merged in float32, so the next run begins where it ended.
            assert two.loss_before == pytest.approx(one.loss_after, rel=1e-4)
            assert (v2.kind, v2.serving, v2.adapter_rank) == ("full", Serving.WHOLE, None)
            three, v3 = _run(world, tiny_base, dataset, "bottleneck", {"size": 8, "learning_rate": 0.01}, v2)
            assert three.loss_before == pytest.approx(two.loss_after, rel=1e-4)
            assert v3.serving == Serving.TRANSFORMERS


class TestRefusals:
    def _stops(self, world, base, dataset, method, recipe, start):
        result = services.check(
            by=world.admin,
            project=world.project,
            base_model=base,
            dataset=dataset,
            method=method,
            recipe=recipe_of(method, recipe),
            continued_from=start,
        )
        return {finding.setting: f"{finding.message} {finding.advice}" for finding in result.stops}

    def test_what_cannot_be_continued_says_what_to_do(self, world, tiny_base):
        dataset = freeze(world)
        adapter = make_version(world.project, world.admin, base_model=tiny_base)
        full = make_version(world.project, world.admin, base_model=tiny_base, kind="full")
        stops = self._stops
        assert stops(world, tiny_base, dataset, "lora", {}, adapter) == {}
        assert "Choose LoRA" in stops(world, tiny_base, dataset, "full", {}, adapter)["method"]
        said = stops(world, tiny_base, dataset, "lora", {"rank": 8, "variant": "dora"}, adapter)
        assert "Set it to 16" in said["rank"] and "“LoRA”" in said["variant"]
        for method in set(METHODS) - {"qlora"}:  # which needs a GPU, whatever it starts from
            assert stops(world, tiny_base, dataset, method, {}, full) == {}, method
        ModelVersion.objects.filter(pk=full.pk).update(status="rejected")
        full.refresh_from_db()
        assert "token check" in stops(world, tiny_base, dataset, "lora", {}, full)["continued_from"]
        foreign = make_version(world.other, world.neighbour, base_model=tiny_base)
        assert "this project" in stops(world, tiny_base, dataset, "lora", {}, foreign)["continued_from"]
        other = make_version(world.project, world.admin)
        assert "base model" in stops(world, tiny_base, dataset, "lora", {}, other)["base_model"]
