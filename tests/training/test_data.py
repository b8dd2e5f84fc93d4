"""What the model is shown and what its loss counts, token by token."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.text.rendering import chat_messages
from core.runs.context import RunFailed
from training.runner.data import (
    IGNORED,
    EncodedRow,
    collate,
    encode_rows,
    plan_order,
    render_prompt,
    stop_id_of,
)

from .tiny import CHATML, ENDLESS, make_tokenizer

SYSTEM = "You answer customers."


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    make_tokenizer(folder)
    return AutoTokenizer.from_pretrained(folder)


def row(position=0, split="train", **fields):
    return {
        "position": position,
        "example": 100 + position,
        "split": split,
        "messages": [{"role": "user", "content": "Where is FD-1?"}],
        "context": ["FD-1 | at sea"],
        "completion": "It is at sea.",
    } | fields


def encode(rows, tokenizer, **changes):
    options = {"stop_token": "<|im_end|>", "system_prompt": SYSTEM, "max_length": 512} | changes
    return encode_rows(rows, tokenizer, **options)


def both(**fields):
    return [row(0, **fields), row(1, "validation")]


def test_the_loss_counts_the_answer_and_its_end_and_nothing_else(tokenizer):
    data = encode(both(), tokenizer)
    one = data.train[0]
    prompt, answer = one.ids[: one.prompt_length], one.ids[one.prompt_length :]
    assert tokenizer.decode(prompt) == (
        "<|im_start|>system\nYou answer customers.\n\nRecords:\n- FD-1 | at sea<|im_end|>\n"
        "<|im_start|>user\nWhere is FD-1?<|im_end|>\n<|im_start|>assistant\n"
    )
    # The line break that the template writes after the turn is not the model's to say.
    assert tokenizer.decode(answer) == "It is at sea.<|im_end|>"
    assert answer[-1] == stop_id_of(tokenizer, "<|im_end|>")
    assert answer.count(answer[-1]) == 1


def test_the_prompt_is_what_serving_renders(tokenizer):
    messages = chat_messages(messages=row()["messages"], context=row()["context"], system_prompt=SYSTEM)
    one = encode(both(), tokenizer).train[0]
    assert one.ids[: one.prompt_length] == render_prompt(tokenizer, messages)


def test_labels_are_ignored_on_prompt_and_padding(tokenizer):
    rows = [
        EncodedRow(position=0, ids=[5, 6, 7, 8, 9], prompt_length=3, question="", completion=""),
        EncodedRow(position=1, ids=[5, 9], prompt_length=1, question="", completion=""),
    ]
    batch = collate(rows, pad_id=0)
    assert batch["input_ids"].tolist() == [[5, 6, 7, 8, 9], [0, 0, 0, 5, 9]]
    assert batch["labels"].tolist() == [[IGNORED, IGNORED, IGNORED, 8, 9], [IGNORED] * 4 + [9]]
    assert batch["attention_mask"].tolist() == [[1] * 5, [0, 0, 0, 1, 1]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 4], [0, 0, 0, 0, 1]]
    assert batch["keep"] == 3


def test_the_loss_of_a_padded_batch_is_that_of_its_rows_one_by_one(tokenizer, tiny_folder):
    """Left padding, position ids and scoring the last positions only change nothing but the work."""
    import torch
    from transformers import AutoModelForCausalLM

    from training.runner.scoring import row_losses

    model = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32).eval()
    texts = [
        "It is at sea.",
        "Customs waits for the commercial invoice. You hear from us when it is lodged.",
        "No.",
    ]
    data = encode(
        [*[row(at, completion=text) for at, text in enumerate(texts)], row(9, "validation")], tokenizer
    )
    with torch.no_grad():
        total = row_losses(model, collate(data.train, 0)).sum()
        expected = 0.0
        for one in data.train:
            ids = torch.tensor([one.ids])
            # The textbook way: all scores, shifted by one, the prompt left out.
            scores = model(input_ids=ids).logits[0, one.prompt_length - 1 : -1].log_softmax(-1)
            answer = torch.tensor(one.ids[one.prompt_length :])
            expected -= float(scores[torch.arange(len(answer)), answer].sum())
    assert float(total) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_padding_attends_to_something_and_nothing_at_it_is_nan(tokenizer, tiny_folder, monkeypatch, dtype):
    """A query without any key gives NaN in some of torch's kernels, and 0 * NaN reaches the weights."""
    import torch
    from torch.nn import functional
    from transformers import AutoModelForCausalLM

    from training.runner.scoring import row_losses

    model = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=getattr(torch, dtype))
    rows = [row(0, completion="No."), row(1, completion="It is at sea. " * 20), row(9, "validation")]
    batch = collate(encode(rows, tokenizer).train, 0)
    padded = batch["attention_mask"] == 0
    assert padded.any()
    attend, masks = functional.scaled_dot_product_attention, []

    def noting(*args, attn_mask=None, **kwargs):
        masks.append(attn_mask)
        return attend(*args, attn_mask=attn_mask, **kwargs)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", noting)
    states = []
    for layer in model.model.layers:
        layer.register_forward_hook(lambda _, __, out: states.append(out if torch.is_tensor(out) else out[0]))
    for_embeddings = []
    model.model.embed_tokens.register_forward_hook(
        lambda _, __, out: out.register_hook(for_embeddings.append) and None
    )
    row_losses(model, batch).sum().backward()
    assert len(masks) == len(states) == len(model.model.layers)
    for mask in masks:
        assert mask.any(dim=-1).all()
        # Real tokens see no padding.
        for at in range(len(padded)):
            assert not mask[at, 0][~padded[at]][:, padded[at]].any()
    assert all(torch.isfinite(state).all() for state in states)
    assert torch.isfinite(for_embeddings[0]).all()
    assert float(for_embeddings[0][padded].abs().max()) == 0.0
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())


