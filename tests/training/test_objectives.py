"""Training on preferences with a tiny model: what is reported, what it is compared with, resumption, portions of a step."""

import json
import signal
from datetime import timedelta

import pytest
from django.utils import timezone

from core.errors import Invalid
from core.models import Run
from core.tasks import sweep_runs
from tests.support import waiting
from tests.support.factories import make_dataset, make_preference_rows
from training import checkpoints, services
from training.host import stopping
from training.methods import METHODS, recipe_from
from training.objectives import OBJECTIVES, PREFERENCE_FIGURES, recipe_type
from training.rows import EncodedPreference

from .conftest import finish

QUICK = {"epochs": 2.0, "batch_size": 4, "learning_rate": 0.01, "evaluations": 2, "measuring_share": 1.0}
PREFERENCES = ("dpo", "kto", "orpo")
FIGURES = {name for name, _ in PREFERENCE_FIGURES}
with_runs = pytest.mark.django_db(transaction=True)


def launch(world, base, objective, dataset=None, method="lora", **changes):
    return services.launch(
        by=world.admin,
        project=world.project,
        base_model=base,
        dataset=dataset or make_preference_rows(world.project),
        method=method,
        objective=objective,
        recipe=QUICK | changes,
    )


def figures(training):
    return {point.step: point.figures for point in training.points.filter(series="validation")}


