"""Every method trains for real on the tiny model, continues from a checkpoint, and answers the same from its stored files."""

import json

import pytest
import torch
from transformers import AutoConfig

from training import checkpoints
from training.methods import METHODS
from training.runner.data import collate
from training.runner.loop import row_losses

from .methods_at_work import (
    CASES,
    IDS,
    Collected,
    alike_in_training_and_answers,
    greedy,
    loaded,
    plain_base,
    plan_of,
    recipe_of,
    run_loop,
    validation_loss,
)

STEPS = 6


@pytest.fixture(autouse=True)
def _one_thread():
    """Threads that wait for each other on a busy machine take a hundred times as long as this model needs."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def state(settings, tmp_path):
    settings.STATE_DIR = tmp_path / "state"
    return tmp_path


def trained(folder, method, changes, state, *, number=1):
    recipe = recipe_of(method, changes)
    model, plan, seen = loaded(folder, method, recipe), plan_of(folder, recipe, steps=STEPS), Collected()
    result = run_loop(model, plan, seen, state / "work", number=number)
    assert not result.stopped
    return model, plan, seen


@pytest.mark.parametrize(("method", "changes", "name"), CASES, ids=IDS)
def test_a_method_learns_trains_only_its_own_and_answers_the_same_from_its_files(
    tiny_folder, state, method, changes, name
):
    recipe = recipe_of(method, changes)
    own = METHODS[method]
    start = loaded(tiny_folder, method, recipe)
    before = {key: value.clone() for key, value in start.state_dict().items()}
    trainable = {key for key, value in start.named_parameters() if value.requires_grad}
    architecture = AutoConfig.from_pretrained(tiny_folder).to_dict()
    counted = sum(value.numel() for value in start.parameters() if value.requires_grad)
    assert own.trainable(architecture, start.num_parameters(), recipe) == counted

    model, plan, seen = trained(tiny_folder, method, changes, state)
    assert seen.validation[STEPS] < seen.validation[0] - 0.005
    assert seen.losses[-1] < seen.losses[0]
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    parameters = {key for key, _ in model.named_parameters()}
    assert changed & parameters <= trainable
    assert len(changed & trainable) == len(trainable)

    expected = greedy(model, plan)
    loss = validation_loss(model, plan)
    stored = state / "stored"
    stored.mkdir()
    own.save(model, stored)
    names = {path.name for path in stored.iterdir()}
    assert not {name for name in names if name.endswith((".bin", ".pt", ".pkl"))}
    assert any(name.endswith(".safetensors") for name in names)
    assert (own.version_kind(recipe) == "full") == ((stored / "config.json").is_file())
    size = sum(path.stat().st_size for path in stored.glob("*.safetensors"))
    base = plain_base(tiny_folder)
    assert size == pytest.approx(own.stored_bytes(base.num_parameters(), counted, recipe), rel=0.15, abs=8000)

    attached = own.attach(base, stored)
    # Full weights are stored in bfloat16, as their base is; QLoRA is served beside the base that it had in 4 bits.
    exact = method not in ("full", "qlora")
    assert validation_loss(attached, plan) == pytest.approx(loss, rel=1e-5 if exact else 1e-2)
    if exact:
        assert greedy(attached, plan) == expected
        assert greedy(attached, plan, together=False) == expected


@pytest.mark.parametrize(("method", "changes", "name"), CASES, ids=IDS)
def test_a_run_that_was_stopped_ends_as_one_that_was_not(tiny_folder, state, method, changes, name):
    whole, _, _ = trained(tiny_folder, method, changes, state, number=1)

    recipe = recipe_of(method, changes)
    first = Collected(stop_after=3)
    model = loaded(tiny_folder, method, recipe)
    assert run_loop(model, plan_of(tiny_folder, recipe, steps=STEPS), first, state / "work", number=2).stopped
    assert first.checkpoints == [3]
    ((step, folder),) = checkpoints.complete(2)
    assert step == 3
    assert not list(folder.glob("pytorch_model*"))
    weights = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if method != "full":
        assert weights < 4 * sum(w.numel() for w in model.parameters() if w.requires_grad) + 20_000

    # Another process: other random numbers, a fresh base.
    again = alike_in_training_and_answers(METHODS[method].load(tiny_folder, recipe, "cpu"))
    rest = Collected()
    run_loop(
        again, plan_of(tiny_folder, recipe, steps=STEPS), rest, state / "work", number=2, resume_from=folder
    )
    assert len(rest.losses) == STEPS - 3
    for (key, value), (other_key, other) in zip(
        whole.named_parameters(), again.named_parameters(), strict=True
    ):
        assert key == other_key
        assert torch.allclose(value, other, atol=1e-6), key


@pytest.mark.parametrize(("method", "changes", "name"), CASES, ids=IDS)
def test_the_loss_of_a_padded_row_is_that_of_the_row_alone(tiny_folder, method, changes, name):
    """By hand: the whole row without padding, all its logits, and the cross entropy of the completion's tokens."""
    recipe = recipe_of(method, changes)
    model, plan = loaded(tiny_folder, method, recipe).eval(), plan_of(tiny_folder, recipe, steps=1)
    # A fresh adapter does nothing yet, so it could not be padded wrongly.
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad and method != "full":
                weight.add_(0.1 * torch.randn_like(weight))
    rows = sorted(plan.data.train, key=lambda row: len(row.ids))
    rows = [rows[0], rows[-1]]
    assert len(rows[0].ids) < len(rows[1].ids)
    with torch.no_grad():
        together = row_losses(model, collate(rows, plan.pad_id))
        for row, loss in zip(rows, together, strict=True):
            ids = torch.tensor([row.ids])
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, -len(row.ids) :]
            chances = torch.log_softmax(logits.float(), dim=-1)
            by_hand = -sum(
                float(chances[at - 1, row.ids[at]]) for at in range(row.prompt_length, len(row.ids))
            )
            assert float(loss) == pytest.approx(by_hand, rel=1e-4)