def test_transformers_own_loss_agrees(tokenizer, tiny_folder):
    import torch
    from transformers import AutoModelForCausalLM

    from training.runner.scoring import row_losses

    model = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32).eval()
    batch = collate(encode(both(), tokenizer).train, 0)
    with torch.no_grad():
        total = row_losses(model, batch).sum()
        own = model(input_ids=batch["input_ids"], labels=batch["labels"]).loss
    tokens = (batch["labels"] != -100).sum()
    assert float(total / tokens) == pytest.approx(float(own), rel=1e-4)


def test_facts_are_exact(tokenizer):
    data = encode(
        [row(0), row(1, completion="Yes, it is at sea now."), row(2, "validation"), row(3, "test")], tokenizer
    )
    assert data.facts.train_rows == 2
    assert data.facts.validation_rows == 1
    assert data.facts.train_tokens == sum(len(one.ids) for one in data.train)
    assert data.facts.completion_tokens == sum(one.answer_tokens for one in data.train)
    assert data.facts.shortened == 0
    assert [one.position for one in data.train + data.validation] == [0, 1, 2]


def test_fewer_rows_are_drawn_by_the_seed_and_every_row_is_still_checked(tokenizer):
    rows = [*[row(at) for at in range(20)], *[row(at, "validation") for at in range(20, 30)]]
    few = encode(rows, tokenizer, most_rows=5, most_validation_rows=3, seed=1)
    again = encode(rows, tokenizer, most_rows=5, most_validation_rows=3, seed=1)
    other = encode(rows, tokenizer, most_rows=5, most_validation_rows=3, seed=2)
    assert (few.facts.train_rows, few.facts.validation_rows) == (5, 3)
    assert [one.position for one in few.train] == [one.position for one in again.train]
    assert [one.position for one in few.train] != [one.position for one in other.train]
    bad = [*rows, row(30, completion="It ends <|im_end|> twice.")]
    with pytest.raises(RunFailed):
        encode(bad, tokenizer, most_rows=5, seed=1)


# --- what must not pass ------------------------------------------------------------------------------------
def test_a_template_without_the_end_of_turn_is_refused_and_names_the_rows(tmp_path):
    from transformers import AutoTokenizer

    make_tokenizer(tmp_path, ENDLESS)
    with pytest.raises(RunFailed) as failed:
        encode(both(), AutoTokenizer.from_pretrained(tmp_path))
    assert failed.value.code == "no_stop_token"
    assert "row 0 (example #100)" in failed.value.message


