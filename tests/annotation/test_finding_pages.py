"""The page of findings, the findings on an example's page, and the API: who sees what and who decides."""

import uuid

import pytest
from django.urls import reverse

from annotation.models import Example, ExampleFinding
from annotation.services.found import check_and_store
from annotation.services.quality import start_check
from core.models import Run
from core.runs.execution import execute
from tests.support.checks import check_of_spaces
from tests.support.factories import World, make_example
from tests.support.reading import text_of

pytestmark = pytest.mark.django_db
WRONG = "It  is at sea now. Please write to jo@acme-freight.de."


@pytest.fixture(autouse=True)
def spaces():
    with check_of_spaces() as name:
        yield name


def wrong(world: World, project=None, **fields) -> Example:
    example = make_example(project or world.project, completion=WRONG, **fields)
    check_and_store(example, example.content(), example.project)
    return example


def address(world: World, name: str = "findings", *args) -> str:
    return reverse(f"quality:{name}", args=[world.project.slug, *args])


def api(world: World, path: str = "") -> str:
    return f"/api/v1/projects/{world.project.slug}/findings/{path}"


def of(example: Example, check: str = "spaces") -> ExampleFinding:
    return ExampleFinding.objects.get(example=example, check_name=check)


def test_an_unchecked_project_says_what_to_do(world: World, as_user):
    text = text_of(as_user(world.reviewer).get(address(world)))
    assert "The whole project has not been checked yet." in text
    assert "Choose “Check all examples”" in text
    text = text_of(as_user(world.annotator).get(address(world)))
    assert "A reviewer or an admin starts the check of all examples." in text


def test_the_check_is_started_and_shown(world: World, as_user):
    make_example(world.project, completion=WRONG)
    client = as_user(world.reviewer)
    assert client.post(address(world, "check")).status_code == 302
    page = client.get(address(world))
    assert "Check all examples" in text_of(page)
    assert client.post(address(world, "check")).status_code == 409
    execute(Run.objects.get().pk)
    text = text_of(client.get(address(world)))
    assert "Last checked: 1 example" in text
    assert "Too many spaces." in text


def test_the_list_shows_place_reason_and_fix_and_actions_only_to_those_who_decide(world: World, as_user):
    example = wrong(world, slice="customs")
    page = as_user(world.reviewer).get(address(world))
    text = text_of(page)
    assert "Too many spaces." in text
    assert f"#{example.pk}" in text
    assert "<mark" in page.content.decode()
    assert f'name="finding" value="{of(example).pk}"' in page.content.decode()
    for person in (world.annotator, world.viewer):
        page = as_user(person).get(address(world))
        assert "Too many spaces." in text_of(page)
        assert b'name="finding"' not in page.content
        assert b"Check all examples" not in page.content


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"check": "spaces"}, {"spaces"}),
        ({"kind": "two-spaces"}, {"spaces"}),
        ({"level": "bad"}, {"facts"}),
        ({"fixable": "yes"}, {"spaces", "privacy", "punctuation"}),
        ({"slice": "customs"}, {"spaces", "privacy", "facts", "punctuation"}),
        ({"slice": "-"}, set()),
        ({"status": "dismissed"}, set()),
        ({"status": "any"}, {"spaces", "privacy", "facts", "punctuation"}),
    ],
    ids=lambda value: "-".join(map(str, value.items())) if isinstance(value, dict) else "",
)
def test_filters(world: World, as_user, query, shown):
    wrong(world, slice="customs")
    body = as_user(world.viewer).get(api(world), query).json()
    assert {row["check_name"] for row in body["results"]} == shown
    assert as_user(world.viewer).get(address(world), query).status_code == 200


def test_wrong_filters_show_nothing_and_say_so(world: World, as_user):
    wrong(world)
    page = as_user(world.viewer).get(address(world), {"check": "spells"})
    assert page.status_code == 422
    assert "Too many spaces." not in text_of(page)
    assert as_user(world.viewer).get(api(world), {"chekc": "spaces"}).status_code == 422


def test_retired_examples_are_not_listed_or_counted(world: World, as_user):
    wrong(world, status="retired")
    client = as_user(world.viewer)
    assert client.get(api(world)).json()["results"] == []
    assert client.get(api(world, "counts/")).json() == []


