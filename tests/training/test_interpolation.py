"""The way from a base model to a version: really measured on the tiny model, a share stored as a version, pages and API."""

import pytest
from django.urls import reverse

from core.errors import Conflict, Invalid, Refused
from core.models import Run
from core.storage import storage
from core.tasks import execute_run
from tests.support.factories import make_version
from tests.support.reading import text_of
from training import queries, services
from training.host import stopping
from training.interpolation import PERCENTS, BlendFigures, rows_of, why_not
from training.models import Interpolation, ModelVersion
from training.runner import interpolation as runner

from .conftest import finish
from .trained import freeze, small_set

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    found = small_set()
    monkeypatch.setattr(runner, "general_set", lambda: found)
    return found


def trained(world, base, method="lora", **changes):
    rates = {"lora": 0.02, "full": 0.01, "prompt": 0.1}
    training = finish(
        services.launch(
            by=world.admin,
            project=world.project,
            base_model=base,
            dataset=freeze(world, 40),
            method=method,
            recipe={"epochs": 1.0, "evaluations": 1, "learning_rate": rates[method], **changes},
        )
    )
    assert training.run.status == Run.Status.SUCCEEDED, training.run.error_message
    return training.model_version


def measure(world, version):
    found = services.measure_interpolation(by=world.admin, version=version)
    execute_run(found.run_id)
    return Interpolation.objects.select_related("run").get(pk=found.pk)


def rows(measurement):
    return rows_of([BlendFigures.from_values(values) for values in measurement.figures])


# --- pure ------------------------------------------------------------------------------------------------------
def test_a_share_says_what_is_kept_and_what_is_gone():
    measured = [
        BlendFigures(100, 1.0, {"facts": 3.0, "prose": 2.0}),
        BlendFigures(0, 2.0, {"facts": 2.0, "prose": 3.0}),
        BlendFigures(50, 1.25, {"facts": 2.25, "prose": 2.5}),
    ]
    base, half, whole = rows_of(measured)
    assert [row.figures.percent for row in (base, half, whole)] == [0, 50, 100]
    # Prose got better, which does not pay for what facts lost.
    assert (base.forgotten, half.forgotten, whole.forgotten) == (0.0, 0.125, 0.5)
    assert (half.kept, half.gone) == (0.75, 0.75)
    assert [row.can_be_stored for row in (base, half, whole)] == [False, True, False]
    assert rows_of(measured[:1]) == []
    worse = rows_of([BlendFigures(0, 1.0, {"facts": 2.0}), BlendFigures(100, 2.0, {"facts": 1.0})])
    assert (worse[1].kept, worse[1].gone) == (None, None)


def test_only_weights_of_one_shape_have_something_between():
    assert why_not("adapter", "lora") == why_not("full", "full") == why_not("full", "lora") == ""
    assert "Only LoRA" in why_not("adapter", "prompt")
    assert "trained" in why_not("base", "")


# --- measured and stored ------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_share_is_measured_and_stored_as_a_version(world, tiny_base, method, small):
    import torch
    from safetensors.torch import load_file

    from training.runner.held_out import load_version, load_weights, losses_of_rows

    version = trained(world, tiny_base, method)
    before = storage().local_path(version.artifact)
    measurement = measure(world, version)
    assert measurement.run.status == Run.Status.SUCCEEDED, measurement.run.error_message
    found = rows(measurement)
    assert [row.figures.percent for row in found] == list(PERCENTS)
    base_loss, half, own_loss = (found[at].figures.held_out for at in (0, 2, 5))
    assert base_loss > half > own_loss
    texts = runner._texts(version)[runner.HELD_OUT]
    tokens = sum(row.answer_tokens for row in texts)
    base = load_weights(storage().local_path(tiny_base.artifact), device="cpu", precision="float32")
    assert sum(losses_of_rows(base, texts, "cpu")) / tokens == pytest.approx(base_loss, rel=1e-4)
    own = load_version(version, device="cpu", precision="float32")
    assert sum(losses_of_rows(own, texts, "cpu")) / tokens == pytest.approx(own_loss, rel=1e-4)

    made = finish(services.store_share(by=world.admin, version=version, percent=50))
    assert made.run.status == Run.Status.SUCCEEDED, made.run.error_message
    new = made.model_version
    assert (new.number, new.parent, new.kind, new.serving) == (2, version, version.kind, version.serving)
    assert new.served_name != version.served_name
    assert new.parity_prompts == version.parity_prompts
    assert queries.system_prompt_of(new) == queries.system_prompt_of(version)
    assert queries.people_trained_on(made).rows == queries.people_trained_on(version.training_run).rows > 0
    # What is stored is what was measured; the version that it was made of stays as it is.
    model = load_version(new, device="cpu", precision="float32")
    assert sum(losses_of_rows(model, texts, "cpu")) / tokens == pytest.approx(half, rel=2e-2)
    assert storage().local_path(version.artifact) == before and storage().verify(version.artifact) == []
    if method == "lora":
        mine, its = (
            load_file(storage().local_path(one.artifact) / "adapter_model.safetensors")
            for one in (new, version)
        )
        for name, weight in its.items():
            share = 0.5 if ".lora_B." in name else 1.0
            assert torch.allclose(mine[name].float(), share * weight.float(), rtol=1e-2, atol=1e-6), name
    else:
        ends = [dict(one.named_parameters()) for one in (base, own)]
        for name, weight in model.named_parameters():
            assert torch.allclose(weight, (ends[0][name] + ends[1][name]) / 2, rtol=2e-2, atol=1e-2), name
    # It is made once.
    with pytest.raises(Conflict, match="version already"):
        services.store_share(by=world.admin, version=version, percent=50)


