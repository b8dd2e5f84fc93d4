"""The losses of preference objectives against TRL's trainers: the same weights, the same batch, loss and gradients."""

import pytest

from training.methods import recipe_from
from training.objectives import OBJECTIVES, recipe_type

from .test_objectives import encoded

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def policy(tiny_folder):
    """The tiny model after some training: its weights moved away from the reference's."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(5)
        for weight in model.parameters():
            weight.add_(0.02 * torch.randn_like(weight))
    return model


def with_reference(rows, tiny_folder):
    """The rows with the base model's log-probabilities."""
    from dataclasses import replace

    import torch
    from transformers import AutoModelForCausalLM

    from training.runner.data import collate
    from training.runner.scoring import row_losses

    base = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32).eval()

    def asked(sequences):
        with torch.no_grad():
            return (-row_losses(base, collate(sequences, 0))).tolist()

    return [
        replace(
            row,
            reference=tuple(asked(list(row.answers))),
            unrelated_reference=asked([row.unrelated])[0] if row.unrelated else None,
        )
        for row in rows
    ]


def ours(model, rows, objective, **settings):
    """(loss, gradients)"""
    import torch

    from training.runner.data import collate_rows
    from training.runner.scoring import log_ratios, row_losses, scores_of, whole_of

    recipe = recipe_from(recipe_type("full", objective), settings)
    batch = collate_rows(rows, 0)
    baseline = None
    if OBJECTIVES[objective].needs_baseline:
        with torch.no_grad():
            baseline = log_ratios(model, batch).mean()
    scores = scores_of(row_losses(model, batch), batch, baseline)
    loss = OBJECTIVES[objective].loss(scores, recipe, whole_of([batch]))
    return _backward(model, loss), scores


def _backward(model, loss):
    model.zero_grad()
    loss.backward()
    return float(loss.detach()), {name: weight.grad.clone() for name, weight in model.named_parameters()}


def same(own, theirs):
    import torch

    assert own[0] == pytest.approx(theirs[0], rel=1e-4, abs=1e-6)
    assert max(float(grad.abs().max()) for grad in theirs[1].values()) > 1e-4
    for name, grad in theirs[1].items():
        assert torch.allclose(own[1][name], grad, rtol=1e-3, atol=1e-5), name


def trainer(kind, tiny_folder, tmp_path, policy, record, **options):
    """TRL's trainer with the base model as its reference and the policy's weights in its model."""
    import torch
    import trl
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer

    config = getattr(trl, f"{kind}Config")(
        output_dir=str(tmp_path),
        per_device_train_batch_size=4,
        report_to=[],
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        **options,
    )
    base = [AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32) for _ in range(2)]
    made = getattr(trl, f"{kind}Trainer")(
        model=base[0],
        ref_model=base[1],
        args=config,
        train_dataset=Dataset.from_list([record] * 4),
        processing_class=AutoTokenizer.from_pretrained(tiny_folder),
    )
    made.model.load_state_dict(policy.state_dict())
    made.model.eval()
    return made


def test_dpo_is_trls(tiny_folder, tmp_path, policy):
    data, _ = encoded(tiny_folder, "dpo")
    rows = with_reference(data.train[:4], tiny_folder)
    own, _ = ours(policy, rows, "dpo", beta=0.3)
    record = {"prompt": "Where is it?", "chosen": "At sea.", "rejected": "No idea."}
    theirs = trainer("DPO", tiny_folder, tmp_path, policy, record, beta=0.3)
    batch = theirs.data_collator(
        [
            {
                "prompt_ids": row.prompt,
                "chosen_ids": row.answers[0].ids[row.answers[0].prompt_length :],
                "rejected_ids": row.answers[1].ids[row.answers[1].prompt_length :],
            }
            for row in rows
        ]
    )
    same(own, _backward(theirs.model, theirs.compute_loss(theirs.model, batch)))


def test_kto_is_trls_with_its_baseline_of_mismatched_pairs(tiny_folder, tmp_path, policy):
    data, _ = encoded(tiny_folder, "kto")
    rows = with_reference(data.train[:6], tiny_folder)
    settings = {"beta": 0.3, "desirable_weight": 1.5, "undesirable_weight": 0.7}
    own, _ = ours(policy, rows, "kto", **settings)
    record = {"prompt": "Where is it?", "completion": "At sea.", "label": True}
    theirs = trainer("KTO", tiny_folder, tmp_path, policy, record, **settings)
    batch = theirs.data_collator(
        [
            {
                "prompt_ids": row.prompt,
                "completion_ids": row.answers[0].ids[row.answers[0].prompt_length :],
                "KL_completion_ids": row.unrelated.ids[row.unrelated.prompt_length :],
                "label": row.liked,
            }
            for row in rows
        ]
    )
    same(own, _backward(theirs.model, theirs.compute_loss(theirs.model, batch)))


def test_orpo_is_trls_with_cross_entropy_of_completions_only(tiny_folder, policy):
    """TRL's trainer counts the prompt's tokens in the cross entropy too; its own functions are given the completion's labels here."""
    from types import SimpleNamespace

    import torch
    from trl.experimental.orpo import ORPOTrainer

    from training.runner.data import collate_rows

    data, _ = encoded(tiny_folder, "orpo")
    rows = data.train[:4]
    own, _ = ours(policy, rows, "orpo", odds_weight=0.4)
    batch = collate_rows(rows, 0)
    logits = policy(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        position_ids=batch["position_ids"],
    ).logits
    means = ORPOTrainer.get_batch_logps(logits, batch["labels"], average_log_prob=True)
    state = SimpleNamespace(beta=0.4, accelerator=SimpleNamespace(device="cpu"))
    compared = ORPOTrainer.odds_ratio_loss(state, means[::2], means[1::2])[0]
    learned = torch.nn.functional.cross_entropy(
        logits[::2, :-1].reshape(-1, logits.shape[-1]), batch["labels"][::2, 1:].reshape(-1)
    )
    same(own, _backward(policy, learned - compared.mean()))
