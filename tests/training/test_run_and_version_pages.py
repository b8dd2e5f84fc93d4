"""What the pages say."""

import pytest
from django.urls import reverse

from core.models import AuditEntry, Run
from tests.support.factories import make_base_model, make_training
from tests.support.reading import text_of
from tests.training.pages import api, url
from training import services
from training.models import ModelVersion, TrainingRun

pytestmark = pytest.mark.django_db


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
