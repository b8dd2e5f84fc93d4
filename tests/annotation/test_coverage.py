"""Coverage: numbers, targets, what is missing in words."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from annotation.lengths import BANDS, band_of
from annotation.models import Category, CoverageTarget, Example
from annotation.queries.coverage import coverage, wanted_of
from annotation.queries.holes import crowds_of, holes_of, milestones
from annotation.services import categories
from annotation.services.adopting import adopt_slices
from annotation.services.coverage import remove_target, set_target
from core.errors import Invalid
from core.models import AuditEntry
from tests.annotation.pages import SignIn
from tests.support.factories import World, make_example
from tests.support.reading import text_of

pytestmark = pytest.mark.django_db


def fill(world: World, slice_name: str, n: int, status: str = "approved", **fields: object) -> None:
    """Rows without texts of their own: the numbers are what is tested."""
    one = make_example(world.project, slice=slice_name, status=status, **fields)
    values = {
        field.attname: getattr(one, field.attname)
        for field in Example._meta.concrete_fields
        if not field.primary_key and not field.generated
    }
    Example.objects.bulk_create(Example(**values) for _ in range(n - 1))
    adopt_slices(world.project, origin=Category.Origin.IMPORT)


def page_of(world: World, name: str = "coverage", **query: str) -> str:
    return reverse(f"quality:{name}", args=[world.project.slug])


def target(world: World, amount: int, **part: object) -> CoverageTarget:
    return set_target(by=world.admin, project=world.project, amount=amount, **part)


def test_numbers_are_those_of_the_examples(world: World):
    fill(world, "customs", 12)
    fill(world, "customs", 3, "queued", edge="off_topic")
    fill(world, "delay", 2, "retired")
    make_example(world.other, slice="customs", status="approved")
    found = coverage(world.project)
    assert (found.approved, found.in_work) == (12, 3)
    parts = {part.name: (part.approved, part.in_work) for part in found.slices}
    assert parts == {"customs": (12, 3), "delay": (0, 0)}
    edges = {part.edge: (part.approved, part.in_work) for part in found.edges}
    assert edges["off_topic"] == (0, 3) and len(edges) == 7
    assert (found.no_edge.approved, found.no_slice.approved) == (12, 0)
    (row, cells), _ = found.grid
    assert row.name == "customs"
    assert {cell.edge: cell.in_work for cell in cells}["off_topic"] == 3


def test_slices_and_edge_cases_that_the_table_does_not_hold_are_on_its_next_pages(
    world: World, as_user: SignIn
):
    """The table has 30 slices and 12 edge cases at a time, says so, and leads to the rest."""
    for kind, n, name in ((Category.Kind.SLICE, 35, "slice_"), (Category.Kind.EDGE, 15, "edge_")):
        Category.objects.filter(project=world.project, kind=kind).delete()
        Category.objects.bulk_create(
            Category(project=world.project, kind=kind, key=f"{name}{at}", name=f"{name}{at}", position=at)
            for at in range(n)
        )
    make_example(world.project, slice="slice_33", edge="edge_14", status="approved")
    shown = [(row.name, [cell.edge for cell in cells]) for row, cells in coverage(world.project).grid]
    assert [name for name, _ in shown] == [f"slice_{at}" for at in range(30)]
    assert shown[0][1] == [f"edge_{at}" for at in range(12)]
    client = as_user(world.viewer)
    first = text_of(client.get(page_of(world)))
    assert "1–30 of 35 slices" in first and "1–12 of 15 edge cases" in first
    page = client.get(f"{page_of(world)}?slices=2&edges=2")
    rest = {row.name: [cell.approved for cell in cells] for row, cells in page.context["coverage"].grid}
    assert list(rest) == [f"slice_{at}" for at in range(30, 35)]
    assert rest["slice_33"] == [0, 0, 1]
    assert "31–35 of 35 slices" in text_of(page) and "slices=1&amp;edges=2#grid" in page.content.decode()
    # A page behind the last one is the last one.
    assert list(coverage(world.project, slices_at=99).grid)[-1][0].name == "slice_34"


def test_a_target_that_is_not_reached_is_named_with_its_numbers(world: World):
    fill(world, "Customs", 12)
    target(world, 80, slice="Customs", owner=world.annotator)
    (hole,) = [hole for hole in holes_of(coverage(world.project)) if hole.part.target]
    assert (hole.words, hole.missing) == ("Customs has 12 of 80 wanted", 68)
    target(world, 12, slice="Customs")
    assert not [hole for hole in holes_of(coverage(world.project)) if hole.part.target]


def test_an_empty_cell_is_named_where_chance_does_not_explain_it(world: World):
    fill(world, "Refunds", 60)
    fill(world, "Customs", 20)
    fill(world, "Customs", 20, edge="angry_customer")
    words = [hole.words for hole in holes_of(coverage(world.project))]
    # 60 of 100 examples are refunds and 20 of 100 are angry: 12 would be usual.
    assert "Angry customer in Refunds: none, where about 12 would be usual" in words
    assert "Off topic: no approved example" in words


def test_a_small_project_is_not_accused_of_holes(world: World):
    fill(world, "Refunds", 6)
    fill(world, "Customs", 2, edge="angry_customer")
    assert not [hole for hole in holes_of(coverage(world.project)) if hole.part.slice and hole.part.edge]


def test_crowds_are_named(world: World):
    fill(world, "Refunds", 60)
    for name in ("Customs", "Delay", "Other"):
        fill(world, name, 5)
    assert "Refunds has 60 of 75 approved examples (80%)" in crowds_of(coverage(world.project))
    target(world, 20, slice="Refunds")
    assert "Refunds has 60, and 20 are wanted" in crowds_of(coverage(world.project))


def test_an_even_project_has_no_crowds(world: World):
    for name in ("Customs", "Delay", "Other"):
        fill(world, name, 30)
    assert crowds_of(coverage(world.project)) == []


@given(approved=st.integers(0, 500), more=st.integers(0, 500), percent=st.integers(1, 99))
def test_a_share_asks_for_the_fewest_examples_that_reach_it(approved: int, more: int, percent: int):
    total = approved + more
    wanted = wanted_of(CoverageTarget(amount=percent, unit="share"), approved, total)
    missing = max(wanted - approved, 0)
    if total:
        assert (approved + missing) * 100 >= percent * (total + missing)
    if missing > 1:
        fewer = missing - 1
        assert (approved + fewer) * 100 < percent * (total + fewer)


def test_how_far_from_the_sizes():
    assert [(one.size, one.left) for one in milestones(1_200)] == [(1_000, 0), (2_000, 800), (5_000, 3_800)]
    assert milestones(0)[0].share == 0


def test_every_length_has_one_band():
    assert [band_of(n) for n in (0, 30, 31, 100, 101, 250, 251, 10**6)] == [
        "short", "short", "medium", "medium", "long", "long", "very_long", "very_long",
    ]  # fmt: skip
    assert next(iter(BANDS)) == "short"


@pytest.mark.parametrize(
    "part",
    [
        {},
        {"slice": "nowhere"},
        {"edge": "nothing"},
        {"length": "endless"},
        {"length": "short", "edge": "other"},
        {"edge": "other", "amount": 0},
        {"edge": "other", "amount": 101, "unit": "share"},
        {"edge": "other", "unit": "grams"},
    ],
    ids=["nothing", "slice", "edge", "length", "two", "zero", "over-100", "unit"],
)
def test_targets_that_cannot_be(world: World, part: dict):
    with pytest.raises(Invalid):
        set_target(by=world.admin, project=world.project, **{"amount": 5, **part})
    assert not CoverageTarget.objects.exists()


def test_a_stranger_cannot_own_a_target(world: World):
    with pytest.raises(Invalid):
        target(world, 5, edge="other", owner=world.neighbour)


def test_a_target_is_one_for_its_part_and_audited(world: World):
    target(world, 5, edge="other")
    one = target(world, 7, edge="other", unit="share")
    assert CoverageTarget.objects.get().amount == 7
    remove_target(by=world.admin, target=one)
    actions = AuditEntry.objects.filter(project_id=world.project.pk, action__startswith="coverage_target.")
    assert list(actions.order_by("pk").values_list("action", flat=True)) == [
        "coverage_target.set", "coverage_target.set", "coverage_target.removed",
    ]  # fmt: skip
    with pytest.raises(IntegrityError), transaction.atomic():
        CoverageTarget.objects.create(project=world.project, amount=5)


def test_a_retired_slice_is_shown_only_with_examples(world: World):
    fill(world, "old", 3)
    categories.add_category(by=world.admin, project=world.project, kind="slice", name="unused")
    for one in Category.objects.filter(project=world.project, kind="slice"):
        categories.set_active(by=world.admin, category=one, active=False)
    assert [(part.name, part.listed) for part in coverage(world.project).slices] == [("old", False)]


def test_the_page_says_what_is_missing_and_sets_a_target(world: World, as_user: SignIn):
    fill(world, "Customs", 12)
    client = as_user(world.admin)
    where = page_of(world, "coverage-target") + "?slice=Customs"
    assert "Target for" in client.get(where).content.decode()
    assert (
        client.post(where, {"amount": "80", "unit": "number", "owner": world.annotator.pk}).status_code == 302
    )
    assert client.post(where, {"amount": "0", "unit": "number"}).status_code == 422
    page = client.get(page_of(world)).content.decode()
    assert "Customs has 12 of 80 wanted" in page and "Annotator Member" in page
    assert client.get(page_of(world, "coverage-target") + "?slice=nowhere").status_code == 302
    reader = as_user(world.viewer).get(page_of(world)).content.decode()
    assert "Customs has 12 of 80 wanted" in reader and "Ask for" not in reader
    remove = reverse(
        "quality:coverage-target-remove", args=[world.project.slug, CoverageTarget.objects.get().pk]
    )
    assert client.post(remove).status_code == 302
    assert not CoverageTarget.objects.exists()


def test_an_empty_project_has_a_page(world: World, as_user: SignIn):
    page = as_user(world.admin).get(page_of(world)).content.decode()
    assert "There are no approved examples yet." in page and "The list is empty" in page


def test_queries_of_the_page_do_not_grow(world: World, as_user: SignIn):
    client = as_user(world.admin)

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert client.get(page_of(world)).status_code == 200
        return len(seen)

    fill(world, "one", 3, edge="other")
    target(world, 5, slice="one")
    queries()
    few = queries()
    for n in range(6):
        fill(world, f"slice {n}", 3)
        target(world, 5, slice=f"slice {n}", owner=world.annotator)
    assert queries() == few <= 25


def test_coverage_by_program(world: World, as_user: SignIn):
    fill(world, "Customs", 12)
    client, where = as_user(world.admin), f"/api/v1/projects/{world.project.slug}/coverage/"
    body = {"slice": "Customs", "amount": 80, "owner": world.annotator.pk}
    made = client.post(f"{where}targets/", body, content_type="application/json")
    assert (made.status_code, made.json()["owner"]["name"]) == (200, "Annotator Member")
    found = client.get(where).json()
    assert found["missing"][0] == {
        "words": "Customs has 12 of 80 wanted", "missing": 68, "slice": "Customs", "edge": "", "length": "",
        "language": "", "mood": "",
    }  # fmt: skip
    assert found["slices"][0]["wanted"] == 80
    strange = {**body, "owner": world.neighbour.pk}
    assert client.post(f"{where}targets/", strange, content_type="application/json").status_code == 422
    assert client.delete(f"{where}targets/{made.json()['id']}/").status_code == 204
    assert as_user(world.annotator).post(f"{where}targets/", body).status_code == 403


def test_thousands_of_slices_are_a_page_that_can_be_read(world: World, as_user: SignIn) -> None:
    """An import can bring a slice for each row. The page shows the first, and says how many there are."""
    for number in range(201):
        make_example(world.project, slice=f"slice {number:03d}", status="approved")
    html = as_user(world.admin).get(page_of(world)).content.decode()
    assert "The first 200 of 201." in html
    assert ">slice 199<" in html and ">slice 200<" not in html