def test_a_stop_token_that_the_tokenizer_does_not_know_is_refused(tokenizer):
    with pytest.raises(RunFailed) as failed:
        encode(both(), tokenizer, stop_token="<|never_heard|>")
    assert failed.value.code == "no_stop_token"


def test_a_template_that_renders_the_prompt_differently_with_an_answer_is_refused(tmp_path):
    from transformers import AutoTokenizer

    make_tokenizer(tmp_path, "{% if not add_generation_prompt %}Past: {% endif %}" + CHATML)
    with pytest.raises(RunFailed) as failed:
        encode(both(), AutoTokenizer.from_pretrained(tmp_path))
    assert failed.value.code == "prompt_not_prefix"


def test_answers_that_are_cut_off_whole_are_an_error_that_names_the_rows(tokenizer):
    long = [{"role": "user", "content": "Where is my shipment? " * 40}]
    rows = [row(0), *[row(at, messages=long) for at in range(1, 9)], row(9, "validation", messages=long)]
    with pytest.raises(RunFailed) as failed:
        encode(rows, tokenizer, max_length=128)
    assert failed.value.code == "completion_truncated"
    for words in ("row 1 (example #101)", "row 5 (example #105)", "and 4 more", "128 tokens"):
        assert words in failed.value.message
    assert "row 0 " not in failed.value.message


def test_a_prompt_that_fills_the_length_exactly_leaves_nothing_to_learn(tokenizer):
    length = encode(both(), tokenizer).train[0].prompt_length
    with pytest.raises(RunFailed) as failed:
        encode(both(), tokenizer, max_length=length)
    assert failed.value.code == "completion_truncated"
    shorter = row(2, messages=[{"role": "user", "content": "FD-1?"}], context=[], completion="No.")
    assert encode([*both(), shorter], tokenizer, max_length=length + 1).train[0].answer_tokens == 1


def test_answers_that_lose_their_end_are_counted(tokenizer):
    whole = encode(both(), tokenizer).train[0]
    shorter = row(2, completion="No.")
    data = encode([*both(), shorter], tokenizer, max_length=len(whole.ids) - 2)
    assert data.facts.shortened == 2  # the validation row is as long
    assert data.train[0].ids == whole.ids[:-2]


def test_an_answer_that_holds_the_end_mark_itself_is_refused(tokenizer):
    with pytest.raises(RunFailed) as failed:
        encode(both(completion="Say <|im_end|> and go on."), tokenizer)
    assert failed.value.code == "stop_token_in_answer"
    assert "row 0 (example #100)" in failed.value.message


@pytest.mark.parametrize("missing", ["train", "validation"])
def test_a_dataset_without_one_of_the_splits_is_refused(tokenizer, missing):
    rows = [one for one in both() if one["split"] != missing]
    with pytest.raises(RunFailed) as failed:
        encode(rows, tokenizer)
    assert failed.value.code == "no_rows"


# --- order -------------------------------------------------------------------------------------------------
@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=80),
    batch_size=st.integers(1, 12),
    steps=st.integers(1, 40),
    seed=st.integers(0, 5),
)
def test_every_row_is_seen_as_often_as_any_other_give_or_take_one(lengths, batch_size, steps, seed):
    order = plan_order(lengths, batch_size=batch_size, steps=steps, seed=seed)
    assert len(order) == batch_size * steps
    seen = [order.count(at) for at in range(len(lengths))]
    assert max(seen) - min(seen) <= 1
    assert order == plan_order(lengths, batch_size=batch_size, steps=steps, seed=seed)


def test_the_order_depends_on_the_seed_and_little_is_padding():
    lengths = [50 + (at * 37) % 200 for at in range(256)]
    order = plan_order(lengths, batch_size=8, steps=64, seed=1)
    assert order != plan_order(lengths, batch_size=8, steps=64, seed=2)
    padded = sum(8 * max(lengths[row] for row in order[at : at + 8]) for at in range(0, len(order), 8))
    assert sum(lengths[row] for row in order) / padded > 0.9
    assert order[:8] != sorted(order[:8])
