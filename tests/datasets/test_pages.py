"""Pages and API of imports, examples and datasets: what they answer, and what they cost."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.models import Example, Review, Revision
from core.access import Access
from core.http.downloads import csv_line
from core.lists.paging import CappedPaginator
from core.models import Project, Role
from core.services.keys import create_api_key
from core.tasks import execute_run
from dataset.models import DataImport, DatasetVersion, GroupSplit
from tests.datasets.desk import SignIn, body, ids, page, upload
from tests.support.factories import World, make_example, make_frozen, spelled
from tests.support.reading import text_of

__all__ = ["ids", "upload"]  # fixtures
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


# --- imports -----------------------------------------------------------------------------------------------
def _file(data: bytes, name: str = "pairs.jsonl") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


def test_uploading_a_file_starts_its_import(world: World, as_user: SignIn):
    response = as_user(world.admin).post(
        page("import-new", world.project, {}),
        {
            "file": _file(b'{"prompt": "a"}\n', "../../naïve <b>.jsonl"),
            "destination": "queued",
            "default_source": " desk ",
        },
    )
    data_import = DataImport.objects.get()
    assert response.url == page("import", world.project, {"import": data_import.pk})  # type: ignore[attr-defined]
    assert (data_import.file_name, data_import.default_source, data_import.run.status) == (
        "naïve <b>.jsonl",
        "desk",
        "queued",
    )
    shown = as_user(world.admin).get(response.url).content.decode()  # type: ignore[attr-defined]
    assert "naïve &lt;b&gt;.jsonl" in shown
    assert "<b>" not in shown.replace("<b>Im", "")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"destination": "queued"}, "This field is required"),
        ({"destination": "queued", "file": b""}, "empty"),
        ({"destination": "retired", "file": b"x"}, "not one of the available choices"),
        ({"destination": "queued", "file": b"x", "default_source": "s" * 121}, "at most 120"),
    ],
)
def test_a_wrong_upload_shows_the_form_again(world: World, as_user: SignIn, given: dict[str, Any], said: str):
    data = {name: _file(value) if name == "file" else value for name, value in given.items()}
    response = as_user(world.admin).post(page("import-new", world.project, {}), data)
    assert response.status_code == 422
    assert said in response.content.decode()
    assert not DataImport.objects.exists()


def test_a_file_above_the_limit_is_refused_with_advice(world: World, as_user: SignIn, settings: Any):
    settings.IMPORT_MAX_BYTES = 1
    response = as_user(world.admin).post(
        page("import-new", world.project, {}), {"destination": "queued", "file": _file(b"xx")}
    )
    assert response.status_code == 422
    assert "Divide it into several files" in response.content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning")
def test_an_import_page_lists_what_was_wrong_and_gives_it_as_csv(
    world: World, as_user: SignIn, upload: Callable[[bytes], DataImport]
):
    data_import = upload(b'{"prompt": "a"}\n=1+1\n{"prompt": "a"}\n{"prompt": "a", "edge": "@x"}\n')
    execute_run(data_import.run_id)
    client = as_user(world.viewer)
    url = page("import", world.project, {"import": data_import.pk})
    shown = client.get(url).content.decode()
    assert "is not a JSON object" in shown
    assert "Remove what this import added" not in shown  # a viewer changes nothing
    repeats = client.get(url, {"kind": "repeated"}).content.decode()
    assert "Repeats line 1 of this file." in repeats
    lines = (
        body(client.get(page("import-issues", world.project, {"import": data_import.pk})))
        .decode()
        .splitlines()
    )
    assert lines[0] == "line,kind,field,reason,starts with"
    assert lines[1].startswith('2,rejected,,"The line begins with “=” and is not a JSON object.')
    assert lines[1].endswith(",'=1+1")
    assert lines[2].startswith("3,repeated,,")
    assert len(lines) == 4
    admin = as_user(world.admin)
    assert "Remove what this import added" in admin.get(url).content.decode()
    assert admin.post(page("import-remove", world.project, {"import": data_import.pk})).status_code == 302
    assert not Example.objects.exists()
    assert admin.post(page("import-remove", world.project, {"import": data_import.pk})).status_code == 409


@pytest.mark.django_db(transaction=True)
def test_a_program_imports_and_freezes_over_the_api(world: World):
    _, secret = create_api_key(by=world.admin, name="nightly", project=None)
    client = Client(headers={"authorization": f"Bearer {secret}"})
    api = f"/api/v1/projects/{world.project.slug}"
    lines = [
        json.dumps({"prompt": f"Where is {spelled(n)}?", "completion": f"In port {n}."}) for n in range(10)
    ]
    data = {
        "file": _file("\n".join([*lines, "bad"]).encode()),
        "destination": "approved",
        "default_source": "desk",
    }
    made = client.post(f"{api}/imports/", data)
    assert made.status_code == 202, made.content
    data_import = made.json()
    assert (data_import["run"]["status"], data_import["stored_at"], data_import["size_bytes"]) == (
        "queued",
        None,
        data["file"].size,
    )
    execute_run(data_import["run"]["id"])
    data_import = client.get(f"{api}/imports/{data_import['id']}/").json()
    assert (data_import["run"]["status"], data_import["accepted"], data_import["rejected"]) == (
        "succeeded",
        10,
        1,
    )
    issues = client.get(f"{api}/imports/{data_import['id']}/issues/", {"kind": "rejected"}).json()
    assert [(issue["line"], issue["kind"]) for issue in issues["results"]] == [(11, "rejected")]
    made = client.post(
        f"{api}/datasets/", {"test": 0.2, "sources": ["desk"]}, content_type="application/json"
    )
    assert made.status_code == 202, made.content
    execute_run(made.json()["run"]["id"])
    frozen = client.get(f"{api}/datasets/1/").json()
    assert (frozen["status"], frozen["counts"]["test"], frozen["same_as"]) == ("ready", 2, None)
    assert len(frozen["content_hash"]) == 64
    assert client.post(f"{api}/imports/{data_import['id']}/remove/").status_code == 409


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"destination": "queued"}, "file"),
        ({"file": b"", "destination": "queued"}, "file"),
        ({"file": b"x", "destination": "retired"}, "destination"),
        ({"file": b"x", "default_source": "s" * 121}, "default_source"),
    ],
)
def test_a_wrong_upload_over_the_api_names_the_field(
    world: World, as_user: SignIn, given: dict[str, Any], field: str
):
    data = {name: _file(value) if name == "file" else value for name, value in given.items()}
    answer = as_user(world.admin).post(f"/api/v1/projects/{world.project.slug}/imports/", data)
    assert answer.status_code == 422
    assert list(answer.json()["fields"]) == [field]
    assert not DataImport.objects.exists()


@pytest.mark.parametrize("cell", ["=cmd|'/C calc'!A0", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1"])
def test_no_cell_of_a_csv_is_a_formula(cell: str):
    assert csv_line([cell]).lstrip('"').startswith("'")


def test_ordinary_cells_stay_as_they_are():
    assert csv_line([5, "a, b", 'say "x"', ""]) == '5,"a, b","say ""x""",\r\n'


