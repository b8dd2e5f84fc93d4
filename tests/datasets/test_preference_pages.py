"""The pages and the API of preference versions: for whom, what they show, and what they keep from whom."""

from typing import Any

import pytest
from django.urls import reverse

from core.models import User
from dataset.models import DatasetVersion
from dataset.preferences import Choice, Take
from tests.datasets.desk import SignIn, body
from tests.datasets.test_preferences import COMPARED, campaign_on, closed, frozen, rate_prompt
from tests.support.factories import World, make_example, make_preferences
from tests.support.reading import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]
FORM = {
    "take": ["comparisons", "examples"], "raters": "1", "agreement": "60", "difference": "1", "validation": "10", "test": "10",
    "separate_near_duplicates": "on", "seed": "1",
}  # fmt: skip


def url(world: World, name: str, *more: Any) -> str:
    return reverse(f"datasets:{name}", args=[world.project.slug, *more])


def api(world: World, path: str) -> str:
    return f"/api/v1/projects/{world.project.slug}/{path}"


def compared(world: World) -> DatasetVersion:
    campaign = campaign_on(world)
    rate_prompt(campaign, world.rater, 0, "candidate")
    closed(world, campaign)
    return make_preferences(world.project, world.admin, COMPARED)


# --- freezing ----------------------------------------------------------------------------------------------
def test_the_form_shows_what_is_left_out_and_why_and_freezes(world: World, as_user: SignIn):
    campaign = campaign_on(world, name="Autumn")
    rate_prompt(campaign, world.rater, 0, "candidate")
    make_example(world.project, status="approved", rejected="No.")
    admin = as_user(world.admin)
    shown = text_of(admin.get(url(world, "preferences-new")))
    assert "1 rating of a campaign that is not closed" in shown
    assert "Autumn" not in shown
    closed(world, campaign)
    assert "Autumn (1 rating on training prompts)" in text_of(admin.get(url(world, "preferences-new")))
    preview = admin.get(url(world, "preferences-preview"), FORM)
    assert "2 rows" in text_of(preview)
    response = admin.post(url(world, "preferences-new"), {**FORM, "seen": preview.context["preview"].seen})
    dataset = DatasetVersion.objects.get(kind="preference")
    assert response.status_code == 302
    assert response["Location"] == url(world, "dataset", dataset.number)
    assert dataset.settings["preferences"] == {
        "take": ["comparisons", "examples"], "campaigns": [], "raters": 1, "agreement": 0.6, "difference": 1.0,
    }  # fmt: skip


def test_a_changed_world_and_wrong_values_show_the_form_again(world: World, as_user: SignIn):
    make_example(world.project, status="approved", rejected="No.")
    admin = as_user(world.admin)
    seen = admin.get(url(world, "preferences-preview"), FORM).context["preview"].seen
    make_example(world.project, status="approved", rejected="No.")
    changed = admin.post(url(world, "preferences-new"), {**FORM, "seen": seen})
    assert changed.status_code == 409
    assert not DatasetVersion.objects.exists()
    wrong = admin.post(url(world, "preferences-new"), {**FORM, "agreement": "50", "take": []})
    assert wrong.status_code == 422
    assert "Ensure this value is greater than or equal to 51" in text_of(wrong)
    assert "Agreement" in text_of(admin.get(url(world, "preferences-preview"), {**FORM, "agreement": "50"}))


def test_prompts_that_are_all_held_out_are_said_before_the_freeze(world: World, as_user: SignIn):
    campaign = campaign_on(world, split="test")
    rate_prompt(campaign, world.rater, 0, "candidate")
    closed(world, campaign)
    shown = text_of(as_user(world.admin).get(url(world, "preferences-preview"), FORM))
    assert "No row is for training" in shown


# --- a version ---------------------------------------------------------------------------------------------
def test_its_pages_show_rows_and_judgements_and_the_list_its_kind(world: World, as_user: SignIn):
    dataset = compared(world)
    admin = as_user(world.admin)
    page = text_of(admin.get(url(world, "dataset", dataset.number)))
    assert "What people said" in page
    assert f"{world.rater.name}1 row" in page
    rows = text_of(admin.get(url(world, "dataset-rows", dataset.number)))
    assert "Better answer" in rows
    assert f"Comparison: the completion is better, by {world.rater.name}" in rows
    assert "preferences" in text_of(admin.get(url(world, "datasets")))


def _sees_names(text: str, world: World, dataset: DatasetVersion) -> bool:
    from dataset.models import Judgement

    names = {world.rater.name, *Judgement.objects.values_list("completion_from", flat=True)}
    assert len(names) == 2
    found = {name for name in names if name in text}
    assert found in (set(), names)
    return bool(found)


