"""Launching."""

import json

import pytest

from core.api.parsing import MOST_DIGITS
from core.models import Run
from tests.support.factories import make_dataset
from tests.support.reading import text_of
from tests.training.pages import api, post, url
from training import preflight
from training.models import ModelVersion, TrainingRun

pytestmark = pytest.mark.django_db


def launch_values(scene, **changes):
    from training.methods.base import as_values
    from training.objectives import recipe_type

    recipe = as_values(recipe_type("lora")())
    values = {name: value for name, value in recipe.items() if value is not False}
    return (
        values
        | {
            "objective": "supervised",
            "method": "lora",
            "base_model": scene.base.pk,
            "dataset": scene.dataset.pk,
            "note": "first",
        }
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
            if one.fixed:
                continue
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