# --- examples ----------------------------------------------------------------------------------------------
@pytest.fixture
def shelf(world: World) -> dict[str, Example]:
    first = make_example(
        world.project, "Where is my CONTAINER 100%?", slice="status", tags=["eta"], edge="other"
    )
    second = make_example(world.project, "customs_papers please", slice="", status="approved")
    Example.objects.filter(pk=second.pk).update(submitted_by=world.annotator)
    Review.objects.create(
        example=first, revision=first.revisions.get(), verdict="returned", comment="No.", by=world.reviewer
    )
    return {"first": first, "second": second}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, {"first", "second"}),
        ({"q": "container"}, {"first"}),
        ({"q": "100%"}, {"first"}),
        ({"q": "customs_"}, {"second"}),
        ({"q": "stomsx"}, set()),
        ({"status": "approved"}, {"second"}),
        ({"slice": "status"}, {"first"}),
        ({"slice": "-"}, {"second"}),
        ({"edge": "any"}, {"first"}),
        ({"edge": "off_topic"}, set()),
        ({"tag": "eta"}, {"first"}),
        ({"tag": "et"}, set()),
        ({"origin": "import"}, {"first", "second"}),
        ({"person": "annotator"}, {"second"}),
        ({"person": "reviewer"}, {"first"}),
    ],
)
def test_filters_find_what_they_say(
    query: dict[str, str], found: set[str], world: World, shelf: dict[str, Example], as_user: SignIn
):
    if "person" in query:
        query = query | {"person": str(getattr(world, query["person"]).pk)}
    shown = as_user(world.annotator).get(page("examples", world.project, {}), query).content.decode()
    listed = {name for name, example in shelf.items() if f">#{example.pk}</a>" in shown}
    assert listed == found
    answer = as_user(world.annotator).get(f"/api/v1/projects/{world.project.slug}/examples/", query).json()
    assert {row["id"] for row in answer["results"]} == {shelf[name].pk for name in found}


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ({"q": "zz"}, {"q"}),  # too short to search by
        ({"status": "aproved"}, {"status"}),
        ({"stauts": "approved"}, {"stauts"}),
        ({"source": "²", "import_id": "9" * 5000, "person": "0"}, {"source", "import_id", "person"}),
        ({"tag": "a\x00"}, {"tag"}),
    ],
)
def test_a_wrong_filter_lists_and_downloads_nothing(
    query: dict[str, str], wrong: set[str], world: World, shelf: dict[str, Example], as_user: SignIn
):
    client, api = as_user(world.viewer), f"/api/v1/projects/{world.project.slug}/examples/"
    shown = client.get(page("examples", world.project, {}), query)
    assert shown.status_code == 422
    assert "Nothing to list" in shown.content.decode()
    assert "data-label" not in shown.content.decode()
    assert client.get(page("examples-download", world.project, {}), query).status_code == 422
    for address in (api, f"{api}download/"):
        answer = client.get(address, query)
        assert (answer.status_code, set(answer.json()["fields"])) == (422, wrong), address