@pytest.mark.parametrize(
    ("role", "sees"), [("admin", True), ("viewer", True), ("annotator", False), ("reviewer", False)]
)
def test_who_said_it_of_which_model_is_for_those_who_see_results(
    world: World, as_user: SignIn, role: str, sees: bool
):
    dataset = compared(world)
    person: User = getattr(world, role)
    client = as_user(person)
    for response in (
        client.get(url(world, "dataset", dataset.number)),
        client.get(url(world, "dataset-rows", dataset.number)),
    ):
        text = text_of(response).replace(person.name, "")
        if response.request["PATH_INFO"].endswith("rows/"):
            assert _sees_names(text, world, dataset) == sees
        else:
            assert (world.rater.name in text) == sees
    answer = client.get(api(world, f"datasets/{dataset.number}/preferences/"))
    assert _sees_names(answer.content.decode(), world, dataset) == sees
    (row,) = answer.json()["results"]
    assert (row["judgements"][0]["said"], bool(row["judgements"][0]["by"])) == ("completion", sees)


@pytest.mark.parametrize("person", ["rater", "partner", "neighbour", "stranger"])
def test_others_do_not_see_it(world: World, as_user: SignIn, person: str):
    dataset = compared(world)
    client = as_user(getattr(world, person))
    for address in (
        url(world, "preferences-new"), url(world, "preferences-preview"), url(world, "dataset-rows", dataset.number),
        api(world, f"datasets/{dataset.number}/preferences/"), api(world, "datasets/preferences/preview/"),
    ):  # fmt: skip
        assert client.get(address).status_code in (403, 404), address


def test_pages_of_examples_say_that_they_have_nothing_on_preferences(world: World, as_user: SignIn):
    dataset = compared(world)
    first = DatasetVersion.objects.filter(kind="supervised").earliest("number")
    admin = as_user(world.admin)
    for name, more in (
        ("dataset-findings", []), ("dataset-datasheet", []), ("dataset-datasheet-pdf", []), ("dataset-compare-with", []),
        ("dataset-compare", [first.number]),
    ):  # fmt: skip
        response = admin.get(url(world, name, dataset.number, *more))
        assert response.status_code == 400, name
        assert "has preferences: pairs of answers, and not examples" in text_of(response)
    for path in ("rows", "report", "findings", "datasheet", f"compare/{first.number}"):
        assert admin.get(api(world, f"datasets/{dataset.number}/{path}/")).status_code == 400, path
    assert admin.post(url(world, "dataset-report", dataset.number)).status_code == 400
    assert admin.post(url(world, "dataset-bias-audit", dataset.number)).status_code == 400
    assert admin.get(api(world, f"datasets/{first.number}/preferences/")).status_code == 400


def test_it_is_exported_as_pairs_and_as_labelled_answers(world: World, as_user: SignIn):
    import json

    dataset = compared(world)
    viewer = as_user(world.viewer)
    address = url(world, "dataset-export-file", dataset.number)
    (pair,) = body(viewer.get(address, {"shape": "preference", "keys": "standard"})).split(b"\n")[:-1]
    read = json.loads(pair)
    assert set(read) == {"prompt", "chosen", "rejected"}
    assert read["chosen"][0]["content"] == "**Answer** b to question 0."
    labelled = body(viewer.get(address, {"shape": "kto", "keys": "standard"})).split(b"\n")[:-1]
    assert [json.loads(line)["label"] for line in labelled] == [True, False]
    assert viewer.get(url(world, "dataset-export", dataset.number)).status_code == 200
    assert viewer.get(url(world, "dataset-croissant", dataset.number)).status_code == 200


# --- the API -----------------------------------------------------------------------------------------------
def test_the_api_previews_and_freezes(world: World, as_user: SignIn):
    make_example(world.project, status="approved", completion="Yes.", rejected="No.")
    admin = as_user(world.admin)
    shown = admin.get(api(world, "datasets/preferences/preview/"), {"take": "examples"})
    assert shown.status_code == 200, shown.content
    told = shown.json()
    assert (told["judged"], told["total"], told["shapes"]) == (1, 1, {"pairs": 1})
    sent = {"take": ["examples"], "seen": told["seen"], "note": "First."}
    made = admin.post(api(world, "datasets/preferences/"), sent, content_type="application/json")
    assert made.status_code == 202, made.content
    assert (made.json()["kind"], made.json()["note"]) == ("preference", "First.")
    for wrong in (
        {"take": []}, {"take": ["stars"]}, {"raters": 0}, {"agreement": 0.5}, {"agreement": "much"}, {"difference": 9}, {"stars": 5},
        {"campaigns": ["None"]},
    ):  # fmt: skip
        answer = admin.post(api(world, "datasets/preferences/"), wrong, content_type="application/json")
        assert answer.status_code == 422, wrong
    viewer = as_user(world.viewer)
    refused = viewer.post(api(world, "datasets/preferences/"), {}, content_type="application/json")
    assert refused.status_code == 403
    assert viewer.get(api(world, "datasets/preferences/preview/")).status_code == 200


def test_a_page_of_rows_costs_the_same_for_more_rows(
    world: World, as_user: SignIn, django_assert_max_num_queries
):
    for _ in range(12):
        make_example(world.project, status="approved", rejected="No.")
    frozen(world, rows=1)
    dataset = make_preferences(world.project, world.admin, Choice(take=(Take.EXAMPLES,)))
    viewer = as_user(world.viewer)
    with django_assert_max_num_queries(14):
        viewer.get(url(world, "dataset-rows", dataset.number))