def test_one_is_fixed_from_the_example_page_and_undone_from_the_list(world: World, as_user):
    example = wrong(world)
    client = as_user(world.reviewer)
    page = client.get(reverse("annotation:example", args=[world.project.slug, example.pk]))
    assert "Too many spaces." in text_of(page)
    answer = client.post(
        address(world, "settle"), {"do": "fix", "finding": of(example).pk, "from": example.pk}, follow=True
    )
    assert answer.redirect_chain[-1][0] == reverse(
        "annotation:example", args=[world.project.slug, example.pk]
    )
    assert "1 finding fixed, in 1 example." in text_of(answer)
    example.refresh_from_db()
    assert example.completion == WRONG.replace("  ", " ")
    assert "You fixed 1 finding" in text_of(client.get(address(world)))
    client.post(address(world, "undo", of(example).batch))
    example.refresh_from_db()
    assert example.completion == WRONG


def test_dismissing_needs_a_reason_and_shows_it_with_the_name(world: World, as_user):
    example = wrong(world)
    client = as_user(world.reviewer)
    answer = client.post(address(world, "settle"), {"do": "dismiss", "finding": of(example).pk}, follow=True)
    assert "Give a reason." in text_of(answer)
    client.post(
        address(world, "settle"), {"do": "dismiss", "finding": of(example).pk, "reason": "<b>As typed</b>"}
    )
    page = as_user(world.annotator).get(address(world), {"status": "dismissed"})
    assert "Dismissed by Reviewer Member" in text_of(page)
    assert b"&lt;b&gt;As typed&lt;/b&gt;" in page.content
    client.post(address(world, "settle"), {"do": "reopen", "finding": of(example).pk})
    assert of(example).status == "open"


def test_all_that_match_the_filters_of_the_page(world: World, as_user):
    first, other = wrong(world, slice="customs"), wrong(world, slice="billing")
    newest = ExampleFinding.objects.latest("pk").pk
    url = address(world, "settle") + "?slice=customs&check=spaces&page=1"
    answer = as_user(world.admin).post(
        url, {"do": "dismiss", "all": "1", "upto": newest, "reason": "Agreed."}
    )
    assert answer.url == address(world) + "?slice=customs&check=spaces&page=1"
    assert [of(example).status for example in (first, other)] == ["dismissed", "open"]
    # A wrong filter must not become no filter.
    url = address(world, "settle") + "?slice=nowhere"
    answer = as_user(world.admin).post(
        url, {"do": "dismiss", "all": "1", "upto": newest, "reason": "Agreed."}
    )
    assert answer.status_code == 422
    assert of(other).status == "open"


@pytest.mark.parametrize("garbage", [{}, {"finding": "x"}, {"finding": "-1"}, {"finding": str(10**30)}, {"all": "1"}],
                         ids=["nothing", "words", "negative", "huge", "all-of-nothing"])  # fmt: skip
def test_garbage_settles_nothing(world: World, as_user, garbage):
    wrong(world)
    answer = as_user(world.admin).post(address(world, "settle"), {"do": "dismiss", "reason": "x", **garbage})
    assert answer.status_code == 302
    assert not ExampleFinding.objects.exclude(status="open").exists()


def test_another_projects_finding_cannot_be_settled_or_undone(world: World, as_user):
    example = wrong(world, project=world.other)
    client = as_user(world.admin)
    client.post(address(world, "settle"), {"do": "dismiss", "finding": of(example).pk, "reason": "x"})
    assert of(example).status == "open"
    batch = uuid.uuid4()
    ExampleFinding.objects.filter(pk=of(example).pk).update(batch=batch)
    assert client.post(address(world, "undo", batch)).status_code == 404
    assert as_user(world.stranger).get(address(world)).status_code == 404
    assert as_user(world.annotator).post(address(world, "settle"), {"do": "fix"}).status_code == 403


def test_the_list_costs_the_same_for_one_and_for_many(world: World, as_user, django_assert_max_num_queries):
    client = as_user(world.admin)
    for _ in range(12):
        wrong(world)
    client.get(address(world))
    with django_assert_max_num_queries(18):
        client.get(address(world))


