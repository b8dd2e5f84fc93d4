"""Estimates against what was measured: memory by autograd's own count, speed by published and own figures."""

import json
from pathlib import Path

import pytest

from core.models import Run
from tests.support.factories import make_base_model, make_dataset, make_training
from training import estimates, preflight, speeds
from training.estimates.memory import KEPT, PROCESS_BYTES, Shape, activation_bytes, memory_bytes
from training.host.machine import Machine
from training.methods import METHODS, recipe_from

LLAMA_8B = {
    "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
    "intermediate_size": 14336, "vocab_size": 128_256,
}  # fmt: skip
PARAMETERS_8B = 8_030_261_248
SMOLLM2 = {
    "hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
    "intermediate_size": 1536, "vocab_size": 49_152,
}  # fmt: skip


# --- memory ------------------------------------------------------------------------------------------------
def memory(**changes):
    values = {
        "architecture": SMOLLM2, "parameters": 134_515_008, "trainable": 4_884_480, "rank": 16, "bytes_per_weight": 4,
        "rows": 4, "length": 256, "completion": 80, "save_memory": False, "device": "cpu", "bfloat16": False,
        "dropout": False,
    }  # fmt: skip
    return memory_bytes(**(values | changes))


def test_memory_grows_with_everything_that_needs_memory():
    least = memory()
    assert memory(rows=8) > least
    assert memory(length=512) > least
    assert memory(trainable=134_515_008, rank=None) > least
    assert memory(completion=200) > least
    assert memory(dropout=True) > least
    assert memory(save_memory=True) < least
    assert memory(bfloat16=True) < least
    assert memory(weights_bytes=134_515_008) == least - 3 * 134_515_008
    wide_keys = SMOLLM2 | {"num_key_value_heads": 9}
    assert memory(architecture=wide_keys) > least


@pytest.mark.parametrize(
    ("adapter", "dropout", "device", "measured"),
    [(True, False, "cuda", 231_000), (True, True, "cpu", 387_000), (False, False, "cuda", 242_000)],
)
def test_an_8b_layer_keeps_what_was_measured(adapter, dropout, device, measured):
    """Bytes per token and layer of an 8B-shaped Llama with products in bfloat16, counted on another occasion."""
    kept = activation_bytes(
        shape=Shape.of(LLAMA_8B),
        adapter=adapter,
        rank=16,
        bfloat16=True,
        dropout=dropout,
        save_memory=False,
        bytes_per_weight=2,
        length=1024,
        device=device,
    )
    assert kept / 32 == pytest.approx(measured, rel=0.06)


LLAMA_205M = {
    "hidden_size": 960, "num_hidden_layers": 16, "num_attention_heads": 15, "num_key_value_heads": 5,
    "intermediate_size": 2560, "vocab_size": 49_152, "head_dim": 64,
}  # fmt: skip


def on_cpu(architecture, parameters, name, rows):
    """Bytes that the preflight would say for rows of up to 504 tokens in float32, completions of up to 60."""
    method = METHODS[name]
    recipe = recipe_from(method.recipe, {"save_memory": False})
    return memory(
        architecture=architecture | {"model_type": "llama"},
        parameters=parameters,
        trainable=method.trainable(architecture, parameters, recipe),
        rank=method.width(recipe),
        rows=rows,
        length=504,
        completion=60,
        fused=method.fused(recipe),
    )


@pytest.mark.parametrize(
    ("architecture", "parameters", "method", "rows", "measured"),
    [
        (SMOLLM2, 134_515_008, "lora", 1, 1.96e9),
        (SMOLLM2, 134_515_008, "full", 4, 5.05e9),
        (LLAMA_205M, 204_504_000, "lora", 1, 2.10e9),
        (LLAMA_205M, 204_504_000, "full", 4, 5.70e9),
    ],
)
def test_what_a_cpu_needed_at_two_sizes_is_estimated_on_the_safe_side(
    architecture, parameters, method, rows, measured
):
    """The highest resident memory of the whole process (docs/reference/training-memory.md)."""
    assert measured < on_cpu(architecture, parameters, method, rows) < 1.5 * measured


