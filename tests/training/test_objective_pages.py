"""Choosing what a run learns from, and what its page shows of held-out preferences."""

import pytest
from django.urls import reverse

from tests.support.factories import make_preference_rows, make_training
from tests.support.reading import text_of
from tests.training.pages import api, post, url
from tests.training.test_launch_page import launch_values, sent_by
from training.forms import LaunchForm, LearningCurveForm, kept_settings
from training.models import MetricPoint, TrainingRun
from training.objectives import OBJECTIVES, recipe_type

pytestmark = pytest.mark.django_db
FIGURES = {
    "accuracy": 0.75, "margin": 0.42, "reward_liked": 0.3, "reward_disliked": -0.12,
    "log_prob_liked": -20.0, "log_prob_disliked": -31.0,
}  # fmt: skip


@pytest.fixture
def preferences(scene):
    return make_preference_rows(scene.project, 60)


def dpo_values(scene, preferences, **changes):
    values = launch_values(
        scene, objective="dpo", dataset=preferences.pk, learning_rate="0.00005", beta="0.2"
    )
    return values | changes


def test_an_objective_shows_its_own_datasets_settings_and_learning_rate(scene, preferences, as_user):
    plain = as_user(scene.admin).get(url(scene, "launch"))
    assert list(plain.context["form"].objects("dataset")) == [scene.dataset]
    assert "beta" not in plain.context["form"].fields
    for objective in OBJECTIVES.values():
        assert objective.summary in text_of(plain)
    # As the form sends itself again when another objective is chosen.
    asked = {"objective": "dpo", "was": "lora", "was_for": "supervised", "method": "lora", "dataset": scene.dataset.pk,
             "learning_rate": "0.001", "epochs": "2"}  # fmt: skip
    page = as_user(scene.admin).get(url(scene, "launch"), asked)
    form = page.context["form"]
    assert list(form.objects("dataset")) == [preferences]
    assert form["beta"].value() == 0.1
    # Nobody chose 0.001: it was the other objective's default. Two epochs were chosen.
    assert (form["learning_rate"].value(), form["epochs"].value()) == (5e-5, "2")
    assert page.context["preflight"].data.train_rows == 48
    assert "Pairs" in text_of(page)


def test_a_launch_on_pairs_queues_a_run_with_the_objective(scene, preferences, as_user):
    answer = as_user(scene.admin).post(url(scene, "launch"), dpo_values(scene, preferences))
    assert answer.status_code == 302
    training = TrainingRun.objects.order_by("-pk").first()
    assert (training.objective, training.recipe["beta"], training.recipe["rank"]) == ("dpo", 0.2, 16)
    assert training.estimate["parts"]["reference"] > 0
    # Both answers of a row are in memory at once.
    plain = as_user(scene.admin).post(url(scene, "preflight"), launch_values(scene, objective="supervised"))
    assert training.estimate["memory_bytes"] > plain.context["preflight"].estimate.memory_bytes
    like = as_user(scene.admin).get(url(scene, "launch"), {"like": training.number}).context["form"]
    assert (like.chosen_objective.name, like["beta"].value(), like["dataset"].value()) == (
        "dpo",
        0.2,
        preferences.pk,
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"objective": "magic"}, "not one of the available choices"),
        ({"objective": ""}, "This field is required"),
        ({"beta": "0"}, "Beta: at least 0.001."),
        ({"dataset": "supervised"}, "not one of the available choices"),
    ],
)
def test_wrong_values_are_named(scene, preferences, as_user, changes, says):
    if changes.get("dataset"):
        changes = {"dataset": scene.dataset.pk}
    before = TrainingRun.objects.count()
    answer = as_user(scene.admin).post(url(scene, "launch"), dpo_values(scene, preferences, **changes))
    assert answer.status_code == 422
    assert says in text_of(answer)
    assert TrainingRun.objects.count() == before


def test_without_a_preference_version_the_page_says_what_is_missing(scene, as_user):
    page = as_user(scene.admin).get(url(scene, "launch"), {"objective": "kto"})
    assert page.status_code == 200
    assert "No preference version is ready" in text_of(page)
    assert OBJECTIVES["kto"].needs in text_of(page)


