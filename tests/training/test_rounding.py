"""What a full training adds to weights is still there when they are stored in bfloat16."""

import pytest
import torch

from training.methods.rounding import AT_ONCE, round_to_bfloat16


def rounded(values: torch.Tensor) -> torch.Tensor:
    model = torch.nn.Linear(1, 1, bias=False)
    model.weight = torch.nn.Parameter(values.clone().unsqueeze(1))
    return round_to_bfloat16(model).weight.detach().squeeze(1)


def test_small_steps_are_kept_on_average_and_not_one_by_one():
    base = torch.full((400_000,), 0.0437).bfloat16().float()
    step = 2e-5  # an eighth of the distance to the next bfloat16 number
    assert torch.equal((base + step).bfloat16().float(), base)
    stored = rounded(base + step)
    assert stored.dtype == torch.bfloat16
    assert len(stored.unique()) == 2
    assert (stored.double() - base.double()).mean().item() == pytest.approx(step, rel=0.05)


def test_what_bfloat16_can_hold_does_not_change():
    values = torch.tensor([0.0, -0.0, 1.0, -2.5, 3e38, float("inf"), -float("inf"), 1e-40]).bfloat16().float()
    assert torch.equal(rounded(values).float(), values)
    assert rounded(torch.tensor([float("nan")])).isnan().all()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_number_goes_to_one_of_its_two_neighbours(sign):
    values = sign * torch.rand(10_000)
    stored = rounded(values).float()
    assert ((stored - values).abs() <= values.abs() * 2**-7).all()
    assert (stored - values).mean().abs() < 1e-4


def test_equal_weights_give_equal_bytes_also_over_the_end_of_a_portion():
    values = torch.rand(AT_ONCE + 3)
    assert torch.equal(rounded(values), rounded(values))
