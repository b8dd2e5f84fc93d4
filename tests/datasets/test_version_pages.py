"""Datasets."""

import json

import pytest
from django.test import Client
from django.utils import timezone

from annotation.models import Example, Review
from core.models import Project
from dataset.models import DatasetVersion, GroupSplit
from tests.datasets.desk import SignIn, body, page
from tests.support.factories import World, make_example, make_frozen
from tests.support.reading import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


def test_freezing_from_the_form(world: World, as_user: SignIn):
    for _ in range(4):
        make_example(world.project, status="approved")
    response = as_user(world.admin).post(
        page("dataset-new", world.project, {}), {"validation": "20", "test": "25", "note": " first "}
    )
    dataset = DatasetVersion.objects.get()
    assert response.url == page("dataset", world.project, {"dataset": 1})  # type: ignore[attr-defined]
    assert (dataset.note, dataset.settings["validation"], dataset.settings["test"]) == ("first", 0.2, 0.25)
    assert as_user(world.annotator).get(response.url).status_code == 200  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"validation": "10", "test": "10"}, "nothing to freeze"),
        ({"validation": "60", "test": "10"}, "less than or equal to 50"),
        ({"validation": "x", "test": "10"}, "Enter a whole number"),
        ({"validation": "10", "test": "10", "slices": "nowhere"}, "not one of the available choices"),
    ],
)
def test_a_wrong_freeze_shows_the_form_again(world: World, as_user: SignIn, given: dict[str, str], said: str):
    response = as_user(world.admin).post(page("dataset-new", world.project, {}), given)
    assert response.status_code == 422
    assert said in response.content.decode()
    assert not DatasetVersion.objects.exists()


def test_the_preview_follows_the_filters(world: World, as_user: SignIn):
    make_example(world.project, status="approved", slice="customs")
    make_example(world.project, status="approved", slice="delay")
    client = as_user(world.admin)
    assert "2 approved examples" in client.get(page("dataset-new", world.project, {})).content.decode()
    some = text_of(client.get(page("dataset-new", world.project, {}), {"slices": "customs"}))
    assert "1 approved example " in some
    answer = client.get(
        f"/api/v1/projects/{world.project.slug}/datasets/preview/", {"slices": ["delay"]}
    ).json()
    assert answer["slices"] == [{"slice": "delay", "approved": 1, "new": 1}]
    assert (answer["total"], answer["new"], answer["since"], answer["whole"]) == (1, 1, None, True)
    assert (answer["unreviewed"], answer["counts"]["train"]) == (1, 1)


# As the browser sends the form when something in it changes.
ASKED = {"validation": "10", "test": "10", "separate_near_duplicates": "on", "seed": "1"}


def previewed(client: Client, project: Project, **changes: str) -> str:
    return text_of(client.get(page("dataset-preview", project, {}), ASKED | changes))


def test_the_preview_shows_splits_by_slice_and_why_some_lack_test_rows(world: World, as_user: SignIn):
    for _ in range(20):
        make_example(world.project, status="approved", slice="delay")
    for n in range(10):
        make_example(world.project, f"Where is crate {n}?", status="approved", slice="stock", group=f"g{n}")
    for _ in range(10):
        make_example(world.project, status="approved", slice="talk", group="one conversation")
    client = as_user(world.admin)
    shown = previewed(client, world.project)
    assert "2 slices of at least ten rows have fewer than two test rows" in shown
    assert "stock. All its questions are near-duplicates" in shown
    assert "talk. All its rows are in one group" in shown
    assert "40 of the 40 approved examples were not reviewed" in shown
    assert "10 groups were joined into 1" in shown
    assert shown == previewed(client, world.project)
    alone = {name: value for name, value in ASKED.items() if name != "separate_near_duplicates"}
    without = text_of(client.get(page("dataset-preview", world.project, {}), alone))
    assert "1 slice of at least ten rows has" in without and "Near-duplicates were not compared" in without
    assert "Validation, percent: Enter a whole number" in previewed(client, world.project, validation="x")
    assert "There are no test rows" in previewed(client, world.project, test="0")
    assert previewed(client, world.project, slices="delay").startswith("20 approved examples")


def test_with_many_rows_the_page_comes_first_and_asks_for_the_plan(
    world: World, as_user: SignIn, monkeypatch: pytest.MonkeyPatch
):
    for _ in range(12):
        make_example(world.project, status="approved")
    monkeypatch.setattr("dataset.views.versions.AT_ONCE", 11)
    client = as_user(world.admin)
    first = client.get(page("dataset-new", world.project, {})).content.decode()
    assert "Calculating the splits" in first and 'hx-trigger="load"' in first
    shown = client.get(page("dataset-preview", world.project, {}), ASKED).content.decode()
    assert "Calculating" not in shown and "too few test rows" not in shown and 'class="slices"' in shown
    monkeypatch.setattr("dataset.queries.preview.WHOLE", 11)
    assert "questions are compared only during the freeze" in previewed(client, world.project)