@pytest.mark.parametrize(
    ("architecture", "parameters"),
    [(SMOLLM2, 134_515_008), ("1B", 1_235_814_400), (LLAMA_8B, PARAMETERS_8B)],
    ids=("135M", "1B", "8B"),
)
def test_default_lora_is_estimated_at_less_than_a_third_of_full_training(architecture, parameters):
    shape = GPU_SHAPES[architecture] if isinstance(architecture, str) else architecture
    process = PROCESS_BYTES["cpu"]
    lora, full = (on_cpu(shape, parameters, *how) - process for how in (("lora", 1), ("full", 4)))
    assert lora / full < 0.30


H200 = json.loads(Path(__file__).with_name("h200_made_models.json").read_text())["cells"]
GPU_SHAPES = {
    "135M": SMOLLM2 | {"parameters": 134_515_008},
    "1B": {
        "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8,
        "intermediate_size": 8192, "vocab_size": 128_256, "parameters": 1_235_814_400,
    },
    "3B": {
        "hidden_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 24, "num_key_value_heads": 8,
        "intermediate_size": 8192, "vocab_size": 128_256, "parameters": 3_212_749_824,
    },
    "8B": LLAMA_8B | {"parameters": PARAMETERS_8B},
}  # fmt: skip


def name_of(cell):
    return f"{cell['shape']}-{cell['method']}-{cell['rows']}x{cell['length']}-{cell['changes']}-{cell['one_length']}"


def on_h200(cell):
    """(bytes, tokens a second) that the preflight would say for what was measured."""
    shape, method = GPU_SHAPES[cell["shape"]], METHODS[cell["method"]]
    recipe = recipe_from(method.recipe, cell["changes"])
    needed = memory(
        architecture=shape,
        parameters=shape["parameters"],
        trainable=method.trainable(shape, shape["parameters"], recipe),
        rank=method.width(recipe),
        bytes_per_weight=method.bytes_per_weight("cuda"),
        rows=cell["rows"],
        length=cell["length"],
        completion=round(cell["length"] / 3),
        save_memory=recipe.save_memory,
        device="cuda",
        bfloat16=True,
        dropout=method.dropout(recipe) > 0,
    )
    speed = general(
        parameters=shape["parameters"],
        full=cell["method"] == "full",
        save_memory=recipe.save_memory,
        dropout=method.dropout(recipe) > 0,
        device_name="NVIDIA H200",
        layers=shape["num_hidden_layers"],
        portion_tokens=cell["rows"] * cell["length"],
    )
    return needed, speed.tokens_per_second


@pytest.mark.parametrize("cell", H200, ids=name_of)
def test_what_an_h200_needed_is_estimated_on_the_safe_side(cell):
    """What torch allocated and what the process holds beside torch; cached blocks are given back when memory is short."""
    needed, speed = on_h200(cell)
    if cell.get("out_of_memory"):
        assert needed > 150_754_820_096
        return
    used = cell["allocated_bytes"] + cell["process_bytes"] - cell["reserved_bytes"]
    assert used <= needed < 1.2 * used
    # That host's processor gave times that differed by a factor of two for equal work.
    assert speed / 2.5 < cell["tokens_per_second"] < speed * 1.3


@pytest.mark.slow
@pytest.mark.parametrize("kind", KEPT, ids=str)
def test_what_a_layer_keeps_is_what_autograd_counts(kind):
    from tests.support.activations import SHAPES, bytes_per_token, shape_of

    adapter, bfloat16, dropout = kind
    for shape in (SHAPES[0], SHAPES[-1]):
        counted = bytes_per_token(shape, adapter=adapter, bfloat16=bfloat16, dropout=dropout)
        assert KEPT[kind].bytes_for(shape_of(shape), shape[-1]) == counted


A100 = Machine(
    host="gpu", device="cuda", device_name="NVIDIA A100-SXM4-80GB", threads=16, bfloat16=True,
    memory_total=80 * 2**30, memory_free=79 * 2**30, disk_free=10**13,
)  # fmt: skip


@pytest.fixture
def big(world, monkeypatch):
    """An 8B base on a machine with one A100."""
    monkeypatch.setattr(preflight, "training_machine", lambda: A100)
    return make_base_model(architecture=LLAMA_8B, parameter_count=PARAMETERS_8B, context_length=131_072)


def long_rows(count=24):
    return [
        {
            "messages": [{"role": "user", "content": "word " * 700}],
            "context": [],
            "completion": "word " * 310,
            "split": "validation" if at % 2 else "train",
        }
        for at in range(count)
    ]


