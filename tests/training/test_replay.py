"""Replay: what a run practises besides its rows, where it comes from, and that it is really trained on."""

import json
from collections import Counter

import pytest
from django.db import transaction

from annotation.models import Example
from core.errors import Conflict
from core.models import Run
from dataset.models import Source
from dataset.similarity import SIMILAR, jaccard, shingles
from tests.support.factories import make_dataset
from training import checkpoints, queries, services
from training.general import general_set, replay_items
from training.methods import recipe_from
from training.models import ReplayedRow
from training.objectives import recipe_type
from training.objectives.supervised import MOST_REPEATS, NO_REPLAY, SupervisedSettings, replayed_rows
from training.replayed import drawn_rows, replayable, withdrawn_words_of
from training.runner import base_answers
from training.runner.base_answers import BaseWriter
from training.runner.replay import REPLAYS, self_generated
from training.runner.replay.base import ReplayWork

from .conftest import finish
from .trained import freeze

pytestmark = pytest.mark.django_db(transaction=True)
QUICK = {"epochs": 1.0, "batch_size": 4, "learning_rate": 0.01, "evaluations": 1}


def launch(world, base, dataset, **changes):
    return services.launch(
        by=world.admin,
        project=world.project,
        base_model=base,
        dataset=dataset,
        method=changes.pop("method", "lora"),
        recipe=QUICK | changes,
    )


def writer_for(folder, keep, *, seed=7, tell=lambda _: None):
    from training.runner.train import tokenizer_of

    return BaseWriter(folder, tokenizer_of(folder), "<|im_end|>", "cpu", seed, keep, tell)


def second_set(world, first, rows=40):
    """A version that lacks the first one's examples: people took other slices into it."""
    examples = Example.objects.filter(dataset_rows__dataset=first)
    examples.update(status=Example.Status.RETURNED)
    second = freeze(world, rows=rows, start=200)
    examples.update(status=Example.Status.APPROVED)
    return second


# --- the general questions ---------------------------------------------------------------------------------
def test_what_is_practised_is_not_what_is_measured():
    def asked(text):
        return shingles([{"role": "user", "content": text.split("\n")[0]}])

    measured = [(item.prompt, asked(item.prompt)) for item in general_set().items if item.prompt]
    practised = replay_items()
    assert len({item.prompt for item in practised}) == len(practised) >= 150
    assert {item.id for item in practised}.isdisjoint(item.id for item in general_set().items)
    near = [
        (item.prompt, prompt)
        for item in practised
        for prompt, words in measured
        if jaccard(asked(item.prompt), words) >= SIMILAR or item.prompt == prompt
    ]
    assert near == []
    texts = {item.reference for item in general_set().of("prose")}
    assert not any(item.prompt in texts or item.reference in texts for item in practised)


def test_the_form_offers_what_there_is():
    choices = {field.name: field for field in _settings()}["replay"].choices
    assert [name for name, _ in choices] == [NO_REPLAY, *REPLAYS]
    # A preference objective has no such settings.
    assert not issubclass(recipe_type("lora", "dpo"), SupervisedSettings)


def _settings():
    from training.methods import settings_of

    return settings_of(recipe_type("lora"))


@pytest.mark.parametrize(("share", "count"), [(0.25, 10), (0.5, 30), (0.9, 270), (0.01, 1)])
def test_the_share_is_of_all_rows(share, count):
    recipe = recipe_from(recipe_type("lora"), {"replay": "general", "replay_share": share})
    assert replayed_rows(recipe, 30) == count
    assert replayed_rows(recipe, 0) == 0
    assert replayed_rows(recipe_from(recipe_type("lora"), {"replay": NO_REPLAY}), 30) == 0


