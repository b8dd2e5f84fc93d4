"""Personal adapters: which corrections train, what is refused, and a real one on a tiny model with a killed worker."""

import signal
from datetime import timedelta

import pytest
from django.utils import timezone

from core.errors import Conflict, Refused
from core.models import Run
from core.runs.control import request_cancel, start_again
from core.storage import storage
from core.tasks import execute_run, sweep_runs
from tests.support import waiting
from tests.support.corrections import correct_answers
from tests.support.factories import make_base_model, make_dataset, make_version
from training.corrections import choose, contents_of
from training.models import CorrectionSplit, ModelVersion, PersonalAdapter, Team
from training.personal import LEAST_HELD_OUT, RANK, OfferVerdict, decide, shortage, verdict
from training.runner import personal as runner
from training.services.personal import launch_adapter, turn_off, turn_on

from .trained import freeze, make_adapter

pytestmark = pytest.mark.django_db


def ready(version):
    ModelVersion.objects.filter(pk=version.pk).update(status="ready")
    version.refresh_from_db()
    return version


def launch(world, shared, *, owner=None, by=None, **changes):
    owner = owner or world.rater
    return launch_adapter(
        by=by or world.rater, project=world.project, owner=owner, shared=shared,
        **({"of_live": True, "most_rank": 64} | changes),
    )  # fmt: skip


def finish(adapter):
    execute_run(adapter.run_id)
    return PersonalAdapter.objects.select_related("run", "version__artifact", "shared").get(pk=adapter.pk)


# --- the split -------------------------------------------------------------------------------------------------
def test_a_quarter_is_held_out_and_what_was_decided_stays():
    groups = {f"chat-{at}": 1 for at in range(40)}
    first = decide(groups, {}, seed="1")
    assert sum(first.values()) == 10 and set(first) == set(groups)
    more = groups | {f"chat-{at}": 1 for at in range(40, 60)}
    second = decide(more, first, seed="1")
    assert set(second) == set(more) - set(groups) and sum(second.values()) == 5
    # Of few rows five are held out; of two large conversations one; one alone trains.
    assert sum(decide({str(at): 1 for at in range(8)}, {}, seed="1").values()) == LEAST_HELD_OUT
    assert sorted(decide({"a": 30, "b": 40}, {}, seed="1").values()) == [False, True]
    assert decide({"a": 30}, {}, seed="1") == {"a": False}


def test_too_few_are_refused_with_the_number_that_is_missing():
    assert "8 more" in shortage(train=9, held_out=3, held_out_groups=3)
    assert "There is 1 correction that" in shortage(train=1, held_out=0, held_out_groups=0)
    assert "8 more conversations" in shortage(train=20, held_out=3, held_out_groups=3)
    assert "one conversation" in shortage(train=20, held_out=6, held_out_groups=1)
    assert "3 more" in shortage(train=12, held_out=10, held_out_groups=4)
    assert not shortage(train=15, held_out=5, held_out_groups=5)


def rows_of(*differences):
    return [
        {"hash": str(at), "group": str(at), "loss": 10 + difference, "other": 10.0, "tokens": 10}
        for at, difference in enumerate(differences)
    ]


def test_it_is_offered_only_when_the_interval_says_better():
    assert verdict(rows_of(-3, -2.9, -3.1, -3, -2.8), tries=1).better
    unsure = verdict(rows_of(-9, 3, -4, 2, -1), tries=1)
    assert unsure.difference < 0 < unsure.high and not unsure.better and "cannot be told" in unsure.sentence
    assert verdict(rows_of(3, 2.9, 3.1, 3, 2.8), tries=1).worse
    assert verdict([], tries=1) is None
    # Two rows of one conversation are one: no spread, no offer.
    alone = [row | {"group": "a"} for row in rows_of(-3, -3)]
    assert verdict(alone, tries=1).high is None and not verdict(alone, tries=1).better
    # Each further try needs more.
    close = rows_of(-3, -1.2, -2, -0.8, -1.2)
    first, fifth = verdict(close, tries=1), verdict(close, tries=5)
    assert first.better and not fifth.better and fifth.level == pytest.approx(0.99)
    assert OfferVerdict.from_values(first.as_values()) == first


def test_held_out_rows_of_datasets_never_train_and_known_ones_measure_nothing(world):
    shared = ready(make_version(world.project))
    correct_answers(world.project, world.rater, 40)
    dataset = make_dataset(world.project, 12)
    before = choose(world.project, world.rater, shared)
    assert (before.train, before.held_out) == (30, 10) and not before.left_out and not before.shortage
    trains = [row for row in before.rows if not row["held_out"]]
    held = [row for row in before.rows if row["held_out"]]
    # A dataset version holds out one that would train, and trains on one that would be held out.
    for at, (row, split) in enumerate(((trains[0], "test"), (held[0], "train")), start=900):
        dataset.rows.create(
            example_id=row["example"], revision=_revision(row),
            position=at, split=split, row_hash=f"{at:064x}", prompt_hash=f"{at:064x}",
        )  # fmt: skip
    trained = make_version(world.project, world.admin, base_model=shared.base_model)
    trained.training_run.dataset = dataset
    trained.training_run.save()
    after = choose(world.project, world.rater, ready(trained))
    assert after.left_out == {"known": 1, "in_test": 1}
    assert (after.train, after.held_out) == (29, 9)
    # Of somebody else there is nothing.
    assert not choose(world.project, world.annotator, shared).rows