def test_settings_survive_going_to_another_objective_and_back(scene):
    def shown(values, objective):
        kept = kept_settings(values, "lora", objective)
        return LaunchForm(scene.project, "lora", initial={**kept, "objective": objective})

    for name in OBJECTIVES:
        start = sent_by(shown({}, name)) | {"was_for": name, "rank": "4", "learning_rate": "0.0003"}
        own = [one.name for one in shown({}, name).settings if one.name in ("beta", "odds_weight")]
        start |= dict.fromkeys(own, "0.7")
        for other in OBJECTIVES:
            away = sent_by(shown(start, other)) | {"was_for": other}
            back = shown(away, name)
            assert (back["rank"].value(), back["learning_rate"].value()) == ("4", "0.0003"), (name, other)
            assert [back[setting].value() for setting in own] == ["0.7"] * len(own), (name, other)


def test_a_learning_curve_learns_from_examples_whatever_is_sent(scene, preferences):
    form = LearningCurveForm(scene.project, "lora", {"objective": "dpo"})
    assert "objective" not in form.fields and "beta" not in form.fields
    assert list(form.objects("dataset")) == [scene.dataset]


def test_a_run_page_shows_margins_and_accuracy_on_held_out_preferences(scene, preferences, as_user):
    training = make_training(
        scene.project, scene.admin, base_model=scene.base, dataset=preferences, objective="dpo", planned_steps=12
    )  # fmt: skip
    for step, share in ((0, 0.0), (6, 0.5), (12, 1.0)):
        values = {name: share * value for name, value in FIGURES.items()} | {"accuracy": 0.5 + share / 4}
        MetricPoint.objects.create(
            training_run=training, series="validation", step=step, epoch=step / 6, loss=0.69, figures=values
        )
    page = as_user(scene.viewer).get(url(scene, "run", training.number))
    text = text_of(page)
    assert "Held-out preferences" in text
    assert "0.50 → 0.75" in text and "0.00 → 0.42" in text
    titles = [title for title, _ in page.context["preference_charts"]]
    assert titles == ["Reward margin", "Accuracy", "Rewards"]
    assert "0.69 is a model that does not tell them apart" in text
    assert "nats per completion token" not in page.content.decode()
    assert "Held-out preferences" not in text_of(
        as_user(scene.viewer).get(url(scene, "run", scene.done.number))
    )


def test_the_api_names_objectives_launches_them_and_gives_their_figures(scene, preferences, as_user):
    client = as_user(scene.admin)
    told = {one["name"]: one for one in client.get(api(scene, "training-objectives/")).json()}
    assert list(told) == list(OBJECTIVES)
    assert [one["name"] for one in told["kto"]["settings"]] == [
        "beta",
        "desirable_weight",
        "undesirable_weight",
    ]
    assert [one["name"] for one in told["supervised"]["settings"]][:2] == ["replay", "replay_share"]
    body = {
        "objective": "orpo", "method": "lora", "base_model": scene.base.pk, "dataset": preferences.number,
        "recipe": {"odds_weight": 0.3},
    }  # fmt: skip
    answer = post(client, api(scene, "training-runs/"), body)
    assert answer.status_code == 201, answer.json()
    run = answer.json()
    assert (run["objective"], run["recipe"]["odds_weight"], run["recipe"]["learning_rate"]) == (
        "orpo",
        0.3,
        2.5e-4,
    )
    training = TrainingRun.objects.get(project=scene.project, number=run["number"])
    MetricPoint.objects.create(
        training_run=training, series="validation", step=0, epoch=0, loss=1.0, figures=FIGURES
    )
    (point,) = client.get(api(scene, f"training-runs/{training.number}/points/")).json()["results"]
    assert point["figures"] == FIGURES
    wrong = post(client, api(scene, "training-runs/"), body | {"recipe": {"beta": 1}})
    assert wrong.status_code == 422
    assert "recipe.beta" in str(wrong.json())
    assert post(client, api(scene, "training-runs/"), body | {"objective": "magic"}).status_code in (400, 422)


def test_each_objective_says_where_its_learning_rate_comes_from():
    for name, objective in OBJECTIVES.items():
        rate = next(
            one
            for one in recipe_type("lora", name).__dataclass_fields__.values()
            if one.name == "learning_rate"
        )
        assert rate.metadata["source"]
        assert name == "supervised" or rate.metadata["source"] == objective.learning_rate_source


def test_home_leads_to_the_launch_of_a_preference_version(scene, preferences, as_user):
    client = as_user(scene.admin)
    home = client.get(reverse("core:home", args=[scene.project.slug])).content.decode()
    link = next(
        part.split('"')[0]
        for part in home.split('href="')
        if f"dataset={preferences.pk}" in part.split('"')[0]
    )
    form = client.get(link.replace("&amp;", "&")).context["form"]
    assert form.chosen_objective.dataset_kind == preferences.kind
    assert form.get_initial_for_field(form.fields["dataset"], "dataset") == str(preferences.pk)
