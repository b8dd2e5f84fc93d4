"""How people settle clusters of duplicates and retire what is too near to test rows: services, pages, API."""

import json
import random
from typing import Any

import pytest
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.models import Example, Lease
from core.errors import Conflict, Invalid
from core.models import AuditEntry, Run
from core.tasks import execute_run
from dataset.models import (
    DatasetRow,
    DuplicateCluster,
    DuplicateSearch,
    Source,
)
from dataset.queries.duplicates import chosen_at_first, members_in, members_of
from dataset.runner.imports import store
from dataset.services.duplicates import cluster_stamp, settle, undo_settlement
from dataset.services.imports import remove_import
from tests.datasets.copies import ASKED, SAID, clusters, held, page, search, three
from tests.datasets.desk import SignIn
from tests.support.factories import make_example, make_frozen, quiet, spelled
from tests.support.reading import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


# --- settlements ---------------------------------------------------------------------------------------------


def test_keeping_one_retires_the_others_by_one_action_with_undo(world):
    first, second, third = three(world)
    Example.objects.filter(pk=third.pk).update(status="in_review")
    lease = Lease.objects.create(
        example=third, project=world.project, user=world.reviewer, purpose="review", expires_at="2099-01-01T00:00Z"
    )  # fmt: skip
    search(world)
    (cluster,) = clusters(world)
    settle(by=world.reviewer, cluster=cluster, keep=[second.pk], seen=cluster_stamp(cluster))
    assert [e.status for e in Example.objects.filter(pk__in=[first.pk, second.pk, third.pk]).order_by("pk")] == [
        "retired", "approved", "retired",
    ]  # fmt: skip
    lease.refresh_from_db()
    assert lease.outcome == "released"
    assert clusters(world) == []
    (settled,) = clusters(world, state="settled")
    assert (settled.outcome, settled.settled_by, settled.in_use) == ("retired", world.reviewer, 1)
    # The standard reply has one example left: nothing to look at.
    assert clusters(world, kind="completion") == []
    actions = list(AuditEntry.objects.filter(project_id=world.project.pk).values_list("action", flat=True))
    assert actions.count("example.retired") == 2
    assert actions.count("duplicates.settled") == 1
    undo_settlement(by=world.admin, cluster=settled)
    assert Example.objects.get(pk=first.pk).status == "approved"
    assert Example.objects.get(pk=third.pk).status == "in_review"
    (opened,) = clusters(world)
    assert (opened.pk, opened.in_use, opened.settled_by) == (cluster.pk, 3, None)
    assert len(clusters(world, kind="completion")) == 1


def test_a_settlement_outlives_later_searches(world):
    first, _, third = three(world)
    search(world)
    (cluster,) = clusters(world)
    settle(by=world.admin, cluster=cluster, keep=[first.pk, third.pk], reason="Two ways to ask.")
    search(world)
    assert clusters(world) == []  # the two that were kept are not found again
    fourth = make_example(world.project, ASKED, SAID)
    search(world)
    (grown,) = clusters(world)
    assert [m.example_id for m in grown.members.all()] == [first.pk, third.pk, fourth.pk]
    with pytest.raises(Conflict, match="found this cluster again"):
        undo_settlement(by=world.admin, cluster=cluster)


def test_all_are_wanted_needs_a_reason_and_retires_nothing(world):
    three(world)
    search(world)
    (cluster,) = clusters(world)
    with pytest.raises(Invalid, match="Say why"):
        settle(by=world.admin, cluster=cluster, keep=None, reason="  ")
    settle(by=world.admin, cluster=cluster, keep=None, reason="Customers ask it in many ways.")
    assert not Example.objects.filter(status="retired").exists()
    search(world)
    assert clusters(world) == []
    assert len(clusters(world, state="settled")) == 1


def test_wanted_duplicates_come_back_when_their_answers_begin_to_disagree(world):
    first, second = (make_example(world.project, ASKED, SAID) for _ in range(2))
    search(world)
    settle(by=world.admin, cluster=clusters(world)[0], keep=None, reason="Fine.")
    Example.objects.filter(pk=second.pk).update(completion=SAID.replace("3 December", "9 December"))
    search(world)
    (cluster,) = clusters(world)
    assert cluster.disagreement == "values"
    assert cluster.first_id == first.pk


@pytest.mark.parametrize("keep", [[], "all", [10**9]], ids=["none", "all", "stranger"])
def test_what_cannot_be_settled_changes_nothing(world, keep):
    examples = three(world)
    search(world)
    (cluster,) = clusters(world)
    chosen = [e.pk for e in examples] if keep == "all" else keep
    with pytest.raises(Invalid):
        settle(by=world.admin, cluster=cluster, keep=chosen)
    assert clusters(world)[0].status == "open"
    assert not Example.objects.filter(status="retired").exists()