def _revision(row):
    from annotation.models import Revision

    return Revision.objects.get(example=row["example"], number=row["revision"])


def test_a_persons_own_words_train_and_no_retired_or_empty_ones(world):
    shared = ready(make_version(world.project))
    first, second, *_ = correct_answers(world.project, world.rater, 3)
    # Somebody else's edit is not this person's; a retired one is nobody's.
    first.revisions.create(
        number=2,
        reason="corrected",
        by=world.reviewer,
        content=first.content() | {"completion": "Other words."},
    )
    type(second).objects.filter(pk=second.pk).update(status="retired")
    chosen = choose(world.project, world.rater, shared)
    assert len(chosen.rows) == 2 and "18 more" in chosen.shortage
    texts = contents_of(chosen.rows)
    assert "freight desk" in texts[first.pk]["completion"]
    # A text that is not the one that was chosen is not used.
    assert not contents_of([{**chosen.rows[0], "hash": "0" * 64}])


# --- launching -------------------------------------------------------------------------------------------------
def test_what_is_refused(world, sent):
    base = make_base_model()
    shared = ready(make_version(world.project, base_model=base))
    correct_answers(world.project, world.rater, 12)
    with pytest.raises(Refused, match="8 more"):
        launch(world, shared)
    assert not CorrectionSplit.objects.exists() and not PersonalAdapter.objects.exists()
    correct_answers(world.project, world.rater, 12, start=12)
    whole = ready(make_version(world.project, world.admin, base_model=base, kind="full"))
    soft = ready(make_version(world.project, world.admin, base_model=base, serving="prompt_embeds"))
    with pytest.raises(Refused, match="complete model"):
        launch(world, whole)
    with pytest.raises(Refused, match="prompt embeddings"):
        launch(world, soft)
    lora = ready(make_version(world.project, world.admin, base_model=base, adapter_rank=16))
    with pytest.raises(Refused, match="rank 16, and with an adapter on top 20"):
        launch(world, lora, most_rank=16)
    with pytest.raises(Refused, match="not ready"):
        launch(world, make_version(world.project, world.admin, base_model=base))
    with pytest.raises(Refused, match="another project"):
        launch(world, ready(make_version(world.other, base_model=base)))
    with pytest.raises(Refused, match="Only a member"):
        launch(world, shared, owner=world.stranger)
    with pytest.raises(Refused, match="Only a member"):
        launch(world, shared, owner=world.partner)
    adapter = launch(world, lora)
    assert adapter.run.kind == "personal_adapter"
    with pytest.raises(Conflict, match="already"):
        launch(world, lora)
    assert CorrectionSplit.objects.filter(held_out=True).count() == 6
    # Not measured, so it cannot be turned on; the database holds it too.
    with pytest.raises(Refused, match="not measured"):
        turn_on(by=world.rater, adapter=adapter)


def test_a_team_has_the_corrections_of_its_members(world, sent):
    shared = ready(make_version(world.project))
    team = Team.objects.create(project=world.project, name="Night shift")
    for person in (world.rater, world.annotator):
        team.memberships.create(user=person)
        correct_answers(world.project, person, 12, start=100 * person.pk)
    correct_answers(world.project, world.reviewer, 5, start=9000)
    adapter = launch(world, shared, owner=team, by=world.admin)
    assert {row["author"] for row in adapter.rows} == {world.rater.pk, world.annotator.pk}
    assert len(adapter.rows) == 24 and adapter.owner is None


