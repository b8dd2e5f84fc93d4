"""Two versions of a project, row by row."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.models import Example, Revision
from annotation.services.examples import retire
from annotation.text.hashes import content_hash
from core.models import Project
from dataset.models import DatasetRow, DatasetVersion, GroupSplit
from dataset.queries.comparison import VersionComparison
from dataset.rows import first_row, iter_rows, rows_at
from tests.datasets.desk import SignIn, approve
from tests.support.factories import World, make_example, make_frozen, spelled
from tests.support.reading import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


def edit(example: Example, **fields: Any) -> None:
    """The example as a submit would leave it: another revision, approved again."""
    for name, value in fields.items():
        setattr(example, name, value)
    example.content_hash = content_hash(**example.content())
    example.revision += 1
    example.save()
    content = example.content() | {"slice": example.slice, "edge": example.edge, "tags": example.tags}
    Revision.objects.create(example=example, number=example.revision, reason="submitted", content=content)


def two_versions(world: World) -> tuple[DatasetVersion, DatasetVersion, list[Example]]:
    """Of nine examples: 0 is edited, 1 retired, 2 gets another slice, 3 another source's license, 4 another group; three are
    new, and one more repeats a test row."""
    examples = approve(world.project, 9)
    first = make_frozen(world.project, world.admin)
    tested = set(DatasetRow.objects.filter(split="test").values_list("example", flat=True))
    tested_one = Example.objects.get(pk=min(tested))
    trained = set(DatasetRow.objects.filter(split="train").values_list("example", flat=True))
    free = [example for example in examples if example.pk in trained]
    edit(free[0], completion=free[0].completion + " We call you today.")
    retire(by=world.admin, example=free[1], reason="wrong")
    edit(free[2], slice="customs")
    Example.objects.filter(pk=free[3].pk).update(license="CC BY 4.0")
    GroupSplit.objects.create(project=world.project, group="other", split="validation")
    Example.objects.filter(pk=free[4].pk).update(group="other")
    approve(world.project, 3, slice="delay")
    make_example(world.project, messages=tested_one.messages, group="late", status="approved")
    GroupSplit.objects.create(project=world.project, group="late", split="train")
    return first, make_frozen(world.project, world.admin), free


def kinds(comparison: VersionComparison, **filters: str) -> dict[int, str]:
    return {row.example: row.kind for row in comparison.rows(**filters)[:100]}


def test_every_row_has_one_kind_and_the_counts_are_those_of_the_lists(world: World):
    first, second, free = two_versions(world)
    there = VersionComparison(second, first)
    counts = there.counts()
    assert (counts.added, counts.removed, counts.edited, counts.metadata) == (3, 1, 1, 3)
    assert (counts.moved, counts.only_moved, counts.unchanged) == (1, 0, 4)
    assert counts.changed == 8 == len(there.rows()) == len(kinds(there))
    assert kinds(there, kind="edited") == {free[0].pk: "edited"}
    assert kinds(there, kind="removed") == {free[1].pk: "removed"}
    assert set(kinds(there, kind="metadata")) == {free[2].pk, free[3].pk, free[4].pk}
    assert set(kinds(there, kind="moved")) == {free[4].pk}
    assert len(kinds(there, kind="unchanged")) == 4
    back = VersionComparison(first, second).counts()
    assert (back.added, back.removed, back.edited) == (1, 3, 1)
    assert VersionComparison(second, first).counts() == counts  # from the cache


def test_the_filter_by_slice_finds_a_row_by_its_slice_in_either_version(world: World):
    first, second, free = two_versions(world)
    there = VersionComparison(second, first)
    assert kinds(there, slice_name="customs") == {free[2].pk: "metadata"}
    assert set(kinds(there, slice_name="delay").values()) == {"added"}
    assert there.counts("delay").added == 3
    assert kinds(there, slice_name="-") == {}
    assert there.slices() == ["customs", "delay", "shipment status"]


def test_a_row_shows_what_differs_as_it_was_frozen(world: World):
    first, second, free = two_versions(world)
    Example.objects.update(completion="Changed after both freezes.")
    rows = {row.example: row for row in VersionComparison(second, first).rows()[:100]}
    edited, licensed, gone = (rows[free[n].pk] for n in (0, 3, 1))
    assert (
        edited.changes
        and edited.changes.completion.new == edited.changes.completion.old + " We call you today."
    )
    assert licensed.changes
    assert [(part.label, part.old, part.new) for part in licensed.changes.changed_fields] == [
        ("License", "", "CC BY 4.0")
    ]
    assert gone.row is None and gone.other_row and gone.status == "Retired" and gone.withheld is None


def test_a_row_that_the_newer_version_withholds_says_why(world: World):
    tested = approve(world.project, 8)
    first = make_frozen(world.project, world.admin)
    row = DatasetRow.objects.filter(split="test").first()
    other = DatasetRow.objects.exclude(split="test").first()
    assert row and other and tested
    example = Example.objects.get(pk=other.example_id)
    edit(example, messages=row.example.messages, context=row.example.context)
    second = make_frozen(world.project, world.admin)
    (gone,) = VersionComparison(second, first).rows(kind="removed")[:5]
    assert gone.example == example.pk
    assert gone.withheld and gone.withheld.reason == "repeats_test"
    (come,) = VersionComparison(first, second).rows(kind="added")[:5]
    assert come.withheld and come.withheld.dataset == second


def test_a_change_of_the_worse_answer_alone_is_an_edit(world: World):
    examples = approve(world.project, 4)
    first = make_frozen(world.project, world.admin)
    Example.objects.filter(pk=examples[0].pk).update(rejected="No idea.")
    second = make_frozen(world.project, world.admin)
    (row,) = VersionComparison(second, first).rows()[:5]
    assert (row.example, row.kind) == (examples[0].pk, "edited")
    assert row.changes and [part.label for part in row.changes.changed_fields] == ["Worse answer"]
    assert list(
        DatasetRow.objects.filter(dataset=second, has_rejected=True).values_list("example", flat=True)
    ) == [examples[0].pk]


def test_rows_of_an_older_format_are_not_taken_for_changed(world: World, monkeypatch: pytest.MonkeyPatch):
    approve(world.project, 5)
    first = make_frozen(world.project, world.admin)
    second = make_frozen(world.project, world.admin)
    DatasetRow.objects.filter(dataset=first).update(row_hash="0" * 64)
    assert VersionComparison(second, first).counts().metadata == 5
    cache.clear()
    monkeypatch.setattr(
        "dataset.queries.comparison.first_row",
        lambda version: (
            dict.fromkeys(("messages", "completion"), 0) if version == first else first_row(version)
        ),
    )
    comparison = VersionComparison(second, first)
    assert not comparison.same_format
    assert comparison.counts().nothing and comparison.counts().unchanged == 5


def test_settings_that_differ_are_named(world: World):
    approve(world.project, 5)
    first = make_frozen(world.project, world.admin)
    Project.objects.filter(pk=world.project.pk).update(system_prompt="Be brief.")
    world.project.refresh_from_db()
    second = make_frozen(world.project, world.admin, test=0.3, separate_near_duplicates=False)
    named = {part.label: (part.old, part.new) for part in VersionComparison(second, first).settings()}
    assert named == {
        "Test share": ("10%", "30%"),
        "Near-duplicates separated": ("yes", "no"),
        "System prompt": ("You answer for the freight desk.", "Be brief."),
    }


@pytest.mark.parametrize("wanted", [[0], [3, 1], [11], [5, 5, 9], list(range(12)), [12], [40], []])
def test_rows_are_found_by_their_position_without_reading_all_lines(
    world: World, wanted: list[int], monkeypatch: pytest.MonkeyPatch
):
    """Lines of very different length: halving by bytes meets the middle of a long line."""
    for n in range(12):
        make_example(
            world.project,
            f'{spelled(n)} "position":{n + 1} {"long " * (n % 4) ** 6}?',
            status="approved",
        )
    dataset = make_frozen(world.project, world.admin)
    every = list(iter_rows(dataset))
    expected = [every[n] for n in sorted(set(wanted)) if n < 12]
    assert list(rows_at(dataset, wanted)) == expected
    monkeypatch.setattr("dataset.rows._FEW", -1)
    assert list(rows_at(dataset, wanted)) == expected
    assert first_row(dataset) == every[0]


# --- pages and API -----------------------------------------------------------------------------------------
def url(world: World, number: int, other: int | str = "") -> str:
    return f"/p/{world.project.slug}/data/datasets/{number}/compare/{other}{'/' if other else ''}"


def test_the_page_shows_counts_differences_and_the_filters(world: World, as_user: SignIn):
    two_versions(world)
    client = as_user(world.annotator)
    shown = client.get(url(world, 2, 1))
    assert "<ins>" in shown.content.decode()
    text = text_of(shown)
    assert "Dataset 2 compared with dataset 1" in text
    assert "Added 3" in text and "Removed 1" in text and "Edited 1" in text and "In another split 1" in text
    assert "now: retired" in text and "CC BY 4.0" in text
    added = text_of(client.get(url(world, 2, 1), {"kind": "added", "slice": "delay"}))
    assert "3 rows" in added and "retired" not in added
    assert "No such rows" in text_of(client.get(url(world, 2, 1), {"kind": "edited", "slice": "delay"}))


def test_the_selector_leads_to_the_version_before_or_to_the_chosen_one(world: World, as_user: SignIn):
    approve(world.project, 4)
    client = as_user(world.viewer)
    make_frozen(world.project, world.admin)
    assert "There is no other version" in text_of(client.get(url(world, 1)))
    for _ in range(2):
        make_frozen(world.project, world.admin)
    for given, to in (({}, 2), ({"other": "1"}, 1)):
        assert client.get(url(world, 3), given).url == url(world, 3, to)  # type: ignore[attr-defined]
    assert client.get(url(world, 1)).url == url(world, 1, 2)  # type: ignore[attr-defined]
    for wrong in ({"other": "3"}, {"other": "99"}, {"other": "x"}, {"to": "1"}):
        assert client.get(url(world, 3), wrong).status_code == 422, wrong
    assert client.get(url(world, 3, 3)).status_code == client.get(url(world, 3, 9)).status_code == 404


def test_unknown_filters_are_refused_and_list_nothing(world: World, as_user: SignIn):
    two_versions(world)
    client = as_user(world.viewer)
    for wrong in ({"kind": "aded"}, {"slice": "nowhere"}, {"knd": "added"}, {"kind": ["added", "edited"]}):
        page = client.get(url(world, 2, 1), wrong)
        assert page.status_code == 422 and "Nothing to list" in page.content.decode(), wrong
        told = client.get(f"/api/v1/projects/{world.project.slug}/datasets/2/compare/1/", wrong)
        assert told.status_code == 422 and list(told.json()["fields"]) == list(wrong), wrong


def test_the_api_gives_the_same_in_pages(world: World, as_user: SignIn):
    _, _, free = two_versions(world)
    client = as_user(world.reviewer)
    path = f"/api/v1/projects/{world.project.slug}/datasets/2/compare/1/"
    told = client.get(path, {"page_size": 5}).json()
    assert (told["count"], len(told["results"]), told["previous"]) == (8, 5, None)
    assert told["counts"] == {
        "added": 3, "removed": 1, "edited": 1, "metadata": 3, "moved": 1, "only_moved": 0, "unchanged": 4,
    }  # fmt: skip
    assert len(client.get(told["next"]).json()["results"]) == 3
    (edited,) = client.get(path, {"kind": "edited"}).json()["results"]
    assert edited["example"] == free[0].pk and edited["row"]["completion"].endswith("We call you today.")
    assert edited["other_row"]["split"] == edited["row"]["split"] and edited["withheld"] is None
    assert told["settings"] == [] and told["same_format"] is True
    assert client.get(f"/api/v1/projects/{world.project.slug}/datasets/2/compare/2/").status_code == 404


def test_versions_of_another_project_or_without_rows_are_not_found(world: World, as_user: SignIn):
    approve(world.project, 3)
    make_frozen(world.project, world.admin)
    DatasetVersion.objects.create(project=world.project, number=2, status="failed", settings={})
    make_example(world.other, status="approved")
    for number in (1, 3):
        make_example(world.other, status="approved")
        DatasetVersion.objects.filter(pk=make_frozen(world.other).pk).update(number=number)
    client = as_user(world.admin)
    for other in (2, 3):
        assert client.get(url(world, 1, other)).status_code == 404
    assert as_user(world.stranger).get(url(world, 1)).status_code == 404
    assert as_user(world.rater).get(url(world, 1)).status_code == 403


def test_user_text_is_escaped_and_many_rows_cost_no_more_queries(world: World, as_user: SignIn):
    approve(world.project, 3)
    make_frozen(world.project, world.admin)
    client = as_user(world.viewer)

    def queries(number: int) -> int:
        client.get(url(world, number, 1))
        with CaptureQueriesContext(connection) as captured:
            assert client.get(url(world, number, 1)).status_code == 200
        return len(captured)

    approve(world.project, 1)
    make_frozen(world.project, world.admin)
    few = queries(2)
    for _ in range(20):
        make_example(world.project, "<script>alert(1)</script>", status="approved", slice="<i>")
    make_frozen(world.project, world.admin)
    assert queries(3) == few <= 12
    page = client.get(url(world, 3, 1)).content.decode()
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page


def test_rows_frozen_before_get_their_hashes_and_slices(world: World):
    """The migration: an example that was edited since, one that was not, and a slice in decomposed letters."""
    from importlib import import_module

    from django.apps import apps

    first, second = approve(world.project, 2, slice="cafe\u0301")
    dataset = make_frozen(world.project, world.admin)
    expected = list(DatasetRow.objects.filter(dataset=dataset).values_list("example", "text_hash", "slice"))
    edit(first, completion="Else.")
    DatasetRow.objects.update(text_hash="", slice="")
    import_module("dataset.migrations.0006_row_texts").fill(apps, SimpleNamespace(connection=connection))
    filled = list(DatasetRow.objects.filter(dataset=dataset).values_list("example", "text_hash", "slice"))
    assert filled == expected and {slice_name for _, _, slice_name in filled} == {"caf\u00e9"}
    assert second.content_hash in {texts for _, texts, _ in filled}