def test_what_changed_after_the_page_was_loaded_is_not_settled(world):
    first, second, _ = three(world)
    search(world)
    (cluster,) = clusters(world)
    seen = cluster_stamp(cluster)
    Example.objects.filter(pk=second.pk).update(revision=2)
    with pytest.raises(Conflict, match="changed after you loaded"):
        settle(by=world.admin, cluster=cluster, keep=[first.pk], seen=seen)


def test_the_second_person_is_told_who_was_first(world):
    first, second, _ = three(world)
    search(world)
    (cluster,) = clusters(world)
    settle(by=world.reviewer, cluster=cluster, keep=[first.pk])
    with pytest.raises(Conflict, match=world.reviewer.name):
        settle(by=world.admin, cluster=cluster, keep=[second.pk])
    assert Example.objects.get(pk=first.pk).status == "approved"


def test_a_cluster_that_a_search_replaced_is_a_conflict(world):
    first, *others = three(world)
    search(world)
    (cluster,) = clusters(world)
    Example.objects.filter(pk__in=[e.pk for e in others]).update(status="retired")
    search(world)
    with pytest.raises(Conflict, match="replaced"):
        settle(by=world.admin, cluster=cluster, keep=[first.pk])


def test_an_example_of_a_withdrawn_source_stays_retired(world):
    source = Source.objects.create(project=world.project, name="Archive")
    first, *_ = three(world, source="Archive")
    search(world)
    (cluster,) = clusters(world)
    settle(by=world.admin, cluster=cluster, keep=[first.pk])
    Source.objects.filter(pk=source.pk).update(
        withdrawn_at="2026-11-01T00:00Z", withdrawn_by=world.admin, withdrawn_reason="Asked to."
    )
    with pytest.raises(Conflict, match="stays retired"):
        undo_settlement(by=world.admin, cluster=cluster)
    assert clusters(world, state="settled")[0].pk == cluster.pk


def test_an_import_with_open_clusters_can_be_removed(world, upload):
    line = json.dumps({"prompt": ASKED, "completion": SAID})
    data_import = upload(f"{line}\n{line.replace('Monday', 'Monday please')}\n".encode())
    store(data_import, report=quiet)
    Run.objects.filter(pk=data_import.run_id).update(status="succeeded")
    search(world)
    assert len(clusters(world)) == 1
    data_import.refresh_from_db()
    assert remove_import(by=world.admin, data_import=data_import) == 2
    assert DuplicateCluster.objects.count() == 0


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(min_value=0, max_value=2**32))
def test_settling_never_changes_versions_test_rows_or_splits(world, seed):
    """Whatever is kept, retired, undone or called wanted."""
    draw = random.Random(seed)
    project = world.project
    if not DatasetRow.objects.filter(dataset__project=project).exists():
        for at in range(30):
            question = f"{spelled(at // 3 * 91)}, {spelled(at // 3 * 7)} and {spelled(at // 3)} of the ship?"
            make_example(
                project, question + " please" * (at % 3), SAID, status="approved", group=f"g{at // 2}"
            )
        make_frozen(project, world.admin, test=0.3, validation=0.2)
    search(world)
    before = held(project)
    for _ in range(3):
        found = [*clusters(world), *clusters(world, kind="completion")]
        if not found:
            break
        cluster = draw.choice(found)
        usable = [one.example.pk for one in members_of(cluster, members_in(cluster)) if one.usable]
        if len(usable) > 1 and draw.random() < 0.7:
            keep = draw.sample(usable, draw.randint(1, len(usable) - 1))
            settle(by=world.admin, cluster=cluster, keep=keep)
        else:
            settle(by=world.admin, cluster=cluster, keep=None, reason="Wanted.")
        assert held(project) == before
        if draw.random() < 0.5:
            undo_settlement(by=world.admin, cluster=cluster)
            assert held(project) == before
    after = make_frozen(project, world.admin) if draw.random() < 0.3 else None
    if after:
        tested = set(DatasetRow.objects.filter(split="test").values_list("example", flat=True))
        trained = (
            DatasetRow.objects.filter(dataset=after).exclude(split="test").values_list("example", flat=True)
        )
        assert tested.isdisjoint(trained)


# --- pages ---------------------------------------------------------------------------------------------------


def test_the_pages_show_and_settle(world, as_user: SignIn):
    first, _second, third = three(world)
    client = as_user(world.reviewer)
    assert "No search yet" in text_of(client.get(page("duplicates", world)))
    assert client.post(page("duplicates-find", world)).status_code == 302
    execute_run(DuplicateSearch.objects.get().run_id)
    listed = text_of(client.get(page("duplicates", world)))
    assert ASKED in listed
    assert "Same question and answer" in listed
    (cluster,) = clusters(world)
    shown = client.get(page("duplicate-cluster", world, cluster.pk))
    assert "<mark>" in shown.content.decode()
    assert f"Keep #{third.pk}" in text_of(shown)
    refused = client.post(page("duplicate-settle", world, cluster.pk), {})
    assert refused.status_code == 422
    assert "Choose at least one" in text_of(refused)
    client.post(page("duplicate-settle", world, cluster.pk), {"keep": [first.pk]})
    settled = text_of(client.get(page("duplicate-cluster", world, cluster.pk)))
    assert "Some kept, the others retired" in settled
    assert "2 examples retired" in settled
    client.post(page("duplicate-undo", world, cluster.pk))
    assert clusters(world)[0].in_use == 3
    bad = client.get(page("duplicates", world) + "?kind=nonsense")
    assert bad.status_code == 422