# --- a real one ------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_a_real_adapter_on_a_lora_version_and_its_switch(world, tiny_base, tmp_path, sent):
    shared = ready(make_adapter(world, tiny_base, freeze(world), tmp_path))
    correct_answers(world.project, world.rater, 28)
    adapter = finish(launch(world, shared))
    assert adapter.run.status == Run.Status.SUCCEEDED, adapter.run.error_message
    assert adapter.better and len(adapter.losses) == 7 and adapter.tries == 1
    found = OfferVerdict.from_values(adapter.figures["verdict"])
    assert found.n == found.groups == 7 and found.loss < found.other and found.high < 0
    version = adapter.version
    assert version.personal and version.adapter_rank == 4 + RANK and version.training_run is None
    assert version.parity_prompts == shared.parity_prompts
    # In no list of versions.
    assert version not in ModelVersion.objects.all() and version not in world.project.model_versions.all()
    turn_on(by=world.rater, adapter=adapter)
    turn_on(by=world.rater, adapter=adapter)
    assert PersonalAdapter.objects.get().on
    turn_off(by=world.rater, adapter=adapter)
    assert not PersonalAdapter.objects.get().on
    # A second one is measured more strictly, on the same held-out rows, and takes the first one's place.
    turn_on(by=world.rater, adapter=adapter)
    second = finish(launch(world, shared))
    assert second.tries == 2 and second.figures["verdict"]["level"] == pytest.approx(0.975)
    assert {row["hash"] for row in second.held_out_rows} == {row["hash"] for row in adapter.held_out_rows}
    # The same rows and seed give the same weights.
    assert (
        second.version.artifact_id == version.artifact_id
        and second.version.served_name != version.served_name
    )
    turn_on(by=world.rater, adapter=second)
    assert list(PersonalAdapter.objects.filter(on=True)) == [second]


def test_the_joined_adapter_gives_the_logits_of_both_together(world, tiny_base, tmp_path):
    import torch
    from peft import PeftModel

    from training.methods.lora import LoRA, LoRARecipe
    from training.runner import joining

    base_folder = storage().local_path(tiny_base.artifact)
    folders = []
    for seed, recipe in enumerate(
        (LoRARecipe(rank=6, alpha=5, rslora=True, targets="attention"), LoRARecipe(rank=4, alpha=8))
    ):
        folder = tmp_path / f"side-{seed}"
        folder.mkdir()
        torch.manual_seed(seed)
        model = LoRA().load(base_folder, recipe, "cpu")
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.data.normal_(0, 0.3)
        LoRA().save(model, folder)
        folders.append(folder)
    joined = tmp_path / "joined"
    joined.mkdir()
    assert joining.join(*folders, joined) == 10
    ids = torch.arange(2, 40).reshape(2, 19)
    base = runner.load_weights(base_folder, device="cpu", precision="float32")
    both = PeftModel.from_pretrained(base, folders[0], adapter_name="shared")
    both.load_adapter(folders[1], adapter_name="own")
    both.base_model.set_adapter(["shared", "own"])
    with torch.inference_mode():
        expected = both(input_ids=ids).logits
        alone = runner.load_weights(base_folder, device="cpu", precision="float32")
        plain = alone(input_ids=ids).logits
        result = PeftModel.from_pretrained(alone, joined).eval()(input_ids=ids).logits
    assert (expected - plain).abs().max() > 0.1, "the adapters change something"
    assert (expected - result).abs().max() < 1e-5
    with pytest.raises(joining.NotPlain):
        text = (folders[0] / joining.CONFIG).read_text()
        (folders[0] / joining.CONFIG).write_text(text.replace('"use_dora": false', '"use_dora": true'))
        joining.join(*folders, joined)


@pytest.mark.django_db(transaction=True)
def test_a_cancelled_adapter_starts_again_and_a_stored_one_is_only_measured(
    world, tiny_base, sent, monkeypatch
):
    shared = ready(make_version(world.project, base_model=tiny_base))
    correct_answers(world.project, world.rater, 24)
    adapter = launch(world, shared)
    request_cancel(by=world.rater, run=adapter.run)
    start_again(by=world.rater, run=Run.objects.get(pk=adapter.run_id))
    real = runner._measure

    def killed(work):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "_measure", killed)
    with pytest.raises(KeyboardInterrupt):
        execute_run(adapter.run_id)
    stored = PersonalAdapter.objects.get().version_id
    assert stored is not None and PersonalAdapter.objects.get().better is None
    monkeypatch.setattr(runner, "_measure", real)
    monkeypatch.setattr(runner, "_train", lambda work: pytest.fail("it is trained already"))
    Run.objects.filter(pk=adapter.run_id).update(status="queued", claim=None)
    adapter = finish(adapter)
    assert adapter.run.status == Run.Status.SUCCEEDED, adapter.run.error_message
    assert adapter.version_id == stored and adapter.better is not None
    assert adapter.version.adapter_rank == RANK  # on top of a base model it is an ordinary adapter


@pytest.mark.django_db(transaction=True)
def test_a_killed_worker_is_replaced(world, tiny_base, worker, sent):
    shared = ready(make_version(world.project, base_model=tiny_base))
    correct_answers(world.project, world.rater, 24)
    adapter = launch(world, shared)
    process = worker(adapter, pause=0.3)
    waiting.wait_for(lambda: Run.objects.get(pk=adapter.run_id).done >= 2, "two steps", 120)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert Run.objects.get(pk=adapter.run_id).status == Run.Status.RUNNING
    Run.objects.filter(pk=adapter.run_id).update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    sweep_runs()
    adapter = finish(adapter)
    assert adapter.run.status == Run.Status.SUCCEEDED, adapter.run.error_message
    assert adapter.run.attempt == 2 and adapter.better is not None