def check(world, base, method="lora", dataset=None, **settings):
    return preflight.check(
        project=world.project,
        base_model=base,
        dataset=dataset or make_dataset(world.project, 60),
        method=method,
        recipe=recipe_from(METHODS[method].recipe, settings),
    )


@pytest.mark.django_db
def test_a_default_lora_of_an_8b_model_fits_on_80_gb_and_a_full_one_does_not(world, big):
    dataset = make_dataset(world.project, content=long_rows())
    lora = check(world, big, dataset=dataset)
    assert 1000 < lora.data.longest_row <= 1024
    assert lora.ok, lora.stops
    assert 45e9 < lora.estimate.memory_bytes < 60e9
    full = check(world, big, "full", dataset=dataset)
    assert any("of memory" in stop.message for stop in full.stops)
    assert full.estimate.memory_bytes > 145e9


# --- speed -------------------------------------------------------------------------------------------------
def general(**changes):
    values = {
        "parameters": PARAMETERS_8B, "full": False, "save_memory": False, "dropout": False, "device": "cuda",
        "device_name": "NVIDIA GeForce RTX 4090", "threads": 16, "bfloat16": True, "layers": 32, "portion_tokens": 0,
    }  # fmt: skip
    return speeds.general_speed(**(values | changes))


def test_published_figures_are_given_back_and_say_where_they_come_from():
    assert general().tokens_per_second == pytest.approx(3083, rel=0.01)
    assert general(device_name="NVIDIA RTX A6000").tokens_per_second == pytest.approx(4699, rel=0.01)
    assert "torchtune README" in general().source
    a100 = general(device_name="NVIDIA A100-SXM4-80GB", parameters=7_720_000_000, save_memory=True)
    assert a100.tokens_per_second == pytest.approx(2926, rel=0.01)
    assert general(full=True).tokens_per_second == pytest.approx(1650, rel=0.05)
    unknown = general(device_name="Some GPU 1")
    assert "no figure for this device" in unknown.source
    assert unknown.tokens_per_second == pytest.approx(2777, rel=0.01)
    assert all(len(entry.source) > 20 and entry.pace > 1e13 for entry in speeds.published())


def test_a_small_portion_is_as_fast_as_the_processor_hands_work_over():
    small = {"parameters": 134_515_008, "layers": 30, "device_name": "NVIDIA H200"}
    few = general(**small, portion_tokens=1000)
    assert few.tokens_per_second == pytest.approx(1000 / (30 * 0.012))
    assert "processor" in few.source
    assert general(**small, portion_tokens=2000).tokens_per_second == pytest.approx(2 * few.tokens_per_second)
    assert general(**small, portion_tokens=1000, save_memory=True).tokens_per_second < few.tokens_per_second
    # From some size on the GPU itself is the limit, and more rows do not help.
    large = general(**small, portion_tokens=10**6)
    assert large == general(**small, portion_tokens=10**7)
    assert "H200" in large.source
    # A CPU has nothing to hand over.
    on_cpu = {"parameters": 134_515_008, "device": "cpu", "device_name": "CPU, 2 threads", "threads": 2}
    assert general(**on_cpu, portion_tokens=1) == general(**on_cpu, portion_tokens=10**6)


def test_an_h200_has_our_own_figure_and_an_h100_the_published_one():
    own = general(device_name="NVIDIA H200", portion_tokens=4096)
    assert own.tokens_per_second == pytest.approx(8660, rel=0.01)
    assert "measured by us" in own.source
    assert "NeMo" in general(device_name="NVIDIA H100 80GB HBM3").source


def test_answers_on_a_gpu_take_longer_with_more_layers():
    def sample(device, layers):
        return estimates.unit_seconds(
            tokens_per_second=1000,
            validation_tokens=100,
            full=False,
            recomputed=False,
            device=device,
            trainable=10,
            stored_bytes=40,
            layers=layers,
        )["sample"]

    assert sample("cuda", 32) == pytest.approx(2 * sample("cuda", 16))
    # Measured on an H200: 13.8 and 9.1 tokens a second with 30 and 32 layers.
    assert 60 / 13.8 < sample("cuda", 31) < 60 / 9.1
    assert sample("cpu", 32) == sample("cpu", 16)


CPU = Machine(
    host="here", device="cpu", device_name="CPU, 2 threads", threads=2, memory_total=24 * 10**9, memory_free=20 * 10**9,
    disk_free=10**12,
)  # fmt: skip