def test_a_withheld_row_is_shown_beside_the_test_row_as_it_was(
    world: World, ids: dict[str, int], as_user: SignIn
):
    tested = Example.objects.get(dataset_rows__split="test")
    asked = tested.messages[-1]["content"]
    near = make_example(world.project, f"{asked} 4,711", status="approved", group="near")
    GroupSplit.objects.create(project=world.project, group="near", split="train")
    Example.objects.filter(pk=tested.pk).update(
        messages=[{"role": "user", "content": "Else?"}], status="retired"
    )
    make_frozen(world.project, world.admin)
    client = as_user(world.viewer)
    shown = text_of(client.get(page("dataset-withheld", world.project, {"dataset": 2})))
    assert "Asks nearly the same as a test row (83% similar)" in shown
    assert f"Withheld: #{near.pk}" in shown and f"Test row: #{tested.pk} Customer{asked}" in shown
    (row,) = client.get(f"/api/v1/projects/{world.project.slug}/datasets/2/withheld/").json()["results"]
    assert (row["example"], row["repeats"], row["reason"]) == (near.pk, tested.pk, "near_test")
    assert row["similarity"] == pytest.approx(5 / 6)


def test_a_dataset_says_who_reviewed_its_rows_and_which_nobody_did(world: World, as_user: SignIn):
    examples = [make_example(world.project, status="approved", created_by=world.admin) for _ in range(6)]
    for example, undone in ((examples[0], None), (examples[1], timezone.now())):
        Review.objects.create(
            example=example,
            revision=example.revisions.get(),
            verdict="accepted",
            by=world.reviewer,
            undone_at=undone,
        )
    make_frozen(world.project, world.admin)
    client = as_user(world.viewer)
    shown = text_of(client.get(page("dataset", world.project, {"dataset": 1})))
    assert "5 of 6 rows were not reviewed." in shown and world.reviewer.name in shown
    rows = text_of(client.get(page("dataset-rows", world.project, {"dataset": 1})))
    assert rows.count("not reviewed") == 5
    assert rows.count(f"accepted by {world.reviewer.name}") == 1
    assert rows.count(f"imported by {world.admin.name}") == 6


def test_a_dataset_from_before_slices_were_looked_at_still_shows_which_lack_test_rows(
    world: World, ids: dict[str, int], as_user: SignIn
):
    dataset = DatasetVersion.objects.get()
    slices = {"delay": {"train": 12}, "customs": {"train": 8, "test": 3}}
    counts = {"total": 23, "train": 20, "test": 3, "validation": 0, "withheld": 0, "slices": slices}
    DatasetVersion.objects.filter(pk=dataset.pk).update(counts=counts)
    shown = text_of(as_user(world.viewer).get(page("dataset", world.project, ids)))
    assert "1 slice of at least ten rows has fewer than two test rows" in shown


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning")
def test_a_dataset_page_its_rows_and_its_download(world: World, ids: dict[str, int], as_user: SignIn):
    client = as_user(world.viewer)
    dataset = DatasetVersion.objects.get()
    assert dataset.content_hash in client.get(page("dataset", world.project, ids)).content.decode()
    tested = client.get(page("dataset-rows", world.project, ids), {"split": "test"}).content.decode()
    assert tested.count('class="swatch test"') == 1
    response = client.get(page("dataset-download", world.project, ids))
    data = body(response)
    assert response["Content-Length"] == str(len(data))
    assert [json.loads(line)["position"] for line in data.decode().splitlines()] == list(range(6))
    rows = client.get(f"/api/v1/projects/{world.project.slug}/datasets/1/rows/", {"split": "test"}).json()
    assert rows["count"] == 1
    assert rows["results"][0]["content"]["completion"]
    wrong = client.get(f"/api/v1/projects/{world.project.slug}/datasets/1/rows/", {"split": "dev"})
    assert wrong.status_code == 422


def test_a_version_without_content_has_no_rows_to_show(world: World, ids: dict[str, int], as_user: SignIn):
    DatasetVersion.objects.create(project=world.project, number=2, status="failed", settings={})
    client = as_user(world.admin)
    assert client.get(page("dataset", world.project, {"dataset": 2})).status_code == 200
    for name in ("dataset-rows", "dataset-withheld", "dataset-download"):
        assert client.get(page(name, world.project, {"dataset": 2})).status_code == 404