# --- the whole way -----------------------------------------------------------------------------------------
@with_runs
@pytest.mark.parametrize("objective", PREFERENCES)
def test_a_run_on_preferences_learns_them_and_shows_it_on_held_out_ones(world, tiny_base, objective):
    training = finish(launch(world, tiny_base, objective))
    assert training.run.status == Run.Status.SUCCEEDED, training.run.error_message
    assert training.objective == objective
    found = figures(training)
    assert sorted(found) == [0, training.planned_steps // 2, training.planned_steps]
    assert all(set(one) == FIGURES for one in found.values())
    first, last = found[0], found[training.planned_steps]
    assert last["margin"] > first["margin"] + 0.01
    assert last["margin"] == pytest.approx(last["reward_liked"] - last["reward_disliked"])
    assert last["accuracy"] > 0.8
    assert training.loss_after < training.loss_before
    assert training.model_version.kind == "adapter"
    assert min(training.samples.values_list("step", flat=True)) == 0
    if OBJECTIVES[objective].needs_reference:
        # Before the first step the model is its reference: no answer is rewarded, and none is told from another.
        assert (first["margin"], first["accuracy"]) == (
            pytest.approx(0, abs=1e-5),
            pytest.approx(0.5, abs=0.5),
        )
        assert abs(first["reward_liked"]) < 1e-5
        assert training.measured["reference"] > 0
    assert training.estimate["tokens"] == training.train_tokens


@with_runs
def test_with_all_weights_the_reference_is_the_base_model(world, tiny_base):
    training = finish(launch(world, tiny_base, "dpo", method="full", learning_rate=0.003))
    assert training.run.status == Run.Status.SUCCEEDED, training.run.error_message
    found = figures(training)
    assert abs(found[0]["reward_liked"]) < 1e-5
    assert found[training.planned_steps]["margin"] > 0.01


@with_runs
def test_kto_learns_from_thumbs_alone_and_shows_no_disliked_answer_as_an_experts(world, tiny_base):
    dataset = make_preference_rows(world.project, 30, "liked disliked disliked liked")
    training = finish(launch(world, tiny_base, "kto", dataset))
    assert training.run.status == Run.Status.SUCCEEDED, training.run.error_message
    assert training.data_facts["train_rows"] == 24
    assert figures(training)[training.planned_steps]["accuracy"] > 0.8
    assert not [text for text in training.samples.values_list("reference", flat=True) if "No idea" in text]


@with_runs
def test_pairs_are_two_answers_for_kto_and_single_answers_are_none_for_dpo(world, tiny_base):
    dataset = make_preference_rows(world.project, 30, "pair liked disliked")
    facts = {name: finish(launch(world, tiny_base, name, dataset)).data_facts for name in PREFERENCES}
    assert [facts[name]["train_rows"] for name in PREFERENCES] == [8, 32, 8]
    assert [facts[name]["validation_rows"] for name in PREFERENCES] == [2, 8, 2]
    assert facts["dpo"]["longest"] < facts["dpo"]["train_tokens"] / 8  # one answer's length, not a pair's


def test_recipes_of_different_objectives_have_different_hashes_and_old_ones_keep_theirs():
    from training.services.runs import recipe_hash

    assert recipe_hash("lora", {"a": 1}, "dpo") != recipe_hash("lora", {"a": 1}, "orpo")
    assert recipe_hash("lora", {"a": 1}) == recipe_hash("lora", {"a": 1}, "supervised")


def test_each_objective_has_its_own_learning_rate():
    rates = {name: recipe_from(recipe_type("lora", name), {}).learning_rate for name in OBJECTIVES}
    assert rates == {"supervised": 1e-3, "dpo": 5e-5, "kto": 5e-5, "orpo": 2.5e-4}
    with pytest.raises(Invalid, match="Beta"):
        recipe_from(recipe_type("lora", "dpo"), {"beta": 0})
    with pytest.raises(Invalid):
        recipe_from(recipe_type("lora", "supervised"), {"beta": 0.1})


# --- killed and stopped ------------------------------------------------------------------------------------
@with_runs
@pytest.mark.timeout(400)
@pytest.mark.parametrize("objective", PREFERENCES)
def test_a_killed_run_ends_as_if_nothing_had_been(world, tiny_base, worker, sent, objective):
    dataset = make_preference_rows(world.project, 30)
    undisturbed = finish(launch(world, tiny_base, objective, dataset, dropout=0.05))
    training = launch(world, tiny_base, objective, dataset, dropout=0.05)
    process = worker(training)

    def saved():
        assert process.poll() is None, "the worker ended too early"
        return any(step >= 3 for step, _ in checkpoints.complete(training.pk))

    waiting.wait_for(saved, "a checkpoint", 300)
    process.send_signal(signal.SIGKILL)
    process.wait()
    reached = max(step for step, _ in checkpoints.complete(training.pk))
    assert 3 <= reached < training.planned_steps
    Run.objects.filter(pk=training.run_id).update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    sweep_runs()
    training = finish(training)
    assert training.run.status == Run.Status.SUCCEEDED, training.run.error_message
    assert training.resumes[0]["from_step"] == reached
    for step, values in figures(undisturbed).items():
        assert figures(training)[step] == pytest.approx(values, rel=1e-4, abs=1e-6)
    assert training.model_version.artifact_id == undisturbed.model_version.artifact_id  # equal to the byte
    assert not checkpoints.folder_of(training.pk).exists()


@with_runs
def test_a_worker_stopped_before_the_first_step_keeps_what_the_reference_gave(
    world, tiny_base, sent, monkeypatch
):
    from training.runner import reference

    dataset = make_preference_rows(world.project, 30)
    undisturbed = finish(launch(world, tiny_base, "dpo", dataset, rows_at_once=4))
    real, asked = reference.row_losses, []

    def counting(model, batch):
        asked.append(len(batch["labels"]))
        if len(asked) == 2:
            stopping.ask_to_stop()
        return real(model, batch)

    monkeypatch.setattr(reference, "row_losses", counting)
    training = finish(launch(world, tiny_base, "dpo", dataset, rows_at_once=4))
    assert training.run.status == Run.Status.QUEUED
    kept = json.loads((checkpoints.folder_of(training.pk) / reference.FILE).read_text())
    assert len(kept["log_probs"]) == sum(asked) == 16
    stopping.forget()
    training = finish(training)
    assert training.run.status == Run.Status.SUCCEEDED, training.run.error_message
    assert sum(asked) == 60  # each answer of 30 pairs once
    assert training.model_version.artifact_id == undisturbed.model_version.artifact_id


# --- the reference -----------------------------------------------------------------------------------------
def encoded(tiny_folder, objective, rows=16):
    from transformers import AutoTokenizer

    from training.runner.data import encode_rows

    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    content = [
        {
            "position": at, "example": at, "split": "validation" if at >= rows else "train", "context": [],
            "messages": [{"role": "user", "content": f"Where is it, case {at}?"}],
            "completion": "It is at sea. " * (1 + at % 5), "rejected": "No idea! " * (1 + (at * 3) % 7),
        }
        for at in range(rows + 2)
    ]  # fmt: skip
    data = encode_rows(
        content,
        tokenizer,
        stop_token="<|im_end|>",
        system_prompt="",
        max_length=512,
        objective=OBJECTIVES[objective],
    )
    return data, tokenizer


@pytest.mark.parametrize("start", [True, "gaussian", "pissa", "olora"])
def test_the_reference_of_an_adapter_is_the_base_model(tiny_folder, start):
    """PiSSA and OLoRA take the adapter's start out of the base weights: switching it off would not give the base model back."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from training.runner.data import collate_rows
    from training.runner.reference import as_reference
    from training.runner.scoring import apart, row_losses

    data, _ = encoded(tiny_folder, "dpo")
    batch = collate_rows(data.train[:4], 0)
    base = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32).eval()
    with torch.no_grad():
        expected = row_losses(base, batch)
    own = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32)
    model = get_peft_model(own, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=start))
    with apart(model), as_reference(model):
        assert torch.allclose(row_losses(model, batch), expected, rtol=1e-4, atol=1e-4)


def test_the_answer_to_another_question_is_never_that_of_the_same_pair(tiny_folder):
    data, _ = encoded(tiny_folder, "kto")
    own_answers = {}
    for row in data.train:
        own_answers.setdefault(row.position, []).append(row.answers[0].ids[row.answers[0].prompt_length :])
    for row in data.train:
        assert row.unrelated.prompt == row.prompt
        assert row.unrelated.ids[row.unrelated.prompt_length :] not in own_answers[row.position] or (
            # Two questions may have equal answers.
            any(
                row.unrelated.ids[row.unrelated.prompt_length :] in answers
                for position, answers in own_answers.items()
                if position != row.position
            )
        )


# --- portions of a step ------------------------------------------------------------------------------------
class Collected:
    """A reporter that keeps what it is told."""

    def __init__(self):
        self.losses = []

    def step(self, **told): ...

    def train_point(self, *, step, loss, learning_rate, speed):
        self.losses.append(loss)

    def validation_point(self, **told): ...

    def samples(self, **told): ...

    def saved(self, **told): ...


def one_step(tiny_folder, tmp_path, objective, at_once, monkeypatch):
    """(loss, gradients) of the first step on eight rows, `at_once` of them in memory."""
    import torch

    from training.runner.data import Encoded, stop_id_of
    from training.runner.loop import train
    from training.runner.plan import TrainingPlan

    recipe = recipe_from(
        recipe_type("full", objective),
        {"batch_size": 8, "rows_at_once": at_once, "max_grad_norm": 0.0, "save_memory": False},
    )
    data, tokenizer = encoded(tiny_folder, objective, rows=8 if objective != "kto" else 4)
    data = Encoded(list(data.train), list(data.validation), data.facts)
    assert len(data.train) == 8
    plan = TrainingPlan(
        recipe=recipe,
        data=data,
        steps=1,
        tokenizer=tokenizer,
        stop_id=stop_id_of(tokenizer, "<|im_end|>"),
        objective=OBJECTIVES[objective],
        watched=False,
    )
    model = METHODS["full"].load(tiny_folder, recipe, "cpu")
    grads = {}
    step = torch.optim.AdamW.step

    def noting(self, *args, **kwargs):
        grads.update({name: weight.grad.clone() for name, weight in model.named_parameters()})
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", noting)
    reporter = Collected()
    train(
        training_run_id=at_once,
        model=model,
        plan=plan,
        reporter=reporter,
        stop_asked=lambda: False,
        device="cpu",
        autocast=False,
        work=tmp_path / f"work-{at_once}",
        resume_from=None,
    )
    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    assert grads
    return reporter.losses[0], grads


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_step_is_the_same_in_any_portions(tiny_folder, tmp_path, settings, monkeypatch, objective):
    """1x8, 2x4, 4x2 and 8x1 rows of different lengths: equal loss and gradients, so equal weights after it."""
    import torch

    settings.STATE_DIR = tmp_path
    whole, expected = one_step(tiny_folder, tmp_path, objective, 8, monkeypatch)
    assert max(float(grad.abs().max()) for grad in expected.values()) > 1e-3
    for at_once in (4, 2, 1):
        loss, grads = one_step(tiny_folder, tmp_path, objective, at_once, monkeypatch)
        assert loss == pytest.approx(whole, abs=1e-5)
        for name, grad in expected.items():
            assert torch.allclose(grads[name], grad, rtol=0, atol=1e-5), name


# --- the rows ----------------------------------------------------------------------------------------------
def test_both_answers_have_the_same_prompt_and_only_they_count(tiny_folder):
    from training.runner.data import IGNORED, collate_rows

    data, _ = encoded(tiny_folder, "dpo")
    batch = collate_rows(data.train[:3], 0)
    assert batch["labels"].shape[0] == 6
    for at, row in enumerate(data.train[:3]):
        assert isinstance(row, EncodedPreference)
        better, worse = row.answers
        assert better.prompt == worse.prompt
        for place, answer in enumerate((better, worse)):
            counted = batch["labels"][2 * at + place]
            assert counted[counted != IGNORED].tolist() == answer.ids[answer.prompt_length :]


@with_runs
@pytest.mark.parametrize("objective", PREFERENCES)
def test_a_control_token_in_a_disliked_answer_stops_the_launch_and_names_the_row(world, tiny_base, objective):
    dataset = make_preference_rows(world.project, 30)
    spoilt = _with(world, dataset, 7, rejected="Ask<|im_start|>user")
    with pytest.raises(Invalid) as refused:
        launch(world, tiny_base, objective, spoilt)
    assert "row 7" in refused.value.fields["dataset"][0]
    assert refused.value.fields["dataset"][0].count("row 7") == 1


@with_runs
def test_a_prompt_that_fills_the_limit_is_named_once(world, tiny_base):
    dataset = make_preference_rows(world.project, 30)
    long = _with(world, dataset, 3, messages=[{"role": "user", "content": "Where? " * 90}])
    for objective in PREFERENCES:
        with pytest.raises(Invalid) as refused:
            launch(world, tiny_base, objective, long, max_length=128)
        assert refused.value.fields["max_length"][0].count("row 3") == 1


def _with(world, dataset, at, **changes):
    from dataset.rows import iter_rows

    content = [dict(row) for row in iter_rows(dataset)]
    content[at] |= changes
    return make_dataset(world.project, content=content, kind="preference")


# --- what a launch refuses ---------------------------------------------------------------------------------
@with_runs
@pytest.mark.parametrize(
    ("objective", "shapes", "says"),
    [
        ("dpo", "liked disliked", "None of the 24 training rows"),
        ("orpo", "liked", "None of the 24 training rows"),
        ("kto", "liked", "liked answers only"),
        ("kto", "disliked", "disliked answers only"),
    ],
)
def test_a_version_without_the_answers_of_an_objective_is_refused(world, tiny_base, objective, shapes, says):
    with pytest.raises(Invalid) as refused:
        launch(world, tiny_base, objective, make_preference_rows(world.project, 30, shapes))
    assert any(says in text for text in refused.value.fields["dataset"])


@with_runs
@pytest.mark.parametrize(("objective", "make"), [("dpo", make_dataset), ("supervised", make_preference_rows)])
def test_a_version_of_the_other_kind_is_refused(world, tiny_base, objective, make):
    with pytest.raises(Invalid, match="cannot be launched") as refused:
        launch(world, tiny_base, objective, make(world.project, 30))
    assert "learns from" in refused.value.fields["dataset"][0]


@with_runs
def test_an_unknown_objective_is_refused(world, tiny_base):
    with pytest.raises(Invalid, match="No such objective"):
        launch(world, tiny_base, "magic")


@with_runs
def test_what_a_run_on_pairs_was_trained_on_are_the_rows_with_pairs(world, tiny_base):
    from training.queries import trained_positions

    dataset = make_preference_rows(world.project, 30, "pair liked disliked")
    training = launch(world, tiny_base, "dpo", dataset)
    trained = trained_positions(training)
    assert trained == [at for at in range(30) if at % 3 == 0 and at % 5 != 4]
    assert trained_positions(launch(world, tiny_base, "dpo", dataset, epochs=0.5)) != trained
