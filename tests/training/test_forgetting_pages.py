"""What a version forgot, on its page and in the API: states, items to read, who may start it."""

import pytest
from django.urls import reverse

from core.models import Run
from tests.support.factories import make_forgetting, make_version
from tests.support.reading import text_of
from training.models import ForgettingMeasurement

pytestmark = pytest.mark.django_db


@pytest.fixture
def urls(scene):
    names = ("version", "version-forgetting", "version-forgetting-measure")
    return {name: reverse(f"training:{name}", args=[scene.project.slug, scene.version.pk]) for name in names}


def page(client, url):
    return text_of(client.get(url))


def test_before_it_was_measured_an_admin_can_start_it(scene, urls, as_user):
    admin, viewer = as_user(scene.admin), as_user(scene.viewer)
    assert "Not measured yet" in page(viewer, urls["version"])
    measure = urls["version-forgetting-measure"]
    assert measure not in viewer.get(urls["version"]).content.decode()
    assert measure in admin.get(urls["version"]).content.decode()
    assert viewer.post(measure).status_code == 403
    assert as_user(scene.neighbour).post(measure).status_code == 404
    assert admin.post(measure).status_code == 302
    found = ForgettingMeasurement.objects.get()
    assert found.run.status == Run.Status.QUEUED and found.run.kind == "forgetting"
    assert admin.post(measure).status_code == 409
    assert "data-run-reload" in admin.get(urls["version"]).content.decode()


def test_a_base_model_has_no_such_part(scene, as_user):
    base = make_version(scene.project, base_model=scene.base)
    url = reverse("training:version", args=[scene.project.slug, base.pk])
    assert "What it forgot" not in page(as_user(scene.viewer), url)


def test_the_figures_stand_with_their_intervals_and_a_verdict(scene, urls, as_user):
    make_forgetting(scene.version, lost=30)
    text = page(as_user(scene.viewer), urls["version"])
    assert "World facts" in text and "75%" in text and "38%" in text
    assert "+38 (+26 to +48)" in text and "Forgot" in text
    assert "General English" in text and "No sign of forgetting" in text
    assert "Read the 30 answers that got lost" in text


def test_what_cannot_be_told_says_why(scene, urls, as_user):
    make_forgetting(scene.version, items=15, right=12)
    text = page(as_user(scene.viewer), urls["version"])
    assert "Cannot be told" in text and "It has 15 items; at least 20 are needed." in text


def test_an_outdated_measurement_says_so_and_can_be_repeated(scene, urls, as_user):
    make_forgetting(scene.version)
    admin = as_user(scene.admin)
    assert urls["version-forgetting-measure"] not in admin.get(urls["version"]).content.decode()
    ForgettingMeasurement.objects.update(set_version="0" * 64)
    assert "have changed since" in page(admin, urls["version"])
    assert admin.post(urls["version-forgetting-measure"]).status_code == 302
    found = ForgettingMeasurement.objects.get()
    assert found.figures == [] and found.measured_at is None


@pytest.mark.parametrize("status", [Run.Status.FAILED, Run.Status.CANCELLED])
def test_a_measurement_that_did_not_end_can_be_repeated(scene, urls, as_user, status):
    make_forgetting(scene.version, status=status)
    content = as_user(scene.admin).get(urls["version"]).content.decode()
    assert urls["version-forgetting-measure"] in content


def test_the_lost_answers_can_be_read(scene, urls, as_user):
    make_forgetting(scene.version, lost=30)
    viewer = as_user(scene.viewer)
    shown = page(viewer, urls["version-forgetting"] + "?change=lost")
    assert "What is the capital of France?" in shown and "Your order is on its way." in shown
    assert shown.count("Right:") == 25, "the list is paged"
    kept = page(viewer, urls["version-forgetting"] + "?change=right")
    assert "What is the capital of France?" not in kept
    assert "No such answers" in page(viewer, urls["version-forgetting"] + "?change=gained")
    assert viewer.get(urls["version-forgetting"] + "?change=x").status_code == 422
    assert as_user(scene.neighbour).get(urls["version-forgetting"]).status_code == 404
    assert "Not measured yet" in page(
        viewer,
        reverse(
            "training:version-forgetting",
            args=[scene.project.slug, make_version(scene.project, scene.admin, base_model=scene.base).pk],
        ),
    )


def test_the_api_has_the_same(scene, as_user):
    root = f"/api/v1/projects/{scene.project.slug}/model-versions/{scene.version.pk}/forgetting/"
    viewer, admin = as_user(scene.viewer), as_user(scene.admin)
    assert viewer.get(root).json() == {
        "run": None, "previous": None, "set_version": None, "precision": None, "measured_at": None,
        "left_out": None, "outdated": False, "tasks": [],
    }  # fmt: skip
    make_forgetting(scene.version, lost=30)
    found = viewer.get(root).json()
    facts = found["tasks"][0]
    assert (facts["task"], facts["lost"], facts["conclusion"]) == ("facts", 30, "forgot")
    assert facts["right"]["worse"] == pytest.approx(30 / 80)
    assert found["tasks"][1]["right"] is None
    lost = viewer.get(root + "items/?change=lost&task=facts").json()
    assert lost["count"] == 30 and lost["results"][0]["base_correct"] and not lost["results"][0]["correct"]
    assert viewer.get(root + "items/?task=x").status_code == 422
    assert viewer.post(root).status_code == 403
    assert admin.post(root).status_code == 202
    assert admin.post(root).status_code == 409
    assert as_user(scene.neighbour).get(root).status_code == 404
