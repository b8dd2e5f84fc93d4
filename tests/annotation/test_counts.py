"""The kept counts of examples are exact, whatever writes examples."""

import threading
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation import services
from annotation.models import ApprovedChange, Example, ExampleCount, Lease
from annotation.queries.counts import changes_so_far, kept_count, standing
from annotation.queries.examples import find_examples
from annotation.queries.overview import overview
from annotation.queries.queue import in_order, waiting_for
from annotation.services.counts import differences, roll_up, sweep_counts
from core.models import Project
from dataset.models import Source
from dataset.runner.bulk import copy_in
from tests.support.factories import World, join, make_example, make_user

pytestmark = pytest.mark.django_db


def rows(world: World, count: int, **fields: Any) -> list[Example]:
    return [
        Example(project=world.project, messages=[], group="g", content_hash="", **fields)
        for _ in range(count)
    ]


def in_threads(*works: Callable[[], None]) -> None:
    """Each in its own thread and connection; the first error is raised."""
    errors: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    if errors:
        raise errors[0]


def test_every_way_of_writing_is_counted(world: World) -> None:
    Source.objects.create(project=world.project, name="desk")
    copy_in(Example, rows(world, 40, status="queued", slice="customs", source="desk"), leave_out=["id"])
    Example.objects.bulk_create(rows(world, 10, status="retired"))
    make_example(world.other)
    assert standing(world.project) == {
        "queued": 40, "in_review": 0, "returned": 0, "approved": 0, "retired": 10,
    }  # fmt: skip
    assert kept_count(world.project, {"source": "desk", "slice": "customs"}) == 40
    assert kept_count(world.project, {"slice": "-"}) == 10
    Example.objects.filter(status="retired").update(status="queued", slice="customs", edge="other")
    assert kept_count(world.project, {"status": "queued", "slice": "customs"}) == 50
    assert kept_count(world.project, {"edge": "any"}) == 10
    Example.objects.filter(project=world.project).update(changed_at=timezone.now())  # changes no count
    Example.objects.filter(project=world.project, source="desk").delete()
    assert kept_count(world.project, {}) == 10
    assert not differences()


def test_the_counts_know_the_filters_that_need_no_row(world: World) -> None:
    made = [
        make_example(world.project, status="approved", slice="a", edge="other", origin="chat"),
        make_example(world.project, status="approved", slice=""),
        make_example(world.project, status="queued", slice="a"),
    ]
    assert len(made) == 3
    for criteria in (
        {}, {"status": "approved"}, {"slice": "a"}, {"slice": "-"}, {"edge": "any"}, {"edge": "other"}, {"origin": "chat"},
        {"status": "approved", "slice": "a", "edge": "any"}, {"status": "retired"},
    ):  # fmt: skip
        assert kept_count(world.project, criteria) == find_examples(world.project, criteria).count()
    for criteria in (
        {"q": "words"},
        {"tag": "a"},
        {"person": "1"},
        {"import_id": 1},
        {"status": "queued", "q": "x"},
    ):
        assert kept_count(world.project, criteria) is None


def test_the_api_and_the_list_count_no_rows(world: World, as_user: Any) -> None:
    for at in range(7):
        make_example(world.project, status="approved" if at < 4 else "queued")
    client = as_user(world.viewer)
    api = f"/api/v1/projects/{world.project.slug}/examples/"
    for path, query in ((api, {"page_size": 2}), (f"/p/{world.project.slug}/annotate/examples/", {})):
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(path, {**query, "status": "approved"})
        assert answer.status_code == 200
        sums = [
            one["sql"] for one in captured if "COUNT(" in one["sql"] and "annotation_example" in one["sql"]
        ]
        assert not sums
    page = client.get(api, {"page_size": 3, "page": 2}).json()
    assert (page["count"], len(page["results"])) == (7, 3)
    assert client.get(api, {"q": "case", "page_size": 2}).json()["count"] == 7


def test_a_rollback_takes_its_counts_with_it(world: World) -> None:
    make_example(world.project)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Example.objects.bulk_create(rows(world, 5))
        Example.objects.filter(group="g").update(status="retired")
        assert standing(world.project)["retired"] == 5
        raise ZeroDivisionError
    assert kept_count(world.project, {}) == 1
    assert not differences()


def test_rolling_up_changes_no_number_and_leaves_few_rows(world: World) -> None:
    for at in range(12):
        make_example(world.project, status="queued" if at % 2 else "approved", slice="one")
    make_example(world.other)
    assert ExampleCount.objects.filter(project=world.project).count() == 12
    roll_up(world.project.pk)
    assert ExampleCount.objects.filter(project=world.project).count() == 2
    assert standing(world.project)["queued"] == standing(world.project)["approved"] == 6
    Example.objects.filter(project=world.project).update(status="retired")
    roll_up(world.project.pk)
    assert ExampleCount.objects.get(project=world.project).n == 12  # nothing is kept as zero
    assert not differences()