def test_one_example_is_found_by_its_number(world: World, shelf: dict[str, Example], as_user: SignIn):
    number = f"#{shelf['first'].pk}"
    answer = (
        as_user(world.viewer).get(f"/api/v1/projects/{world.project.slug}/examples/", {"q": number}).json()
    )
    assert [row["id"] for row in answer["results"]] == [shelf["first"].pk]
    assert (
        as_user(world.viewer)
        .get(f"/api/v1/projects/{world.project.slug}/examples/", {"q": "#9" * 9})
        .json()["count"]
        == 0
    )


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning")
def test_the_download_can_be_imported_again(world: World, shelf: dict[str, Example], as_user: SignIn):
    from dataset.runner.files import FileLine
    from dataset.runner.lines import ParsedExample, parse_line

    data = body(
        as_user(world.viewer).get(page("examples-download", world.project, {}), {"status": "approved"})
    )
    lines = data.decode().splitlines()
    assert len(lines) == 1
    row = parse_line(FileLine(1, 1, lines[0]), needs_completion=True)
    assert isinstance(row, ParsedExample)
    assert (row.messages, row.completion, row.group) == (
        shelf["second"].messages, shelf["second"].completion, shelf["second"].group,
    )  # fmt: skip


def test_an_example_shows_every_revision_with_what_changed(world: World, as_user: SignIn):
    example = make_example(world.project, completion="Old <words> here.", created_by=world.admin)
    content = example.content() | {
        "completion": "New words here.",
        "slice": "customs",
        "edge": "",
        "tags": [],
    }
    second = Revision.objects.create(
        example=example, number=2, reason="submitted", content=content, by=world.annotator
    )
    Review.objects.create(
        example=example, revision=second, verdict="returned", comment="Say when.", by=world.reviewer
    )
    shown = (
        as_user(world.viewer).get(page("example", world.project, {"example": example.pk})).content.decode()
    )
    for part in (
        # By phrase: white space beside a change belongs to it.
        "<del>Old &lt;</del><ins>New </ins>words<del>&gt; </del><ins> </ins>here.",
        "<del>shipment status</del>",
        "Say when.",
        "Annotator Member",
        "Arrived",
    ):
        assert part in shown
    answer = (
        as_user(world.viewer)
        .get(f"/api/v1/projects/{world.project.slug}/examples/{example.pk}/history/")
        .json()
    )
    assert [step["number"] for step in answer] == [2, 1]
    assert answer[0]["reviews"][0]["comment"] == "Say when."


def test_retiring_asks_for_a_reason_and_can_be_undone(world: World, as_user: SignIn):
    example = make_example(world.project, status="approved")
    client = as_user(world.reviewer)
    url = page("example-retire", world.project, {"example": example.pk})
    assert client.post(url).status_code == 422
    assert client.post(url, {"reason": "out of date"}).status_code == 302
    example.refresh_from_db()
    assert example.status == "retired"
    assert client.post(url, {"reason": "again"}).status_code == 409
    assert client.post(page("example-requeue", world.project, {"example": example.pk})).status_code == 302
    example.refresh_from_db()
    assert example.status == "queued"