@pytest.mark.parametrize(
    ("method", "changes", "name"),
    [case for case in CASES if case[0] != "prefix"],
    ids=[i for i in IDS if i != "prefix"],
)
def test_gradient_checkpointing_changes_no_loss(tiny_folder, state, method, changes, name):
    plain = trained(tiny_folder, method, changes | {"save_memory": False}, state, number=1)[2]
    saving = trained(tiny_folder, method, changes | {"save_memory": True}, state, number=2)[2]
    assert saving.losses == pytest.approx(plain.losses, rel=1e-4)


def test_a_pissa_adapter_is_stored_as_lora_of_twice_the_rank(tiny_folder, state):
    model, _, _ = trained(tiny_folder, "lora", {"variant": "pissa", "rank": 4}, state)
    stored = state / "stored"
    stored.mkdir()
    METHODS["lora"].save(model, stored)
    config = json.loads((stored / "adapter_config.json").read_text())
    assert (config["r"], config["use_dora"], config["use_rslora"], config["init_lora_weights"]) == (
        8,
        False,
        False,
        True,
    )
    assert METHODS["lora"].rank(recipe_of("lora", {"variant": "pissa", "rank": 4})) == 8


def test_bottleneck_files_of_another_shape_are_refused(tiny_folder, state):
    from training.methods import bottleneck_layers

    model = bottleneck_layers.insert(plain_base(tiny_folder), 4)
    stored = state / "stored"
    stored.mkdir()
    bottleneck_layers.save(model, stored)
    config = json.loads((stored / "bottleneck_config.json").read_text())
    (stored / "bottleneck_config.json").write_text(json.dumps(config | {"layers": 5}))
    with pytest.raises(ValueError, match="hidden size"):
        METHODS["bottleneck"].attach(plain_base(tiny_folder), stored)