def test_the_sweep_rolls_up_what_has_grown_and_forgets_deleted_projects(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annotation.services.counts._MANY", 3)
    for _ in range(4):
        make_example(world.project)
    make_example(world.other)
    ExampleCount.objects.bulk_create([ExampleCount(project_id=987654, status="queued", n=1)])
    sweep_counts()
    assert ExampleCount.objects.filter(project=world.project, rolled=True).count() == 1
    assert ExampleCount.objects.get(project=world.other).rolled is False
    assert not ExampleCount.objects.filter(project_id=987654).exists()


@pytest.mark.django_db(transaction=True)
def test_many_writers_and_sweeps_at_once_lose_and_double_nothing(world: World) -> None:
    for _ in range(30):
        make_example(world.project, status="approved", slice="one")

    def write() -> None:
        for at in range(15):
            with transaction.atomic():
                Example.objects.bulk_create(rows(world, 2, slice="new"))
                pk = Example.objects.filter(slice="one").order_by("?").values_list("pk", flat=True).first()
                Example.objects.filter(pk=pk).update(status="queued" if at % 2 else "approved")
                transaction.set_rollback(at % 5 == 4)

    def sweep() -> None:
        for _ in range(25):
            roll_up(world.project.pk)
            counts = standing(world.project)
            # Whoever reads sees one moment: these thirty never appear twice or not at all.
            with transaction.atomic():
                assert kept_count(world.project, {"slice": "one"}) == 30
            assert sum(counts.values()) >= 30

    in_threads(write, write, write, sweep, sweep)
    assert not differences()
    assert kept_count(world.project, {"slice": "new"}) == 3 * 12 * 2


def test_wrong_counts_are_reported_and_mended(world: World) -> None:
    make_example(world.project, slice="customs")
    out = StringIO()
    call_command("check_counts", stdout=out)
    assert "agree" in out.getvalue()
    ExampleCount.objects.update(n=5)
    with pytest.raises(CommandError):
        call_command("check_counts", stdout=out)
    assert "slice “customs”, source “”: 1 examples, kept as 5" in out.getvalue()
    call_command("check_counts", "--mend", stdout=out)
    call_command("check_counts", stdout=out)
    assert kept_count(world.project, {}) == 1


# --- what waits for a person -------------------------------------------------------------------------------
def counted_anew(world: World, user: Any) -> dict[str, int]:
    """The overview, counted row by row."""
    held = {lease.example_id: lease.user_id for lease in Lease.objects.filter(outcome="open")}
    counts = {"sent_back": 0, "feedback": 0, "edge": 0, "rest": 0, "held_by_others": 0}
    for example in in_order(waiting_for(user, world.project, "annotate")):
        if example.pk in held:
            counts["held_by_others"] += held[example.pk] != user.pk
        elif example.status == "returned" and example.submitted_by_id == user.pk:
            counts["sent_back"] += 1
        else:
            counts[("feedback", "edge", "rest")[example.queue_rank]] += 1
    to_review = waiting_for(user, world.project, "review").exclude(pk__in=held).count()
    return {**counts, "to_review": to_review}


def test_the_overview_is_what_counting_row_by_row_gives(world: World) -> None:
    colleague = make_user()
    join(world.project, colleague, "annotator", "reviewer")
    people = [None, world.annotator, colleague]
    old = timezone.now() - timedelta(days=3)
    for status in Example.Status.values:
        for person in people:
            for edge, origin in (("", "import"), ("other", "import"), ("other", "chat"), ("", "rating")):
                for since in (timezone.now(), old):
                    make_example(
                        world.project, status=status, submitted_by=person, edge=edge, origin=origin,
                        waiting_since=since, slice="s" if edge else "",
                    )  # fmt: skip
    for user in (world.annotator, colleague):
        for purpose in ("annotate", "review"):
            services.take_next(by=user, project=world.project, purpose=purpose)
    for user in (world.annotator, colleague, world.reviewer, world.viewer):
        found = overview(user, world.project)
        anew = counted_anew(world, user)
        assert {name: getattr(found, name) for name in anew} == anew
    before = overview(world.annotator, world.project)
    roll_up(world.project.pk)
    assert overview(world.annotator, world.project) == before


def test_the_overview_reads_no_example_that_waits_for_everybody(world: World) -> None:
    for _ in range(30):
        make_example(world.project)
    with CaptureQueriesContext(connection) as captured:
        assert overview(world.annotator, world.project).rest == 30
    assert len(captured) == 2
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {captured[1]['sql']}")
        nodes = [cursor.fetchone()[0][0]["Plan"]]
    for node in nodes:
        nodes.extend(node.get("Plans", []))
    read = [node for node in nodes if node.get("Relation Name") == "annotation_example"]
    assert read and all(node["Actual Rows"] == 0 for node in read)


# --- changes of approved examples --------------------------------------------------------------------------
def test_only_what_changes_an_approved_example_is_noted(world: World) -> None:
    approved, queued = make_example(world.project, status="approved"), make_example(world.project)
    Example.objects.filter(pk=queued.pk).update(status="approved")
    Example.objects.filter(pk=approved.pk).update(changed_at=timezone.now(), tags=["a"])
    assert not ApprovedChange.objects.exists()
    Example.objects.filter(pk=approved.pk).update(revision=F("revision") + 1)
    Example.objects.filter(pk=queued.pk).update(status="queued")
    assert list(ApprovedChange.objects.order_by("pk").values_list("example_id", flat=True)) == [
        approved.pk, queued.pk,
    ]  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_a_mark_waits_for_a_change_that_is_not_committed(world: World) -> None:
    """Without waiting, the change would be before the mark and not in what is read after it."""
    example = make_example(world.project, status="approved")
    changed, read = threading.Event(), threading.Event()
    seen: list[tuple[int, str]] = []

    def change() -> None:
        with transaction.atomic():
            Example.objects.filter(pk=example.pk).update(status="queued")
            changed.set()
            assert not read.wait(timeout=1.0), "the mark was made before the commit"

    def mark() -> None:
        assert changed.wait(timeout=10)
        number = changes_so_far()
        read.set()
        seen.append((number, Example.objects.get(pk=example.pk).status))

    in_threads(change, mark)
    assert seen == [(ApprovedChange.objects.get().pk, "queued")]


def test_deleting_a_project_leaves_nothing_that_fails(world: World) -> None:
    project = Project.objects.create(name="Short", slug="short")
    make_example(project)
    Example.objects.filter(project=project).delete()
    project.delete()
    sweep_counts()
    assert not ExampleCount.objects.exclude(project__in=Project.objects.all()).exists()
