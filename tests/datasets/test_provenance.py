"""Who imported, wrote, approved and reviewed: what is told of one example, and counted over many."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation import services
from annotation.models import Example, Lease
from annotation.queries.examples import find_examples
from core.models import Role, User
from dataset.models import DataImport
from dataset.queries.provenance import (
    Contributors,
    Provenance,
    example_provenance,
    people_behind,
    provenance_of,
)
from dataset.runner.imports import store
from dataset.services.imports import start_import
from tests.datasets.desk import READERS, SignIn, page
from tests.support.factories import World, join, make_example, make_frozen, make_user, quiet
from tests.support.reading import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]
ANNOTATE, REVIEW = Lease.Purpose.ANNOTATE, Lease.Purpose.REVIEW


@pytest.fixture
def imported(world: World, tmp_path: Path) -> Any:
    """imported(destination, count) gives the examples of a file that the admin uploaded."""

    def bring(destination: str, count: int = 1, completion: str = "It is at sea.") -> list[Example]:
        path = tmp_path / "pairs.jsonl"
        rows = (
            {
                "prompt": f"{destination}: where is case {at}?",
                "completion": completion and f"{completion} Case {at}.",
            }
            for at in range(count)
        )
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        data_import = start_import(
            by=world.admin,
            project=world.project,
            path=path,
            file_name="pairs.jsonl",
            destination=destination,
            default_source="Archive 2024",
        )
        store(data_import, report=quiet)
        return list(Example.objects.filter(import_id=data_import.pk).order_by("pk"))

    return bring


def content(example: Example, **more: Any) -> dict[str, Any]:
    return {**example.content(), "slice": "status", "edge": "", "tags": [], **more}


def submit(example: Example, by: User, completion: str = "") -> Example:
    services.take(by=by, example=example, purpose=ANNOTATE)
    words = {"completion": completion} if completion else {}
    return services.submit(
        by=by, example=example, content=content(example, **words), reason="So said the desk."
    )


def accept(example: Example, by: User, completion: str = "") -> Any:
    services.take(by=by, example=example, purpose=REVIEW)
    changed = content(example, completion=completion) if completion else None
    review = services.accept(by=by, example=example, content=changed, reason="So said the desk.")
    example.refresh_from_db()
    return review


def known(example: Example) -> Provenance:
    example.refresh_from_db()
    return example_provenance(example)


def shares(shares: list[Any]) -> list[tuple[Any, ...]]:
    return [(share.person, share.rows, *([share.how] if share.how else [])) for share in shares]


# --- one example -------------------------------------------------------------------------------------------
def test_taken_as_it_came(world: World, imported: Any):
    (example,) = imported("approved")
    one = known(example)
    assert (one.importer, one.imported_in, one.writers) == (world.admin, DataImport.objects.get(), [])
    assert one.written_words == "elsewhere (Archive 2024)"
    assert (one.approver, one.how_words) == (world.admin, "at import, without review")
    assert one.reviewer is None


def test_answered_here_and_reviewed(world: World, imported: Any):
    (example,) = imported("queued", completion="")
    assert known(example).written_words == "not known"
    assert known(example).approver is None
    submit(example, world.annotator, "It is in Basel.")
    assert (known(example).approver, known(example).reviewer) == (None, None)
    accept(example, world.reviewer)
    one = known(example)
    assert (one.importer, one.written_words) == (world.admin, "Annotator Member")
    assert (one.approver, one.how, one.reviewer) == (world.reviewer, "review", world.reviewer)


def test_a_correction_is_writing_and_a_review(world: World, imported: Any):
    (example,) = imported("in_review")
    accept(example, world.reviewer, "It left Basel.")
    one = known(example)
    assert one.written_words == "elsewhere (Archive 2024), edited by Reviewer Member"
    assert one.reviewer == world.reviewer


def test_a_correction_that_was_undone_is_neither(world: World, imported: Any):
    (example,) = imported("in_review")
    review = accept(example, world.reviewer, "It left Basel.")
    services.undo(by=world.reviewer, review=review)
    one = known(example)
    assert (one.written_words, one.approver, one.reviewer) == ("elsewhere (Archive 2024)", None, None)
    services.accept(by=world.reviewer, example=example)
    one = known(example)
    assert (one.writers, one.reviewer) == ([], world.reviewer)


def test_handing_in_unchanged_is_no_writing(world: World, imported: Any):
    (example,) = imported("queued")
    submit(example, world.annotator)
    assert known(example).written_words == "elsewhere (Archive 2024)"


def test_accepted_in_bulk_is_told_as_such(world: World, imported: Any):
    (example,) = imported("in_review")
    services.accept_many(by=world.reviewer, project=world.project, listed=[(example.pk, example.revision)])
    one = known(example)
    assert (one.how, one.how_words) == ("bulk", "in bulk, without opening it")
    assert one.reviewer == world.reviewer


def test_nobody_reviews_their_own_words_through_another_hand(world: World):
    """A reviewer files a better answer, an annotator hands it in unchanged, the same reviewer accepts it."""
    example = services.file_correction(
        by=world.reviewer,
        project=world.project,
        messages=[{"role": "user", "content": "Where is it?"}],
        context=[],
        completion="It is in Basel.",
        slice="status",
        origin=Example.Origin.CHAT,
        origin_detail={"label": "Chat"},
    )
    submit(example, world.annotator)
    accept(example, world.reviewer)
    one = known(example)
    assert (one.written_words, one.approver, one.reviewer) == ("Reviewer Member", world.reviewer, None)


def test_the_person_filter_leaves_undone_reviews_out(world: World, imported: Any):
    (example,) = imported("in_review")
    review = accept(example, world.reviewer)
    wanted = {"person": str(world.reviewer.pk)}
    assert find_examples(world.project, wanted).exists()
    services.undo(by=world.reviewer, review=review)
    assert not find_examples(world.project, wanted).exists()


# --- many rows ---------------------------------------------------------------------------------------------
def test_people_behind_a_dataset(world: World, imported: Any):
    imported("approved", 6)
    second = make_user("Second Annotator")
    join(world.project, second, Role.ANNOTATOR)
    for example, writer in zip(
        imported("queued", 3), (world.annotator, world.annotator, second), strict=True
    ):
        accept(submit(example, writer, f"In Basel, {example.pk}."), world.reviewer)
    (bulk,) = imported("in_review")
    services.accept_many(by=world.reviewer, project=world.project, listed=[(bulk.pk, bulk.revision)])
    dataset = make_frozen(world.project, world.admin, validation=0, test=0)
    people = people_behind(dataset)
    assert (people.rows, people.elsewhere, people.edited, people.here) == (10, 7, 3, 0)
    assert shares(people.imported) == [(world.admin, 10)]
    assert shares(people.written) == [(world.annotator, 2), (second, 1)]
    assert shares(people.approved) == [
        (world.admin, 6, "import"),
        (world.reviewer, 3, "review"),
        (world.reviewer, 1, "bulk"),
    ]
    assert shares(people.reviewed) == [(world.reviewer, 4)]
    assert people.sources == [("Archive 2024", 10)]
    assert people.never_reviewed == 6
    assert people.reviewed_words == "6 of 10 rows were not reviewed."
    assert people.names == ["Admin Member", "Annotator Member", "Reviewer Member", "Second Annotator"]
    # What happens to an example afterwards changes nothing for the rows that were frozen.
    again = Example.objects.filter(status="approved", dataset_rows__revision__number=1).first()
    assert again is not None
    services.requeue(by=world.admin, example=again)
    accept(submit(again, second, "Somewhere else."), world.reviewer)
    cache.clear()
    assert people_behind(dataset) == people


def test_what_was_frozen_is_counted_once(world: World, imported: Any, django_assert_num_queries: Any):
    imported("approved", 3)
    dataset = make_frozen(world.project, world.admin, validation=0, test=0)
    people = people_behind(dataset)
    with django_assert_num_queries(1):  # names, which people may change
        assert people_behind(dataset) == people
    assert people_behind(dataset, positions=[0]).rows == 1


def test_people_behind_some_of_the_rows(world: World, imported: Any):
    imported("approved", 6)
    (written,) = imported("queued")
    accept(submit(written, world.annotator, "In Basel."), world.reviewer)
    dataset = make_frozen(world.project, world.admin, validation=0, test=0)
    row = dataset.rows.get(example=written)
    assert shares(people_behind(dataset, positions=[row.position]).written) == [(world.annotator, 1)]
    others = [at for at in range(7) if at != row.position]
    assert people_behind(dataset, positions=others[:2]).reviewed_words == "None of the 2 rows was reviewed."
    assert people_behind(dataset, split="test") == Contributors()
    assert people_behind(dataset, positions=[]).rows == 0


@pytest.mark.parametrize(
    ("rows", "reviewed", "words"),
    [
        (0, 0, "It has no rows."),
        (1, 0, "The one row was not reviewed."),
        (1, 1, "The one row was reviewed."),
        (5, 5, "All 5 rows were reviewed."),
        (5, 4, "1 of 5 rows was not reviewed."),
        (312, 39, "273 of 312 rows were not reviewed."),
    ],
)
def test_how_many_were_reviewed_in_words(rows: int, reviewed: int, words: str):
    assert Contributors(rows=rows, reviewed_rows=reviewed).reviewed_words == words


def test_the_cost_does_not_grow_with_the_rows(world: World, imported: Any):
    counts = []
    for _ in range(2):
        for example in imported(f"{'in_review'}", 1, completion=f"At sea {len(counts)}."):
            accept(example, world.reviewer)
        for at in range(4):
            make_example(
                world.project, f"More {len(counts)} {at}", status="approved", submitted_by=world.annotator
            )
        dataset = make_frozen(world.project, world.admin)
        with CaptureQueriesContext(connection) as captured:
            people_behind(dataset)
            provenance_of(row.revision for row in dataset.rows.select_related("revision"))
        counts.append(len(captured))
    assert counts[0] == counts[1] == 7


# --- pages -------------------------------------------------------------------------------------------------
def test_the_pages_of_an_example_and_a_dataset_say_it(world: World, imported: Any, as_user: SignIn):
    examples = imported("approved", 4)
    (written,) = imported("queued")
    accept(submit(written, world.annotator, "In Basel."), world.reviewer)
    dataset = make_frozen(world.project, world.admin)
    ids = {"example": examples[0].pk, "dataset": dataset.number}
    for role in READERS:
        client = as_user(getattr(world, role))
        words = text_of(client.get(page("example", world.project, ids)))
        assert "Imported byAdmin Member Written byelsewhere (Archive 2024)" in words
        assert "Approved by Admin Member at import, without review" in words
        assert "Reviewed by no one else" in words
        words = text_of(client.get(page("dataset", world.project, ids)))
        assert "4 of 5 rows were not reviewed." in words
        assert "4 written elsewhere and not changed here, from Archive 2024" in words
    words = text_of(as_user(world.viewer).get(page("example", world.project, {"example": written.pk})))
    assert "elsewhere (Archive 2024), edited by Annotator Member" in words
    assert "Reviewed by Reviewer Member" in words
    assert as_user(world.neighbour).get(page("dataset", world.project, ids)).status_code == 404


def test_an_example_that_nobody_has_answered_claims_no_author(world: World, imported: Any, as_user: SignIn):
    (example,) = imported("queued", completion="")
    words = text_of(as_user(world.annotator).get(page("example", world.project, {"example": example.pk})))
    assert "Written by–" in words and "Approved by no one yet" in words and "Reviewed by no one yet" in words