def test_a_stopped_worker_keeps_its_shares_and_another_goes_on(world, tiny_base, monkeypatch):
    version = trained(world, tiny_base)
    note, seen = runner.services.note_share, []

    def stop_after_two(*, measurement, figures):
        note(measurement=measurement, figures=figures)
        seen.append(figures.percent)
        if len(seen) == 2:
            stopping.ask_to_stop()

    monkeypatch.setattr(runner.services, "note_share", stop_after_two)
    found = services.measure_interpolation(by=world.admin, version=version)
    execute_run(found.run_id)
    found.refresh_from_db()
    assert [one["percent"] for one in found.figures] == [0, 25]
    stopping.forget()
    Run.objects.filter(pk=found.run_id).update(status=Run.Status.QUEUED)
    execute_run(found.run_id)
    found.refresh_from_db()
    assert seen == list(PERCENTS)
    assert found.measured_at is not None


def test_what_has_nothing_between_is_refused(world, tiny_base):
    version = trained(world, tiny_base, "prompt")
    with pytest.raises(Refused, match="Only LoRA"):
        services.measure_interpolation(by=world.admin, version=version)
    base = ModelVersion.objects.get(project=world.project, number=0)
    with pytest.raises(Refused, match="where the way begins"):
        services.store_share(by=world.admin, version=base, percent=50)


def test_only_measured_shares_between_the_ends_are_stored(world):
    version = make_version(world.project, world.admin)
    with pytest.raises(Invalid, match="not measured"):
        services.store_share(by=world.admin, version=version, percent=50)
    for percent in (0, 100, 33):
        with pytest.raises(Invalid, match="between the ends"):
            services.store_share(by=world.admin, version=version, percent=percent)


# --- page and API ---------------------------------------------------------------------------------------------
FIGURES = [
    {"percent": percent, "held_out": 2 - percent / 100, "tasks": {"facts": 1 + (percent / 100) ** 2}}
    for percent in PERCENTS
]


@pytest.fixture
def urls(scene):
    names = ("version-shares", "version-shares-measure", "version-share-store")
    return {name: reverse(f"training:{name}", args=[scene.project.slug, scene.version.pk]) for name in names}


def measured(scene):
    found = services.measure_interpolation(by=scene.admin, version=scene.version)
    Run.objects.filter(pk=found.run_id).update(status=Run.Status.SUCCEEDED)
    Interpolation.objects.filter(pk=found.pk).update(figures=FIGURES, rows=12)
    return found


def test_the_page_before_and_after_it_was_measured(scene, urls, as_user):
    admin, viewer = as_user(scene.admin), as_user(scene.viewer)
    assert "Not measured yet" in text_of(viewer.get(urls["version-shares"]))
    assert viewer.post(urls["version-shares-measure"]).status_code == 403
    for name in urls:
        answer = as_user(scene.neighbour).get if name == "version-shares" else as_user(scene.neighbour).post
        assert answer(urls[name]).status_code == 404
    assert admin.post(urls["version-shares-measure"]).status_code == 302
    assert admin.post(urls["version-shares-measure"]).status_code == 409
    Interpolation.objects.all().delete()
    measured(scene)
    words = text_of(admin.get(urls["version-shares"]))
    assert "75% of what was learnt is kept" in words
    assert "44% of the forgetting is gone" in words
    assert "Make 75% a new model version" in words
    assert "Make" not in text_of(viewer.get(urls["version-shares"])).split("One share")[1]


def test_a_share_is_stored_from_the_page(scene, urls, as_user):
    measured(scene)
    admin = as_user(scene.admin)
    assert admin.post(urls["version-share-store"], {"percent": "33"}).status_code == 422
    assert as_user(scene.viewer).post(urls["version-share-store"], {"percent": "75"}).status_code == 403
    answer = admin.post(urls["version-share-store"], {"percent": "75"})
    made = scene.project.training_runs.get(percent=75)
    assert answer.url == reverse("training:run", args=[scene.project.slug, made.number])
    assert made.continued_from == scene.version and made.run.kind == "interpolated_version"
    assert f"75% of the way to {scene.version}" in text_of(admin.get(answer.url))
    assert "Made from it" in text_of(admin.get(urls["version-shares"]))
    assert admin.post(urls["version-share-store"], {"percent": "75"}).status_code == 409


def test_the_api_tells_the_same(scene, as_user):
    measured(scene)
    where = [scene.project.slug, scene.version.pk]
    url, store = (
        reverse(name, args=where) for name in ("api-model-version-shares", "api-model-version-share-version")
    )
    found = as_user(scene.viewer).get(url).json()
    assert [one["percent"] for one in found["shares"]] == list(PERCENTS)
    assert found["shares"][2]["kept"] == pytest.approx(0.5)
    assert as_user(scene.viewer).post(url).status_code == 403
    admin = as_user(scene.admin)
    assert admin.post(url).status_code == 202
    assert admin.post(store, {"percent": 33}, content_type="application/json").status_code == 422
    assert admin.post(store, {"percent": 90}, content_type="application/json").status_code == 202