# --- runs ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["general", "self"])
def test_a_run_practises_general_questions(world, tiny_base, kind):
    dataset = make_dataset(world.project, 30)
    training = finish(launch(world, tiny_base, dataset, replay=kind))
    assert training.run.status == Run.Status.SUCCEEDED, training.run.error_message
    facts, own = training.data_facts, queries.split_rows(dataset)["train"]
    assert facts["train_rows"] == own
    assert facts["replayed_rows"] == round(own / 3)
    # All of both were trained on, once.
    seen = facts["train_tokens"] + facts["replayed_tokens"]
    assert training.planned_steps == -(-(own + facts["replayed_rows"]) // 4)
    assert training.train_tokens >= seen > facts["train_tokens"]
    assert training.measured["replay"] >= 0
    assert queries.trained_positions(training) is None


def test_practice_changes_what_is_learnt(world, tiny_base):
    """The loss of the practised answers is lower after a run that practised them."""
    from core.storage import storage
    from training.runner.held_out import load_version, losses_of_rows
    from training.runner.replay.general import rows

    dataset = make_dataset(world.project, 30)
    found = {}
    for kind in (NO_REPLAY, "general"):
        training = finish(launch(world, tiny_base, dataset, method="full", replay=kind, replay_share=0.5))
        folder = storage().local_path(tiny_base.artifact)
        work = ReplayWork(training.pk, writer_for(folder, checkpoints.folder_of(training.pk)), 24, 1024)
        model = load_version(training.model_version, device="cpu", precision="float32")
        found[kind] = sum(losses_of_rows(model, rows(work), "cpu"))
    assert found["general"] < 0.95 * found[NO_REPLAY]


def test_a_small_set_is_practised_evenly_and_not_by_heart(tiny_folder, tmp_path):

    def work(count):
        return ReplayWork(0, writer_for(tiny_folder, tmp_path), count, 1024)

    everything = len(replay_items())
    counts = Counter(row.question for row in REPLAYS["general"](work(2 * everything + 5)))
    assert set(counts.values()) == {2, 3}
    assert len(REPLAYS["general"](work(100 * everything))) == MOST_REPEATS * everything


def test_a_run_that_is_taken_up_again_practises_the_same_answers(tiny_folder, tmp_path, monkeypatch):
    """The model is asked once; what was asked before a kill is not asked again."""

    told = []

    def work(seed=7):
        return ReplayWork(0, writer_for(tiny_folder, tmp_path, seed=seed, tell=told.append), 20, 1024)

    monkeypatch.setattr(self_generated, "MOST_TOKENS", 6)
    real, calls = base_answers.answers, []

    def killed_at_the_second(*args, **kwargs):
        calls.append(len(args[1]))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(base_answers, "answers", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        self_generated.rows(work())
    first = json.loads((tmp_path / self_generated.FILE).read_text())["answers"]
    assert len(first) == 16
    rows = self_generated.rows(work())
    assert calls == [16, 4, 4]
    assert self_generated.rows(work()) == rows
    assert len(calls) == 3
    kept = json.loads((tmp_path / self_generated.FILE).read_text())["answers"]
    assert kept[:16] == first
    assert any("practise" in message for message in told)
    # Another seed draws other questions: the kept answers are not theirs.
    self_generated.rows(work(seed=8))
    assert len(calls) == 5


def test_a_drawn_answer_that_was_cut_has_no_end(tiny_folder, tmp_path, monkeypatch):
    from training.runner.train import tokenizer_of

    tokenizer = tokenizer_of(tiny_folder)
    stop = tokenizer.convert_tokens_to_ids("<|im_end|>")
    words = tokenizer("at sea")["input_ids"]
    cut = (words * 64)[: self_generated.MOST_TOKENS]
    drawn = [[words], [cut], [[stop + 0, *words]]]
    monkeypatch.setattr(base_answers, "answers", lambda model, prompts, **_: drawn[: len(prompts)])
    work = ReplayWork(0, writer_for(tiny_folder, tmp_path), 3, 1024)
    ended, went_on = self_generated.rows(work)  # the third has a control token
    assert ended.ids[ended.prompt_length :] == [*words, stop]
    assert went_on.ids[went_on.prompt_length :] == cut


# --- earlier rows of the project -------------------------------------------------------------------------
def test_earlier_rows_are_training_rows_that_this_version_lacks(world):
    first = freeze(world)
    assert not replayable(first).exists()
    second = second_set(world, first)
    rows = list(replayable(second))
    trained = set(first.rows.filter(split="train").values_list("pk", flat=True))
    assert {row.pk for row in rows} == trained
    retired, drafted = rows[0].example, rows[1].example
    Example.objects.filter(pk=retired.pk).update(status=Example.Status.RETIRED)
    assert retired.pk not in {row.example_id for row in replayable(second)}
    assert drafted.pk in {row.example_id for row in replayable(second)}


def test_earlier_rows_never_ask_what_a_held_out_row_asks(world):
    first = freeze(world)
    second = second_set(world, first)
    row, near = list(replayable(second))[:2]
    held_out = second.rows.filter(split="test").first()
    held_out.prompt_hash = row.prompt_hash
    held_out.save(update_fields=["prompt_hash"])
    assert row.example_id not in {one.example_id for one in replayable(second)}
    everything = drawn_rows(second, count=100, seed=1)
    assert near.pk in {one.pk for one in everything}
    revision = held_out.revision
    type(revision).objects.filter(pk=revision.pk).update(
        content={**revision.content, "messages": near.revision.content["messages"]}
    )
    assert near.pk not in {one.pk for one in drawn_rows(second, count=100, seed=1)}


def test_a_run_practises_earlier_rows_and_says_so(world, tiny_base):
    first = freeze(world)
    second = second_set(world, first)
    training = launch(world, tiny_base, second, replay="project", replay_share=0.3)
    practised = set(ReplayedRow.objects.filter(training_run=training).values_list("row", flat=True))
    training = finish(training)
    assert training.run.status == Run.Status.SUCCEEDED, training.run.error_message
    assert training.data_facts["replayed_rows"] == len(practised) > 5
    trained = {row.pk for row in queries.trained_rows(training)}
    own = set(second.rows.filter(split="train").values_list("pk", flat=True))
    assert trained == own | practised
    assert queries.people_trained_on(training).rows == len(trained)


def test_a_withdrawn_source_reaches_what_practised_its_rows(world, tiny_base):
    from training.extensions import uses

    first = freeze(world)
    source, _ = Source.objects.get_or_create(project=world.project, name="Desk 2024")
    Example.objects.filter(project=world.project).update(source="Desk 2024")
    second = second_set(world, first)
    training = finish(launch(world, tiny_base, second, replay="project"))
    version = training.model_version
    assert withdrawn_words_of([version]) == {}
    from django.utils import timezone

    Source.objects.filter(pk=source.pk).update(withdrawn_at=timezone.now(), withdrawn_reason="asked for")
    n = training.replayed.count()
    assert withdrawn_words_of([version]) == {version.pk: f"{n} rows of the withdrawn source “Desk 2024”"}
    (use,) = uses(source, [first.pk])
    assert (use.key, use.dataset) == (f"model:{version.pk}", first.pk)
    with pytest.raises(services.NotLaunchable) as refused:
        launch(world, tiny_base, second, replay="project")
    assert "no earlier rows to practise" in str(refused.value.fields)
    # A run that waits to be tried again would practise them.
    version.delete()
    Run.objects.filter(pk=training.run_id).update(status=Run.Status.FAILED)
    training.run.refresh_from_db()
    with pytest.raises(Conflict, match="It practises"), transaction.atomic():
        services.retry(by=world.admin, training_run=training)


def test_without_earlier_rows_the_form_says_so(world, tiny_base):
    with pytest.raises(services.NotLaunchable) as refused:
        launch(world, tiny_base, make_dataset(world.project, 30), replay="project")
    assert "no earlier rows to practise" in refused.value.fields["replay"][0]


def test_the_estimate_counts_them(world, tiny_base):
    dataset = make_dataset(world.project, 30)
    plain, with_them = (
        services.check(
            by=world.admin,
            project=world.project,
            base_model=tiny_base,
            dataset=dataset,
            method="lora",
            recipe=recipe_from(recipe_type("lora"), {"replay": kind}),
        ).estimate
        for kind in (NO_REPLAY, "self")
    )
    assert with_them.steps > plain.steps
    assert with_them.tokens > plain.tokens
    assert with_them.parts["replay"] > 0
    assert "replay" not in plain.parts
    assert plain.tokens_exact
    assert not with_them.tokens_exact


# --- held to the base model --------------------------------------------------------------------------------
@pytest.mark.parametrize("method", ["lora", "oft", "ia3"])
def test_the_divergence_is_the_textbook_one(tiny_folder, method):
    import torch
    from transformers import AutoModelForCausalLM

    from training.methods import METHODS
    from training.rows import EncodedRow
    from training.runner.data import collate
    from training.runner.divergence import losses_and_divergence
    from training.runner.scoring import row_losses

    torch.manual_seed(1)
    base = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32).eval()
    model = METHODS[method].load(tiny_folder, recipe_type(method)(), "cpu").eval()
    batch = collate([EncodedRow(0, [5, 6, 7, 8, 9], 2, "", ""), EncodedRow(1, [5, 9, 4], 1, "", "")], 0)
    assert float(losses_and_divergence(model, batch)[1].sum()) == pytest.approx(0, abs=1e-5)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(0.3 * torch.randn_like(weight))
    losses, divergence = losses_and_divergence(model, batch)
    assert torch.allclose(losses, row_losses(model, batch), atol=1e-4)
    with torch.no_grad():
        ids = torch.tensor([[5, 6, 7, 8, 9]])
        own, its = (torch.log_softmax(one(input_ids=ids).logits[0, 1:4], dim=-1) for one in (model, base))
    assert float(divergence[0]) == pytest.approx(float((its.exp() * (its - own)).sum()), rel=1e-3)
    assert float(divergence[0]) > 0.0001
    divergence.sum().backward()


def test_a_run_that_is_held_moves_less(world, tiny_base):
    dataset = make_dataset(world.project, 30)
    free, held = (
        finish(launch(world, tiny_base, dataset, divergence_weight=weight, epochs=3.0))
        for weight in (0.0, 20.0)
    )
    assert held.run.status == Run.Status.SUCCEEDED, held.run.error_message
    assert held.loss_before > held.loss_after > free.loss_after


@pytest.mark.parametrize(
    ("method", "changes"), [("full", {}), ("lora", {"variant": "pissa"}), ("bottleneck", {})]
)
def test_methods_that_cannot_be_held_say_so(world, tiny_base, method, changes):
    with pytest.raises(services.NotLaunchable) as refused:
        services.launch(
            by=world.admin,
            project=world.project,
            base_model=tiny_base,
            dataset=make_dataset(world.project, 30),
            method=method,
            recipe=changes | {"divergence_weight": 0.1},
        )
    assert "cannot be held" in refused.value.fields["divergence_weight"][0]


# --- the base model's own words ------------------------------------------------------------------------------
EXPERT = "Your container FD-41007 left Hamburg on 25 Nov and reaches Ms Okafor in Lagos on 14 Dec."


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("On 25 Nov your container FD-41007 left Hamburg. It reaches Ms Okafor in Lagos on 14 Dec.", True),
        ("On 25 Nov your container FD-41008 left Hamburg. It reaches Ms Okafor in Lagos on 14 Dec.", False),
        ("On 25 Nov your container FD-41007 left Hamburg. It reaches Ms Okafor in Lagos on 15 Dec.", False),
        ("On 25 Nov your container left Hamburg. It reaches Ms Okafor in Lagos on 14 Dec as planned.", False),
        (
            "On 25 Nov your container FD-41007 left Hamburg. It reaches the customer in Lagos on 14 Dec.",
            False,
        ),
        ("FD-41007: 25 Nov, 14 Dec.", False),
        ("", False),
        (
            "On 25 Nov your container FD-41007 left Hamburg. It reaches Ms Okafor in Lagos on 14 Dec and costs 900 euros.",
            False,
        ),
    ],
)
def test_words_are_taken_only_where_they_keep_the_facts(text, same):
    from training.runner.rewriting import says_the_same

    assert says_the_same(EXPERT, text) is same


