"""Examples."""

import pytest
from django.test import Client

from annotation.models import Example, Review, Revision
from core.services.keys import create_api_key
from tests.datasets.desk import SignIn, body, page
from tests.support.factories import World, make_example

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


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
    from dataset.runner.chats import ParsedExample
    from dataset.runner.parsing import parse_line
    from dataset.runner.reading.records import FileLine

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
