"""Which base models the methods take, and what they say of the others."""

from dataclasses import replace

import pytest
import torch

from training.host.machine import Machine
from training.methods import METHODS, recipe_from
from training.methods.shapes import LLAMA_LIKE
from training.models import BaseModel
from training.preflight import methods
from training.serving import Serving

MACHINE = Machine(
    host="here", device="cpu", device_name="CPU", threads=2, memory_total=8 * 10**9, memory_free=8 * 10**9, disk_free=10**12
)  # fmt: skip


def made(kind: str):
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        kind,
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=1,
    )
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


@pytest.mark.parametrize("kind", LLAMA_LIKE)
def test_the_arithmetic_holds_and_gradients_flow_for_each_type_of_base_model(kind):
    ids = torch.arange(2, 14).reshape(1, -1)
    for method in METHODS.values():
        base = made(kind)
        architecture = base.config.to_dict()
        if method.unavailable(architecture, "cpu") or method.every_weight:
            continue
        recipe = method.recipe()
        model = method.adapted(base, recipe)
        own = [weight for weight in model.parameters() if weight.requires_grad]
        counted = sum(weight.numel() for weight in own)
        assert method.trainable(architecture, base.num_parameters(), recipe) == counted, method.name
        model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits.sum().backward()
        assert any(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in own), method.name


def base_model(**architecture) -> BaseModel:
    return BaseModel(
        name="Base", status=BaseModel.Status.READY, architecture=architecture, context_length=100
    )


@pytest.mark.parametrize("name", ["oft", "ia3", "bottleneck", "prefix", "adaption-prompt"])
def test_an_unknown_base_model_stops_a_launch_with_a_sentence(name):
    found = methods.method_findings(METHODS[name], base_model(model_type="gpt2"), MACHINE)
    assert [(one.level, one.setting) for one in found] == [("stop", "method")]
    assert "gpt2" in found[0].message
    assert found[0].message.endswith(".")
    assert not methods.method_findings(METHODS["lora"], base_model(model_type="gpt2"), MACHINE)
    assert not methods.method_findings(METHODS[name], None, MACHINE)


def test_qlora_is_refused_where_it_cannot_run():
    qlora, base = METHODS["qlora"], base_model(model_type="llama")
    (no_gpu,) = methods.method_findings(qlora, base, MACHINE)
    assert (no_gpu.level, no_gpu.setting) == ("stop", "method")
    assert no_gpu.message == "QLoRA needs an NVIDIA GPU, and the training machine has none."
    with_gpu = replace(MACHINE, device="cuda", packages=())
    (no_package,) = methods.method_findings(qlora, base, with_gpu)
    assert no_package.message == "QLoRA needs the package bitsandbytes, which is not installed on here."
    assert not methods.method_findings(qlora, base, replace(with_gpu, packages=("bitsandbytes",)))
    assert not methods.method_findings(METHODS["lora"], base, with_gpu)


def test_qlora_keeps_linear_layers_in_4_bits_and_is_served_as_lora():
    qlora, lora = METHODS["qlora"], METHODS["lora"]
    shape = {
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
    }
    shape |= {"intermediate_size": 14_336, "vocab_size": 128_256}
    # Llama 3.1 8B: 6.98 billion weights in linear layers, 1.05 billion in embeddings, which stay in bfloat16.
    assert qlora.weights_bytes(shape, 8_030_000_000, "cuda") == pytest.approx(3.6e9 + 2.1e9, rel=0.01)
    assert lora.weights_bytes(shape, 8_030_000_000, "cuda") == 2 * 8_030_000_000
    recipe = recipe_from(qlora.recipe, {"rank": 8, "rslora": True})
    assert (qlora.serving(recipe), qlora.version_kind(recipe), qlora.rank(recipe)) == (
        Serving.ADAPTER,
        "adapter",
        8,
    )
    assert qlora.describe(recipe) == "4 bits, r 8, rank-stabilised, lr 0.0002, 1 epoch"
    like = recipe_from(lora.recipe, {"rank": 8})
    assert qlora.trainable(shape, 8_030_000_000, recipe) == lora.trainable(shape, 8_030_000_000, like)


def test_adaption_prompts_need_queries_as_wide_as_the_hidden_state():
    shape = {"model_type": "llama", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    adaption = METHODS["adaption-prompt"]
    assert adaption.unavailable(shape, "cpu") == ""
    assert "as wide as" in adaption.unavailable(shape | {"head_dim": 16}, "cpu")
    assert "qwen2" in adaption.unavailable(shape | {"model_type": "qwen2"}, "cpu")


def test_trained_positions_count_towards_the_context():
    prompt = METHODS["prompt"]
    fits = recipe_from(prompt.recipe, {"length": 20, "max_length": 80})
    assert not methods.length_findings(prompt, fits, base_model())
    (found,) = methods.length_findings(
        prompt, recipe_from(prompt.recipe, {"length": 21, "max_length": 80}), base_model()
    )
    assert (found.level, found.setting) == ("stop", "max_length")
    assert "21 trained positions" in found.message
    assert found.advice == "Choose at most 79."


def test_the_rank_that_counts_is_the_one_that_is_served(settings):
    settings.ENGINE_MAX_LORA_RANK = 64
    lora = METHODS["lora"]

    def found(**values):
        return methods.rank_findings(lora, recipe_from(lora.recipe, values))

    assert not found(rank=64)
    assert not found(rank=32, variant="pissa")
    (too_high,) = found(rank=40, variant="pissa")
    assert too_high.message == "Rank 40 is stored as 80, which is more than the engines serve (64)."
    assert too_high.advice.startswith("Choose at most 32,")
    assert not found(rank=400, variant="dora")  # merged


def test_every_method_says_how_it_is_served():
    served = {name: method.serving(method.recipe()) for name, method in METHODS.items()}
    assert served == {
        "lora": Serving.ADAPTER,
        "qlora": Serving.ADAPTER,
        "oft": Serving.WHOLE,
        "ia3": Serving.WHOLE,
        "bottleneck": Serving.TRANSFORMERS,
        "prompt": Serving.PROMPT_EMBEDS,
        "prefix": Serving.TRANSFORMERS,
        "adaption-prompt": Serving.TRANSFORMERS,
        "full": Serving.WHOLE,
    }
    lora = METHODS["lora"]
    assert lora.serving(recipe_from(lora.recipe, {"variant": "dora"})) == Serving.WHOLE
    # What the database holds: only an adapter stands beside its base, only complete weights have an engine of their own.
    for method in METHODS.values():
        recipe = method.recipe()
        assert (method.version_kind(recipe) == "full") == (method.serving(recipe) == Serving.WHOLE)


def test_slower_methods_are_expected_to_be_slower():
    pace = {name: method.pace(method.recipe()) for name, method in METHODS.items()}
    assert {name for name, share in pace.items() if share != 1} == {"oft", "qlora"}
    assert pace["oft"] == 0.8 and pace["qlora"] == 0.78
    lora = METHODS["lora"]
    shares = {
        name: lora.pace(recipe_from(lora.recipe, {"variant": name})) for name in ("lora", "dora", "pissa")
    }
    assert shares == {"lora": 1.0, "dora": 0.7, "pissa": 1.0}


def test_prefix_tuning_has_no_gradient_checkpointing():
    from core.errors import Invalid

    with pytest.raises(Invalid, match="not possible with prefix tuning"):
        recipe_from(METHODS["prefix"].recipe, {"save_memory": True})