def test_what_the_page_proposes_to_keep(world):
    """One of copies, all of a standard reply, and none where answers disagree."""
    examples = three(world)
    question = "Do you deliver large furniture to islands in the north?"
    for answer in ("Yes, by ship.", "No, we do not."):
        make_example(world.project, question, answer)
    search(world)
    disagree, copies = clusters(world)
    (reply,) = clusters(world, kind="completion")

    def proposed(cluster: DuplicateCluster) -> list[int]:
        return chosen_at_first(cluster, members_of(cluster, members_in(cluster)))

    assert proposed(copies) == [examples[0].pk]
    assert proposed(reply) == [one.pk for one in examples]
    assert proposed(disagree) == []


def test_the_page_says_the_consequences_first(world, as_user: SignIn):
    for at in range(12):
        make_example(
            world.project,
            f"{spelled(at * 31)}, {spelled(at * 77)} and {spelled(at * 5)} of the old ship?",
            status="approved",
        )
    first = make_frozen(world.project, world.admin, test=0.3, validation=0.1)
    row = DatasetRow.objects.filter(dataset=first, split="test").first()
    assert row is not None
    copy = make_example(world.project, row.example.question, row.example.completion, status="approved")
    search(world)
    (cluster,) = clusters(world, tested=True)
    text = text_of(as_user(world.reviewer).get(page("duplicate-cluster", world, cluster.pk)))
    assert "1 is a test row" in text
    assert "frozen datasets" in text
    assert [one.suggested for one in members_of(cluster, members_in(cluster))] == [True, False]
    assert f"#{copy.pk}" in text_of(as_user(world.viewer).get(page("near-test", world)))


def test_viewers_and_annotators_read_and_do_not_settle(world, as_user: SignIn):
    three(world)
    search(world)
    (cluster,) = clusters(world)
    for person in (world.viewer, world.annotator):
        client = as_user(person)
        assert "Keep the chosen" not in text_of(client.get(page("duplicate-cluster", world, cluster.pk)))
        assert client.post(page("duplicate-settle", world, cluster.pk), {"wanted": "1"}).status_code == 403
    assert as_user(world.neighbour).get(page("duplicate-cluster", world, cluster.pk)).status_code == 404
    other = reverse("datasets:duplicate-cluster", args=[world.other.slug, cluster.pk])
    assert as_user(world.neighbour).get(other).status_code == 404


def test_the_list_costs_the_same_for_many_clusters(world, as_user: SignIn, django_assert_max_num_queries):
    for at in range(20):
        question = f"{spelled(at * 91)}, {spelled(at * 7)} and {spelled(at * 13)} of the ship?"
        for _ in range(2):
            make_example(world.project, question, f"It is {spelled(at)}.")
    search(world)
    client = as_user(world.reviewer)
    with django_assert_max_num_queries(14):
        assert "20 clusters" in text_of(client.get(page("duplicates", world)))


def test_the_api_searches_lists_and_settles(world, as_user: SignIn):
    first, _second, third = three(world)
    client, root = as_user(world.admin), f"/api/v1/projects/{world.project.slug}/duplicates/"
    assert client.get(f"{root}search/").json()["id"] is None
    assert client.post(f"{root}search/").status_code == 202
    assert client.post(f"{root}search/").status_code == 409
    execute_run(DuplicateSearch.objects.get().run_id)
    assert client.get(f"{root}search/").json()["counts"]["examples"] == 4
    (listed,) = client.get(root).json()["results"]
    one = client.get(f"{root}{listed['id']}/").json()
    assert [m["example"] for m in one["members"]][::2] == [first.pk, third.pk]

    def send(what: str, body: dict[str, Any]) -> Any:
        return client.post(f"{root}{listed['id']}/{what}/", json.dumps(body), content_type="application/json")

    assert send("settle", {"keep": [first.pk], "all_wanted": True}).status_code == 422
    assert send("settle", {"keep": [first.pk], "seen": "old"}).status_code == 409
    settled = send("settle", {"keep": [first.pk], "seen": one["seen"]})
    assert settled.status_code == 200, settled.content
    assert [m["kept"] for m in settled.json()["members"]] == [True, False, False]
    assert send("settle", {"all_wanted": True, "reason": "Wanted."}).status_code == 409
    assert send("undo", {}).json()["status"] == "open"
    assert client.get(f"{root}near-test/").json()["results"] == []
