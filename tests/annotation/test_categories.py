"""The project's own lists: slices and kinds of edge cases."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from annotation import services
from annotation.models import AuthoringTask, Category, CoverageTarget, Example
from annotation.queries.categories import edge_choices, edge_names, edge_spellings, not_listed
from annotation.services import categories
from annotation.services.adopting import MOST_LISTED, adopt_slices
from core.errors import Conflict, Invalid
from core.models import AuditEntry, Run
from core.services.projects import create_project
from tests.annotation.pages import SignIn, url
from tests.support.factories import World, make_example, quiet

pytestmark = pytest.mark.django_db


def add(world: World, kind: str, name: str, **more: str) -> Category:
    return categories.add_category(by=world.admin, project=world.project, kind=kind, name=name, **more)


def pair(**fields: object) -> dict:
    return {
        "messages": [{"role": "user", "content": "Where is it?"}],
        "context": [],
        "completion": "It is at sea.",
        "slice": "customs",
        "edge": "",
        "tags": [],
        **fields,
    }


def write(world: World, **fields: object) -> Example:
    return services.write_example(by=world.annotator, project=world.project, content=pair(**fields))


def test_a_new_project_starts_with_kinds_of_edge_cases_and_no_slices(world: World):
    project = create_project(by=world.operator, name="Fresh")
    assert next(iter(edge_names(project).items())) == ("angry_customer", "Angry customer")
    assert len(edge_names(project)) == 7
    assert not Category.objects.filter(project=project, kind="slice").exists()


def test_an_own_kind_of_edge_case_can_be_chosen_and_one_of_another_project_cannot(world: World):
    kind = add(world, "edge", "Wütender Kunde")
    assert kind.key == "wutender_kunde"
    assert write(world, edge="wutender_kunde").edge == "wutender_kunde"
    foreign = categories.add_category(by=world.neighbour, project=world.other, kind="edge", name="Foreign")
    with pytest.raises(Invalid) as refused:
        write(world, edge=foreign.key)
    assert "edge" in refused.value.fields


@pytest.mark.parametrize("name", ["", "  ", "x" * 121], ids=["empty", "blank", "long"])
def test_names_that_are_none(world: World, name: str):
    with pytest.raises(Invalid):
        add(world, "slice", name)


def test_a_kind_without_latin_letters_needs_a_key(world: World):
    with pytest.raises(Invalid) as refused:
        add(world, "edge", "怒った客")
    assert "key" in refused.value.fields
    assert add(world, "edge", "怒った客", key="angry_jp").key == "angry_jp"


def test_the_same_name_twice_is_refused(world: World):
    add(world, "slice", "customs")
    with pytest.raises(Invalid):
        add(world, "slice", "customs")
    with pytest.raises(Invalid):
        add(world, "edge", "ANGRY customer", key="other_key")


def test_a_slice_that_somebody_types_comes_onto_the_list(world: World):
    write(world, slice="brand new")
    one = Category.objects.get(project=world.project, key="brand new")
    assert (one.kind, one.origin, one.active) == ("slice", "example", True)
    write(world, slice="brand new", completion="Another answer, it is in the harbour.")
    assert Category.objects.filter(project=world.project, key="brand new").count() == 1


def test_slices_of_any_other_way_are_adopted_with_their_origin_up_to_a_limit(world: World):
    for name in ("b", "a"):
        make_example(world.project, slice=name)
    assert not_listed(world.project) == ["a", "b"]
    assert adopt_slices(world.project, origin=Category.Origin.IMPORT) == 2
    assert adopt_slices(world.project, origin=Category.Origin.IMPORT) == 0
    rows = Category.objects.filter(project=world.project, kind="slice").order_by("position")
    assert list(rows.values_list("key", "origin")) == [("a", "import"), ("b", "import")]
    Category.objects.bulk_create(
        Category(project=world.project, kind="slice", key=f"s{n}", name=f"s{n}")
        for n in range(MOST_LISTED - 2)
    )
    make_example(world.project, slice="one too many")
    assert adopt_slices(world.project, origin=Category.Origin.IMPORT) == 0
    assert not_listed(world.project) == ["one too many"]


def test_a_renamed_slice_takes_its_examples_targets_and_tasks_along(world: World):
    old = add(world, "slice", "custms")
    example = make_example(world.project, slice="custms")
    other = make_example(world.other, slice="custms")
    CoverageTarget.objects.create(project=world.project, slice="custms", amount=5)
    task = AuthoringTask.objects.create(project=world.project, slice="custms", wanted="More", quota=2)
    new = categories.change_category(by=world.admin, category=old, name="customs")
    for row in (example, other, task, old):
        row.refresh_from_db()
    assert (new.key, example.slice, other.slice, task.slice) == ("customs", "customs", "custms", "customs")
    assert (old.active, old.merged_into) == (False, new)
    assert CoverageTarget.objects.get(project=world.project).slice == "customs"
    # Whatever still has the old name gets the new one.
    assert write(world, slice="custms").slice == "customs"
    assert AuditEntry.objects.filter(action="category.renamed", project_id=world.project.pk).count() == 1


def test_a_renamed_slice_can_have_its_old_name_again(world: World):
    first = add(world, "slice", "one")
    make_example(world.project, slice="one")
    second = categories.change_category(by=world.admin, category=first, name="two")
    again = categories.change_category(by=world.admin, category=second, name="one")
    assert again.pk == first.pk
    assert Example.objects.get(project=world.project).slice == "one"
    assert write(world, slice="two").slice == "one"


def test_the_old_name_of_another_slice_is_refused(world: World):
    first, third = add(world, "slice", "one"), add(world, "slice", "three")
    categories.change_category(by=world.admin, category=first, name="two")
    with pytest.raises(Invalid):
        categories.change_category(by=world.admin, category=third, name="one")


def test_a_renamed_kind_keeps_its_key(world: World):
    kind = Category.objects.get(project=world.project, key="other")
    example = make_example(world.project, edge="other")
    categories.change_category(by=world.admin, category=kind, name="Strange", description="Anything odd.")
    example.refresh_from_db()
    assert example.edge == "other"
    assert edge_names(world.project)["other"] == "Strange"
    assert edge_spellings(world.project)["strange"] == "other"


def test_merged_kinds_are_one_also_for_files_and_chains(world: World):
    a, b, c = (add(world, "edge", name) for name in ("Kind a", "Kind b", "Kind c"))
    example = make_example(world.project, edge="kind_a")
    categories.merge_categories(by=world.admin, category=a, into=b)
    categories.merge_categories(by=world.admin, category=b, into=c)
    example.refresh_from_db()
    assert example.edge == "kind_c"
    assert {edge_spellings(world.project)[name] for name in ("kind_a", "kind_b", "kind_c")} == {"kind_c"}
    assert write(world, edge="kind_a").edge == "kind_c"
    with pytest.raises(Conflict):
        categories.merge_categories(by=world.admin, category=a, into=c)


def test_a_merge_into_itself_another_list_or_project_is_refused(world: World):
    one = add(world, "slice", "one")
    foreign = categories.add_category(by=world.neighbour, project=world.other, kind="slice", name="two")
    kind = Category.objects.get(project=world.project, key="other")
    for into in (one, foreign, kind):
        with pytest.raises(Invalid):
            categories.merge_categories(by=world.admin, category=one, into=into)


def test_a_merge_keeps_the_target_of_the_one_that_stays(world: World):
    one, two = add(world, "slice", "one"), add(world, "slice", "two")
    for name, amount in (("one", 5), ("two", 9)):
        CoverageTarget.objects.create(project=world.project, slice=name, amount=amount)
    CoverageTarget.objects.create(project=world.project, slice="one", edge="other", amount=3)
    categories.merge_categories(by=world.admin, category=one, into=two)
    left = CoverageTarget.objects.filter(project=world.project).order_by("amount")
    assert list(left.values_list("slice", "edge", "amount")) == [("two", "other", 3), ("two", "", 9)]


def test_many_examples_are_moved_by_a_job_that_can_be_killed(world: World, monkeypatch):
    from annotation.runner import relabelling

    monkeypatch.setattr(categories, "AT_ONCE", 2)
    monkeypatch.setattr(relabelling, "BATCH", 2)
    one, two = add(world, "slice", "one"), add(world, "slice", "two")
    for _ in range(5):
        make_example(world.project, slice="one")
    categories.merge_categories(by=world.admin, category=one, into=two)
    run = Run.objects.get(kind="relabel_examples")
    assert Example.objects.filter(slice="one").count() == 5

    class Killed(Exception):
        pass

    class Context:
        params = run.params
        reports = 0

        def report(self, **progress: object) -> None:
            Context.reports += 1
            if Context.reports == 2:
                raise Killed

    with pytest.raises(Killed):
        relabelling.run(Context())
    assert Example.objects.filter(slice="one").count() == 3
    relabelling.run(Context())
    assert Example.objects.filter(slice="two").count() == 5


def test_a_retired_kind_cannot_be_chosen_but_stays_where_it_is(world: World):
    kind = Category.objects.get(project=world.project, key="off_topic")
    make_example(world.project, edge="off_topic")
    categories.set_active(by=world.admin, category=kind, active=False)
    assert "off_topic" not in dict(edge_choices(world.project))
    assert "off_topic" in dict(edge_choices(world.project, present="off_topic"))
    categories.set_active(by=world.admin, category=kind, active=True)
    assert "off_topic" in dict(edge_choices(world.project))


def test_a_stale_page_changes_nothing(world: World):
    one = add(world, "slice", "one")
    seen = categories.category_stamp(one)
    categories.change_category(by=world.admin, category=one, description="New.", seen=seen)
    for act in (
        lambda: categories.change_category(by=world.admin, category=one, name="two", seen=seen),
        lambda: categories.set_active(by=world.admin, category=one, active=False, seen=seen),
    ):
        with pytest.raises(Conflict):
            act()


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "slice", "key": "a", "name": "b"},
        {"kind": "edge", "key": "Not A Key", "name": "x"},
        {"kind": "mood", "key": "a", "name": "a"},
        {"kind": "slice", "key": "", "name": ""},
    ],
    ids=["slice-with-another-name", "edge-key", "kind", "empty"],
)
def test_the_database_refuses_what_no_list_can_have(world: World, fields: dict):
    with pytest.raises(IntegrityError), transaction.atomic():
        Category.objects.create(project=world.project, **fields)


def test_the_order_of_the_list_is_the_order_of_the_choices(world: World):
    add(world, "slice", "first")
    second = add(world, "slice", "second")
    categories.move_up(by=world.admin, category=second)
    rows = Category.objects.filter(project=world.project, kind="slice").order_by("position")
    assert [one.name for one in rows] == ["second", "first"]
    categories.move_up(by=world.admin, category=second)
    assert [one.name for one in rows.all()] == ["second", "first"]


def test_an_import_reads_own_kinds_reports_unknown_ones_and_brings_slices_onto_the_list(
    world: World, tmp_path
):
    from dataset.models import DataImport, ImportIssue
    from dataset.runner.imports import store
    from dataset.services.imports import start_import

    add(world, "edge", "Held at customs")
    old = add(world, "slice", "old name")
    categories.change_category(by=world.admin, category=old, name="new name")
    file = tmp_path / "pairs.jsonl"
    lines = [
        '{"prompt": "One?", "completion": "At sea.", "slice": "from file", "edge": "Held at customs"}',
        '{"prompt": "Two?", "completion": "In port.", "slice": "old name", "edge": "held_at_customs"}',
        '{"prompt": "Three?", "completion": "Lost.", "slice": "x", "edge": "never heard of"}',
    ]
    file.write_text("\n".join(lines) + "\n")
    data_import = start_import(by=world.admin, project=world.project, path=file, file_name=file.name)
    store(DataImport.objects.get(pk=data_import.pk), report=quiet)
    rows = Example.objects.filter(project=world.project).order_by("pk").values_list("slice", "edge")
    assert list(rows) == [("from file", "held_at_customs"), ("new name", "held_at_customs")]
    assert Category.objects.get(project=world.project, key="from file").origin == "import"
    (issue,) = ImportIssue.objects.filter(data_import=data_import)
    assert "is not a kind of edge case" in issue.reason and "held_at_customs" in issue.reason


def test_admins_change_the_lists_on_their_page(world: World, as_user: SignIn):
    client = as_user(world.admin)
    make_example(world.project, slice="customs", status="approved")
    adopt_slices(world.project, origin=Category.Origin.IMPORT)
    page = client.get(url(world, "categories")).content.decode()
    assert "customs" in page and "from an import" in page and "Angry customer" in page
    where = url(world, "edge-case-new")
    assert client.post(where, {"name": "Legal threat", "description": "Names a lawyer."}).status_code == 302
    kind = Category.objects.get(project=world.project, key="legal_threat")
    assert client.post(where, {"name": "legal THREAT"}).status_code == 422
    assert client.post(url(world, "category", kind.pk), {"name": ""}).status_code == 422
    assert client.post(url(world, "category", kind.pk), {"name": "Threat"}).status_code == 302
    assert "Threat" in client.get(url(world, "categories")).content.decode()
    assert client.post(url(world, "category-merge", kind.pk), {"into": "x"}).status_code == 422
    into = Category.objects.get(project=world.project, key="other")
    assert client.post(url(world, "category-merge", kind.pk), {"into": into.pk}).status_code == 302
    assert client.get(url(world, "category", kind.pk)).status_code == 404
    assert client.get(url(world, "slice-new")).status_code == 200


def test_the_editor_offers_the_projects_own_lists(world: World, as_user: SignIn):
    add(world, "edge", "Legal threat")
    add(world, "slice", "my own slice")
    page = as_user(world.annotator).get(url(world, "write")).content.decode()
    assert '<option value="legal_threat"' in page and '<option value="my own slice">' in page
    examples = as_user(world.viewer).get(url(world, "examples") + "?edge=legal_threat")
    assert examples.status_code == 200
    assert as_user(world.viewer).get(url(world, "examples") + "?edge=nothing").status_code == 422


def test_the_list_of_examples_names_kinds_with_one_query(world: World, as_user: SignIn):
    client = as_user(world.viewer)

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            client.get(url(world, "examples"))
        return len(seen)

    make_example(world.project, edge="off_topic")
    queries()
    few = queries()
    for _ in range(5):
        make_example(world.project, edge="two_questions")
    assert queries() == few
    assert "Two questions at once" in client.get(url(world, "examples")).content.decode()


def test_the_lists_by_program(world: World, as_user: SignIn):
    client, where = as_user(world.admin), f"/api/v1/projects/{world.project.slug}/lists/"
    made = client.post(where, {"kind": "slice", "name": "refunds"}, content_type="application/json")
    assert made.status_code == 201
    one = made.json()
    changed = client.patch(
        f"{where}{one['id']}/", {"name": "refund", "seen": one["seen"]}, content_type="application/json"
    )
    assert (changed.status_code, changed.json()["key"]) == (200, "refund")
    other = client.post(where, {"kind": "slice", "name": "claims"}, content_type="application/json").json()
    into = {"into": changed.json()["id"]}
    merged = client.post(f"{where}{other['id']}/merge/", into, content_type="application/json")
    assert (merged.status_code, merged.json()["key"]) == (200, "refund")
    retired = client.post(f"{where}{changed.json()['id']}/retire/", {}, content_type="application/json")
    assert (retired.status_code, retired.json()["active"]) == (200, False)
    back = client.post(f"{where}{changed.json()['id']}/restore/", {}, content_type="application/json")
    assert back.json()["active"] is True
    assert (
        client.post(where, {"kind": "mood", "name": "x"}, content_type="application/json").status_code == 422
    )
    assert as_user(world.annotator).post(where, {}, content_type="application/json").status_code == 403
    assert as_user(world.stranger).get(where).status_code == 404


def test_a_project_with_old_names_can_be_deleted(world: World):
    old = add(world, "slice", "one")
    categories.change_category(by=world.admin, category=old, name="two")
    Category.objects.filter(project=world.project).delete()
    assert not Category.objects.filter(project=world.project).exists()
