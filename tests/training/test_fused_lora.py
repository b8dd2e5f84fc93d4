"""The fused LoRA layer computes what peft's does."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")


def pair(**more: Any) -> tuple[Any, Any]:
    """(peft's model, the same one fused) of two linear layers, their adapters not zero."""
    import copy

    from peft import LoraConfig, get_peft_model

    from training.methods.fused_lora import fuse

    torch.manual_seed(5)
    net = torch.nn.Sequential(
        torch.nn.Linear(48, 96), torch.nn.SiLU(), torch.nn.Linear(96, 48, bias=False)
    ).requires_grad_(False)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["0", "2"], **more)
    plain = get_peft_model(net, config)
    for name, weight in plain.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    fused = copy.deepcopy(plain)
    fuse(fused)
    return plain, fused


def kinds(model: Any) -> set[str]:
    return {type(module).__name__ for module in model.modules() if hasattr(module, "lora_A")}


def result(model: Any, x: Any) -> tuple[Any, Any, dict[str, Any]]:
    model.zero_grad()
    x = x.clone().requires_grad_()
    y = model(x)
    (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum().backward()
    return (
        y.detach(),
        x.grad,
        {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None},
    )


@pytest.mark.parametrize("shape", [(64, 48), (2, 40, 48), (3, 48), (1, 1, 48)])
def test_output_and_gradients_are_those_of_peft(shape: tuple[int, ...]) -> None:
    plain, fused = pair()
    assert kinds(fused) == {"FusedLinear"}
    x = torch.randn(*shape)
    y, dx, grads = result(plain, x)
    own_y, own_dx, own = result(fused, x)
    torch.testing.assert_close(own_y, y, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(own_dx, dx, rtol=1e-5, atol=1e-5)
    assert own.keys() == grads.keys()
    assert all("lora_" in name for name in own)  # the base stays frozen
    for name, grad in grads.items():
        torch.testing.assert_close(own[name], grad, rtol=1e-4, atol=1e-4)


def test_many_rows_change_the_weights_and_few_rows_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    from training.methods import fused_lora

    _, fused = pair()
    used = []
    for way in (fused_lora._Sum, fused_lora._Thin):

        def watched(*args: Any, way: Any = way, apply: Any = way.apply) -> Any:
            used.append((way.__name__, len(args[0])))
            return apply(*args)

        monkeypatch.setattr(way, "apply", watched)
    fused(torch.randn(64, 48))
    fused(torch.randn(1, 48))
    assert used == [("_Sum", 64), ("_Sum", 64), ("_Thin", 1), ("_Thin", 1)]


def test_the_adapter_can_be_switched_off_and_merged() -> None:
    plain, fused = pair()
    x = torch.randn(64, 48)
    with plain.disable_adapter():
        off = plain(x)
    with fused.disable_adapter():
        torch.testing.assert_close(fused(x), off)
    torch.testing.assert_close(fused.merge_and_unload()(x), plain(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("more", [{"lora_dropout": 0.1}, {"use_dora": True}, {"lora_bias": True}])
def test_what_is_not_plain_lora_stays_as_it_is(more: dict[str, Any]) -> None:
    _, fused = pair(**more)
    assert "FusedLinear" not in kinds(fused)


@pytest.mark.parametrize("rows", [1, 64])
def test_with_autocast_the_result_is_as_near_to_float32_as_that_of_peft(rows: int) -> None:
    plain, fused = pair()
    x = torch.randn(rows, 48)
    exact, dx, grads = result(plain, x)

    class Low(torch.nn.Module):
        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Any) -> Any:
            with torch.autocast("cpu", torch.bfloat16):
                return self.inner(x)

    def far(model: Any) -> list[float]:
        y, own_dx, own = result(Low(model), x)
        assert y.dtype == torch.bfloat16
        pairs = [(y, exact), (own_dx, dx), *((own[f"inner.{name}"], grads[name]) for name in grads)]
        return [float((one - other).norm() / other.norm()) for one, other in pairs]

    for own, pefts in zip(far(fused), far(plain), strict=True):
        assert own < max(1.5 * pefts, 0.01)


def test_an_adapter_in_bfloat16_is_left_to_peft() -> None:
    from training.methods.fused_lora import fuse

    low, _ = pair()
    low = low.to(torch.bfloat16)
    fuse(low)
    assert kinds(low) == {"Linear"}


def test_activations_computed_twice_give_the_same_gradients() -> None:
    from torch.utils.checkpoint import checkpoint

    _, fused = pair()
    x = torch.randn(64, 48)
    _, dx, grads = result(fused, x)
    again = result(lambda_model(fused, checkpoint), x)
    torch.testing.assert_close(again[1], dx)
    for name, grad in grads.items():
        torch.testing.assert_close(again[2][f"inner.{name}"], grad)


def lambda_model(model: Any, checkpoint: Any) -> Any:
    class Twice(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, x: Any) -> Any:
            return checkpoint(self.inner, x, use_reentrant=False)

    return Twice()


def test_saved_adapters_have_the_names_that_peft_reads(tmp_path: Any) -> None:
    from safetensors.torch import load_file

    plain, fused = pair()
    plain.save_pretrained(tmp_path / "plain")
    fused.save_pretrained(tmp_path / "fused")
    one, other = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("plain", "fused"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("rows", [3, 64])
def test_a_feed_forward_part_is_that_of_the_model(rows: int) -> None:
    import copy

    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaMLP

    from training.methods.fused_lora import fuse

    torch.manual_seed(5)
    mlp = LlamaMLP(LlamaConfig(hidden_size=48, intermediate_size=96, num_attention_heads=4)).requires_grad_(
        False
    )
    plain = get_peft_model(mlp, LoraConfig(r=4, target_modules=["gate_proj", "up_proj", "down_proj"]))
    for name, weight in plain.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    fused = copy.deepcopy(plain)
    fuse(fused)
    assert type(fused.base_model.model).__name__ == "FusedLlamaMLP"
    x = torch.randn(2, rows, 48)
    y, dx, grads = result(plain, x)
    own_y, own_dx, own = result(fused, x)
    torch.testing.assert_close(own_y, y, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(own_dx, dx, rtol=1e-5, atol=1e-5)
    assert own.keys() == grads.keys()
    for name, grad in grads.items():
        torch.testing.assert_close(own[name], grad, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(fused(x), plain(x), rtol=1e-5, atol=1e-5)