def test_a_run_learns_the_base_models_words_where_they_keep_the_facts(world, tiny_base, monkeypatch):
    from training.runner import rewriting

    dataset = make_dataset(world.project, 30)
    asked = []

    def write(self, prompts, **how):
        asked.extend(prompts)
        encode = self.tokenizer
        # Half of the answers keep the facts, in other words; the others say something else.
        texts = [
            f"{row['completion'][:-1]}, as we said." if at % 2 else "It costs 900 euros and more than that."
            for at, row in enumerate(own)
        ]
        return [encode(text, add_special_tokens=False)["input_ids"] for text in texts]

    from dataset.rows import iter_rows

    own = list(iter_rows(dataset, split="train"))
    monkeypatch.setattr(BaseWriter, "write", write)
    training = finish(launch(world, tiny_base, dataset, own_words=True))
    assert training.run.status == Run.Status.SUCCEEDED, training.run.error_message
    assert len(asked) == len(own)
    assert training.data_facts["rewritten_rows"] == len(own) // 2
    plain = finish(launch(world, tiny_base, dataset))
    assert plain.data_facts["rewritten_rows"] == 0
    # More words in the changed rows; the held-out rows are the same.
    assert training.data_facts["completion_tokens"] > plain.data_facts["completion_tokens"]
    assert training.loss_before == plain.loss_before
    assert rewriting.FILE not in {path.name for path in checkpoints.folder_of(training.pk).glob("*")}


def test_the_base_model_is_really_asked_to_rewrite(world, tiny_base):
    dataset = make_dataset(world.project, 30)
    training = finish(launch(world, tiny_base, dataset, own_words=True, most_rows=8))
    assert training.run.status == Run.Status.SUCCEEDED, training.run.error_message
    # The tiny model writes nonsense: the experts' words stay.
    assert training.data_facts["rewritten_rows"] == 0
