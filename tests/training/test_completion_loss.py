"""Cross entropy by portions of the positions gives what plain cross entropy gives."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")

IGNORED = -100


@pytest.mark.parametrize("trained_head", [False, True])
@pytest.mark.parametrize("at_once", [1, 700, 10**9])
def test_losses_and_gradients_are_those_of_plain_cross_entropy(
    monkeypatch: pytest.MonkeyPatch, trained_head: bool, at_once: int
) -> None:
    from training.runner import completion_loss

    monkeypatch.setattr(completion_loss, "LOGITS_AT_ONCE", at_once)
    torch.manual_seed(0)
    hidden = torch.randn(37, 16, requires_grad=True)
    head = torch.randn(100, 16, requires_grad=trained_head)
    labels = torch.randint(0, 100, (37,))
    labels[::5] = IGNORED
    weights = torch.rand(37)
    wanted = [hidden, head] if trained_head else [hidden]
    plain = torch.nn.functional.cross_entropy(hidden @ head.T, labels, reduction="none", ignore_index=IGNORED)
    own = completion_loss.token_losses(hidden, head, labels, ignored=IGNORED)
    torch.testing.assert_close(own, plain, rtol=1e-5, atol=1e-5)
    for one, other in zip(
        torch.autograd.grad((own * weights).sum(), wanted),
        torch.autograd.grad((plain * weights).sum(), wanted),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def tiny(**more: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(3)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, tie_word_embeddings=True, **more,
        )
    )  # fmt: skip


def rows() -> list[Any]:
    from training.rows import EncodedRow

    lengths = ((9, 14), (20, 23), (3, 30), (15, 19))
    return [
        EncodedRow(
            ids=[(7 * at + 13 * place) % 300 for place in range(length)],
            prompt_length=prompt, position=at, question="", completion="",
        )
        for at, (prompt, length) in enumerate(lengths)
    ]  # fmt: skip


def step(model: Any, portions: list[list[Any]], *, plain: bool = False) -> tuple[float, dict[str, Any]]:
    """(loss, gradients) of one step over all portions together; `plain` with all logits at once, by torch's cross entropy."""
    from training.runner.data import collate
    from training.runner.scoring import row_losses

    model.zero_grad()
    model.train()
    whole = sum(row.answer_tokens for portion in portions for row in portion)
    total = 0.0
    for portion in portions:
        batch = collate(portion, 0)
        if plain:
            logits = model(**{name: batch[name] for name in ("input_ids", "attention_mask", "position_ids")})
            loss = torch.nn.functional.cross_entropy(
                logits.logits[:, :-1].reshape(-1, 300), batch["labels"][:, 1:].reshape(-1), reduction="sum",
                ignore_index=IGNORED,
            )  # fmt: skip
        else:
            loss = row_losses(model, batch).sum()
        (loss / whole).backward()
        total += float(loss.detach()) / whole
    return total, {
        name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None
    }


def assert_same(one: tuple[float, dict[str, Any]], other: tuple[float, dict[str, Any]]) -> None:
    assert one[0] == pytest.approx(other[0], abs=1e-5)
    assert one[1].keys() == other[1].keys()
    for name, grad in one[1].items():
        torch.testing.assert_close(grad, other[1][name], rtol=1e-5, atol=1e-5)


def test_a_step_is_the_same_with_all_logits_in_portions_of_rows_and_computed_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from training.runner import completion_loss

    model = tiny()
    whole = step(model, [rows()], plain=True)
    assert_same(step(model, [rows()]), whole)
    assert_same(step(model, [[row] for row in rows()]), whole)
    monkeypatch.setattr(completion_loss, "LOGITS_AT_ONCE", 900)
    assert_same(step(model, [rows()]), whole)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    assert_same(step(model, [rows()[:2], rows()[2:]]), whole)


def test_a_model_that_caps_its_logits_keeps_its_own_output_layer() -> None:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    from training.runner.completion_loss import plain_head

    torch.manual_seed(3)
    capped = Gemma2ForCausalLM(
        Gemma2Config(
            vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, head_dim=8, final_logit_softcapping=1.0,
        )
    )  # fmt: skip
    assert plain_head(capped) is None
    assert_same(step(capped, [rows()]), step(capped, [rows()], plain=True))
    assert plain_head(tiny()) is not None


def test_the_output_layer_is_itself_again_afterwards() -> None:
    from training.runner.completion_loss import losses_for_logits, plain_head

    model = tiny()
    head = plain_head(model)
    assert head is not None
    with pytest.raises(RuntimeError), losses_for_logits(head, torch.zeros(1, 1).long(), ignored=IGNORED):
        raise RuntimeError
    ids = torch.arange(5).unsqueeze(0)
    assert model(input_ids=ids).logits.shape == (1, 5, 300)