# --- the API -----------------------------------------------------------------------------------------------------
def test_by_program_findings_are_read_counted_settled_and_undone(world: World, as_user):
    example = wrong(world)
    client = as_user(world.reviewer)
    row = client.get(api(world), {"check": "spaces"}).json()["results"][0]
    assert (row["example"], row["kind"], row["status"]) == (example.pk, "two-spaces", "open")
    assert row["fixes"] == [{"field": "completion", "index": 0, "start": 2, "end": 4, "text": " "}]
    assert row["spans"][0]["tone"] == "warn"
    counts = {count["check_name"]: count for count in client.get(api(world, "counts/")).json()}
    assert (counts["spaces"]["warn"], counts["facts"]["bad"]) == (1, 1)
    body = {"do": "fix", "findings": [row["id"]]}
    done = client.post(api(world, "settle/"), body, content_type="application/json").json()
    assert (done["findings"], done["examples"], done["left"], done["run"]) == (1, 1, [], None)
    undone = client.post(api(world, f"undo/{done['batch']}/"))
    assert (undone.status_code, undone.json()["findings"]) == (200, 1)
    body = {"do": "dismiss", "matching": {"upto": row["id"], "check_name": "spaces"}, "reason": "Agreed."}
    done = client.post(api(world, "settle/"), body, content_type="application/json").json()
    assert (done["findings"], of(example).status) == (1, "dismissed")


@pytest.mark.parametrize(
    "body",
    [
        {"do": "fix"},
        {"do": "erase", "findings": [1]},
        {"do": "fix", "findings": []},
        {"do": "fix", "findings": [1], "matching": {"upto": 1}},
        {"do": "fix", "matching": {"check": "spaces", "upto": 1}},
        {"do": "dismiss", "findings": [1]},
    ],
    ids=["neither", "unknown", "empty", "both", "misspelt", "no-reason"],
)
def test_wrong_bodies_are_refused(world: World, as_user, body):
    answer = as_user(world.admin).post(api(world, "settle/"), body, content_type="application/json")
    assert answer.status_code == 422


def test_by_program_the_check_is_started_once(world: World, as_user):
    make_example(world.project)
    client = as_user(world.reviewer)
    assert client.get(api(world, "check/")).json() == {"checked_at": None, "rows": 0, "run": None}
    assert client.post(api(world, "check/")).status_code == 202
    assert client.post(api(world, "check/")).status_code == 409
    assert client.get(api(world, "check/")).json()["run"]["kind"] == "check-project"
    assert as_user(world.annotator).post(api(world, "check/")).status_code == 403
    assert start_check(by=world.admin, project=world.project, import_id=3).params == {"import": 3}


def test_selected_findings_without_a_fix_say_so(world: World, as_user):
    example = make_example(
        world.project, completion="We paid 412.50 EUR to you on 3 May 2027.", context=["FD-1 | at sea"]
    )
    check_and_store(example, example.content(), world.project)
    found = of(example, "facts")
    page = as_user(world.reviewer).post(
        address(world, "settle"), {"do": "fix", "finding": found.pk}, follow=True
    )
    assert "Nothing was fixed: none of these findings has a fix." in text_of(page)
    found.refresh_from_db()
    assert found.status == "open"


def test_a_reviewer_follows_the_check_that_they_started_and_others_are_told(world: World, as_user):
    """Lists of background jobs are for admins and viewers: the card of another's job cannot be asked for."""
    wrong(world)
    run = start_check(by=world.reviewer, project=world.project)
    card = reverse("core:run-card", args=[world.project.slug, run.pk])
    page = as_user(world.reviewer).get(address(world)).content.decode()
    assert card in page and reverse("core:run-cancel", args=[world.project.slug, run.pk]) not in page
    assert as_user(world.reviewer).get(card).status_code == 200
    assert (
        reverse("core:run-cancel", args=[world.project.slug, run.pk])
        in as_user(world.admin).get(address(world)).content.decode()
    )
    told = as_user(world.annotator).get(address(world))
    assert card not in told.content.decode() and "Load the page again in a minute." in text_of(told)
    assert as_user(world.annotator).get(card).status_code == 404
    assert as_user(world.partner).get(card).status_code == 403
    assert as_user(world.neighbour).get(card).status_code == 404