def past_run(project, user, base, *, undisturbed, **fields):
    return make_training(
        project,
        user,
        base_model=base,
        status=Run.Status.SUCCEEDED,
        environment={"device_name": CPU.device_name},
        tokens_per_second=fields.pop("tokens_per_second", 28.0),
        undisturbed_speed=undisturbed,
        **fields,
    )


@pytest.fixture
def cpu(world, monkeypatch):
    monkeypatch.setattr(preflight, "training_machine", lambda: CPU)
    return make_base_model()


@pytest.mark.django_db
def test_a_speed_comes_from_this_projects_undisturbed_runs_of_the_same_kind(world, cpu):
    dataset = make_dataset(world.project, 60)
    rule = check(world, cpu, dataset=dataset).estimate
    assert "scaled from a measurement" in rule.speed_from
    # Slowed by other work, another project's, another base's, another method's: none of them is this run's speed.
    past_run(world.project, world.admin, cpu, undisturbed=None, number=90)
    assert check(world, cpu, dataset=dataset).estimate.speed_from == rule.speed_from
    own = past_run(world.project, world.admin, cpu, undisturbed=78.0, number=91)
    past_run(world.other, world.neighbour, cpu, undisturbed=500.0, number=92)
    past_run(world.project, world.admin, make_base_model(), undisturbed=900.0, number=93)
    past_run(world.project, world.admin, cpu, undisturbed=40.0, number=94, method="full")
    found = check(world, cpu, dataset=dataset).estimate
    assert found.tokens_per_second == 78.0
    assert found.speed_from == f"measured in Run {own.number} of this project"


@pytest.mark.django_db
def test_other_projects_runs_correct_the_general_figure_and_are_not_named(world, cpu):
    dataset = make_dataset(world.project, 60)
    rule = check(world, cpu, dataset=dataset).estimate
    past_run(world.other, world.neighbour, cpu, undisturbed=rule.tokens_per_second * 3, number=92)
    corrected = check(world, cpu, dataset=dataset).estimate
    assert corrected.tokens_per_second == pytest.approx(3 * rule.tokens_per_second)
    assert "corrected by runs of this installation" in corrected.speed_from
    assert "Run" not in corrected.speed_from
    # A full fine-tune is judged by what LoRA reached, not as if nothing had been trained.
    before = speeds.CPU_FULL_SHARE * speeds.RECOMPUTED_SHARE["full"]
    full = check(world, cpu, "full", dataset=dataset).estimate
    assert full.tokens_per_second == pytest.approx(3 * rule.tokens_per_second * before)


# --- time --------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_time_is_told_by_part_and_measured_parts_come_from_own_runs(world, cpu):
    dataset = make_dataset(world.project, 60)
    found = check(world, cpu, dataset=dataset).estimate
    assert found.seconds == pytest.approx(sum(found.parts.values()))
    twice = check(world, cpu, dataset=dataset, epochs=2.0).estimate
    assert twice.parts["train"] == pytest.approx(2 * found.parts["train"], rel=0.1)
    assert twice.parts["evaluate"] == found.parts["evaluate"]
    past_run(
        world.project,
        world.admin,
        cpu,
        undisturbed=100.0,
        tokens_per_second=50.0,
        measured={"load": 9.0, "train": 100.0, "evaluate": 80.0, "sample": 60.0},
        counted={"train": 5000, "evaluate": 4, "sample": 3},
        data_facts={"validation_tokens": 2 * 300},
    )
    units = check(world, cpu, dataset=dataset).estimate.unit_seconds
    assert units["train"] == pytest.approx(1 / 100)
    assert units["sample"] == pytest.approx(10.0)  # 20 s while it trained at half its speed
    assert units["load"] == 9.0


def test_a_learning_curve_is_two_and_a_half_runs_a_repeat_and_loads_the_model_for_each_point():
    units = {"load": 10.0, "train": 0.01, "evaluate": 6.0}
    given = {
        "units": units,
        "tokens": 1000,
        "validation_rows": 20,
        "held_out_rows": 40,
        "shares": (25, 50, 75, 100),
    }
    once = estimates.curve_seconds(**given, repeats=1)
    assert once == pytest.approx(2.5 * 10 + 4 * (10 + 2 * 6))
    assert estimates.curve_seconds(**given, repeats=3) == pytest.approx(3 * once)