def test_writing_a_pair_over_the_api(world: World):
    _, secret = create_api_key(by=world.annotator, name="notebook")
    client = Client(headers={"authorization": f"Bearer {secret}"})
    url = f"/api/v1/projects/{world.project.slug}/examples/"
    pair = {
        "messages": [{"role": "user", "content": "Hi?"}],
        "completion": "Good day. Your next step: none for now.",
    }
    made = client.post(url, pair | {"reason": "short on purpose"}, content_type="application/json")
    assert made.status_code == 201, made.content
    assert (made.json()["status"], made.json()["origin"]) == ("in_review", "written")
    assert client.post(url, {"messages": []}, content_type="application/json").status_code == 422


# --- datasets ----------------------------------------------------------------------------------------------
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


# --- what it costs -----------------------------------------------------------------------------------------
def _queries(client: Client, urls: Iterable[str]) -> list[int]:
    counts = []
    for url in urls:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert client.get(url).status_code == 200
        counts.append(len(captured))
    return counts


def test_no_list_asks_more_often_because_it_is_longer(
    world: World, as_user: SignIn, upload: Callable[[bytes], DataImport]
):
    slug = world.project.slug

    def fill(count: int) -> None:
        for _ in range(count):
            example = make_example(
                world.project,
                status="approved",
                created_by=world.admin,
                submitted_by=world.annotator,
                tags=["a"],
            )
            Review.objects.create(
                example=example, revision=example.revisions.get(), verdict="accepted", by=world.reviewer
            )
            upload(b'{"prompt": "a"}\n')
            make_frozen(world.project, world.admin)

    fill(3)
    example = Example.objects.earliest("pk").pk
    urls = [
        *(page(name, world.project, {}) for name in ("examples", "imports", "datasets", "dataset-new")),
        page("example", world.project, {"example": example}),
        *(
            page(name, world.project, {"dataset": 3})
            for name in ("dataset", "dataset-rows", "dataset-withheld")
        ),
        *(
            f"/api/v1/projects/{slug}/{path}"
            for path in ("examples/", "imports/", "datasets/", "datasets/3/rows/")
        ),
    ]
    client = as_user(world.admin)
    _queries(client, urls)  # the people behind a dataset are counted once and remembered
    before = _queries(client, urls)
    fill(6)
    assert _queries(client, urls) == before
    assert max(before) <= 14


def test_a_long_list_is_neither_counted_nor_paged_to_its_end(world: World, monkeypatch: pytest.MonkeyPatch):
    for _ in range(7):
        make_example(world.project)
    monkeypatch.setattr(CappedPaginator, "CAP", 5)
    pages = CappedPaginator(Example.objects.filter(project=world.project).order_by("-pk"), 2)
    assert (pages.count, pages.num_pages, pages.is_capped) == (5, 3, True)
    with CaptureQueriesContext(connection) as captured:
        CappedPaginator(Example.objects.order_by("-pk"), 2).count  # noqa: B018
    assert "LIMIT 6" in captured[0]["sql"]
    monkeypatch.setattr(CappedPaginator, "CAP", 7)
    assert not CappedPaginator(Example.objects.order_by("-pk"), 2).is_capped


def test_search_is_served_by_the_trigram_index(world: World):
    from annotation.queries.examples import find_examples
    from dataset.runner.bulk import copy_in

    texts = (f"question {n} about shipment fd-{n * 7919:09d}" for n in range(4000))
    copy_in(
        Example,
        (
            Example(project=world.project, messages=[], group="g", content_hash="", search_text=text)
            for text in texts
        ),
        leave_out=["id"],
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT gin_clean_pending_list('example_search')")
        cursor.execute("ANALYZE annotation_example")
        cursor.execute("SET LOCAL enable_seqscan = off")  # 4,000 rows are too few for the index to pay
    found = find_examples(world.project, {"q": "FD-000015838"})
    assert "example_search" in found.explain()
    assert found.count() == 1


# --- the first screen --------------------------------------------------------------------------------------
def test_an_admin_is_told_to_import_then_to_freeze(world: World):
    from dataset.home import next_items

    access = Access(user=world.admin, project=world.project, roles=frozenset([Role.ADMIN]))
    assert [item.action for item in next_items(access)] == ["Import"]
    make_example(world.project)
    assert next_items(access) == []
    for _ in range(3):
        make_example(world.project, status="approved")
    assert [item.action for item in next_items(access)] == ["Freeze"]
    make_frozen(world.project, world.admin)
    assert next_items(access) == []
    for _ in range(20):
        make_example(world.project, status="approved")
    (item,) = next_items(access)
    assert item.title == "20 approved examples are not in dataset 1"
    assert next_items(Access(user=world.viewer, project=world.project, roles=frozenset([Role.VIEWER]))) == []
