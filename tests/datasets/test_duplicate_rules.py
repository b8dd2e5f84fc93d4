"""Clusters of duplicates that are settled by a rule, and examples near test rows that are retired together."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from annotation.models import Example
from core.errors import Conflict
from core.models import AuditEntry
from dataset.models import (
    DatasetRow,
    DuplicateSearch,
    NearTest,
)
from dataset.queries.duplicates import near_test_of
from dataset.services.duplicates import KeepRule, settle, undo_settlement
from dataset.services.near_tests import retire_near, retired_lately, undo_retired_near
from tests.datasets.copies import clusters, held, page, search, three
from tests.datasets.desk import SignIn
from tests.support.factories import make_example, make_frozen, spelled
from tests.support.reading import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


# --- by a rule ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("rule", "kept"), [("oldest", 0), ("newest", 2), ("reviewed", 1)])
def test_a_rule_chooses_the_one_that_is_kept(world, rule, kept):
    examples = three(world)
    Example.objects.filter(pk=examples[1].pk).update(revision=4)
    search(world)
    (cluster,) = clusters(world)
    settled = settle(by=world.reviewer, cluster=cluster, keep=KeepRule(rule))
    used = Example.objects.filter(pk__in=[one.pk for one in examples]).exclude(status="retired")
    assert [one.pk for one in used] == [examples[kept].pk]
    assert AuditEntry.objects.filter(action="example.retired").count() == 2
    undo_settlement(by=world.reviewer, cluster=settled)
    assert used.all().count() == 3


def test_a_rule_keeps_the_test_row(world):
    for at in range(12):
        make_example(
            world.project, f"{spelled(at * 31)}, {spelled(at * 77)} and {spelled(at * 5)} of the old ship?", status="approved"
        )  # fmt: skip
    first = make_frozen(world.project, world.admin, test=0.3, validation=0.1)
    row = DatasetRow.objects.filter(dataset=first, split="test").first()
    assert row is not None
    copy = make_example(
        world.project, row.example.question, row.example.completion, status="approved", revision=9
    )
    search(world)
    (cluster,) = clusters(world, tested=True)
    settle(by=world.admin, cluster=cluster, keep=KeepRule.REVIEWED)
    assert Example.objects.get(pk=copy.pk).status == "retired"


def test_a_large_cluster_is_paged_and_settled_by_a_rule(world, as_user: SignIn, monkeypatch):
    monkeypatch.setattr("dataset.views.duplicates.ON_A_PAGE", 2)
    first, _second, third = three(world)
    search(world)
    (cluster,) = clusters(world)
    client, where = as_user(world.reviewer), page("duplicate-cluster", world, cluster.pk)
    one, two = text_of(client.get(where)), text_of(client.get(f"{where}?page=2"))
    assert f"#{first.pk}" in one and f"Open #{third.pk}" not in one and f"Open #{third.pk}" in two
    assert "2 of 3 are on this page" in one and "Keep the chosen" not in one
    assert client.post(page("duplicate-settle", world, cluster.pk), {"rule": "any"}).status_code == 422
    client.post(page("duplicate-settle", world, cluster.pk), {"rule": "newest"})
    assert Example.objects.exclude(status="retired").filter(pk__in=[first.pk, third.pk]).get() == third
    told = text_of(client.get(page("duplicate-cluster", world, cluster.pk)))
    assert "Some kept, the others retired" in told and "2 examples retired" in told


def test_a_rule_by_program(world, as_user: SignIn):
    first, *_ = three(world)
    search(world)
    (cluster,) = clusters(world)
    client, where = (
        as_user(world.admin),
        f"/api/v1/projects/{world.project.slug}/duplicates/{cluster.pk}/settle/",
    )
    both = client.post(
        where, json.dumps({"rule": "oldest", "keep": [first.pk]}), content_type="application/json"
    )
    assert both.status_code == 422
    done = client.post(where, json.dumps({"rule": "oldest"}), content_type="application/json").json()
    assert [one["kept"] for one in done["members"]] == [True, False, False]


def test_the_page_of_an_example_shows_its_clusters(world, as_user: SignIn):
    first, *_ = three(world)
    search(world)
    (cluster,) = clusters(world)
    client, where = as_user(world.viewer), reverse("annotation:example", args=[world.project.slug, first.pk])
    shown = client.get(where)
    assert "Same question and answer: 3 examples" in text_of(shown)
    assert page("duplicate-cluster", world, cluster.pk) in shown.content.decode()
    settle(by=world.admin, cluster=cluster, keep=None, reason="Wanted.")
    assert "settled: all are wanted" in text_of(client.get(where))


# --- near test rows ----------------------------------------------------------------------------------------
@pytest.fixture
def near(world) -> list[Example]:
    """Three examples that are too near to test rows, in the queue, in review and approved."""
    for at in range(12):
        make_example(
            world.project, f"{spelled(at * 31)}, {spelled(at * 77)} and {spelled(at * 5)} of the old ship?", status="approved"
        )  # fmt: skip
    frozen = make_frozen(world.project, world.admin, test=0.3, validation=0.1)
    row = DatasetRow.objects.filter(dataset=frozen, split="test").first()
    assert row is not None
    copies = [
        make_example(world.project, row.example.question, f"Answer {status}.", status=status)
        for status in ("queued", "in_review", "approved")
    ]
    search(world)
    return copies


def statuses(examples: list[Example]) -> list[str]:
    found = dict(Example.objects.filter(pk__in=[one.pk for one in examples]).values_list("pk", "status"))
    return [found[one.pk] for one in examples]


def test_examples_near_test_rows_are_retired_together_and_brought_back(world, near):
    before = held(world.project)
    assert retire_near(by=world.reviewer, project=world.project, examples=[near[0].pk, 10**9]) == 1
    assert statuses(near) == ["retired", "in_review", "approved"]
    assert retire_near(by=world.reviewer, project=world.project, examples=None) == 2
    assert statuses(near) == ["retired"] * 3
    assert not near_test_of(world.project).exists()
    entry = AuditEntry.objects.filter(action="example.retired").latest("pk")
    assert "too near to test row" in entry.detail["reason"]
    # Only the last action is undone, and only by the person who did it.
    with pytest.raises(Conflict, match="nothing to undo"):
        undo_retired_near(by=world.admin, project=world.project)
    assert undo_retired_near(by=world.reviewer, project=world.project) == 2
    assert statuses(near) == ["retired", "in_review", "approved"]
    assert undo_retired_near(by=world.reviewer, project=world.project) == 1
    assert statuses(near) == ["queued", "in_review", "approved"]
    assert held(world.project) == before
    with pytest.raises(Conflict):
        undo_retired_near(by=world.reviewer, project=world.project)


def test_a_list_that_a_newer_search_replaced_is_not_retired(world, near):
    old = DuplicateSearch.objects.get().pk
    search(world)
    with pytest.raises(Conflict, match="new search"):
        retire_near(by=world.reviewer, project=world.project, examples=None, search=old)
    assert "retired" not in statuses(near)


def test_what_was_retired_long_ago_is_not_undone(world, near):
    retire_near(by=world.reviewer, project=world.project, examples=None)
    NearTest.objects.update(retired_at=timezone.now() - timedelta(minutes=11))
    assert retired_lately(world.reviewer, world.project) is None


def test_the_list_near_test_rows_retires_what_is_selected(world, near, as_user: SignIn):
    client, where = as_user(world.reviewer), page("near-test", world)
    assert f"Select #{near[0].pk}" in client.get(where).content.decode()
    newest = str(DuplicateSearch.objects.get().pk)
    nothing = client.post(page("near-test-retire", world), {"search": newest}, follow=True)
    assert "Nothing was selected" in text_of(nothing)
    done = client.post(
        page("near-test-retire", world), {"example": [near[0].pk, near[2].pk], "search": newest}, follow=True
    )
    assert "2 examples retired" in text_of(done) and "You retired 2 examples" in text_of(done)
    assert statuses(near) == ["retired", "in_review", "retired"]
    back = client.post(page("near-test-undo", world), follow=True)
    assert "2 examples brought back" in text_of(back)
    client.post(page("near-test-retire", world), {"all": "1", "search": newest})
    assert statuses(near) == ["retired"] * 3
    for person in (world.viewer, world.annotator):
        assert as_user(person).post(page("near-test-retire", world), {"all": "1"}).status_code == 403
        assert "Retire all" not in as_user(person).get(where).content.decode()


def test_the_list_near_test_rows_by_program(world, near, as_user: SignIn):
    client, where = as_user(world.admin), f"/api/v1/projects/{world.project.slug}/duplicates/near-test/"

    def send(what: str, body: dict[str, Any]) -> Any:
        return client.post(f"{where}{what}/", json.dumps(body), content_type="application/json")

    assert send("undo", {}).status_code == 409
    assert send("retire", {"search": 10**9}).status_code == 409
    assert send("retire", {"examples": [near[1].pk]}).json() == {"examples": 1}
    assert send("retire", {}).json() == {"examples": 2}
    assert send("undo", {}).json() == {"examples": 2}
