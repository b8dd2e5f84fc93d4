"""Two people and a search meet at one cluster: one wins, the other is told, and nothing is half done."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from annotation.models import Example
from core.errors import Conflict, ExpectedError
from core.models import Run
from core.tasks import execute_run
from dataset.models import DuplicateCluster, DuplicateMember
from dataset.services.duplicate_searches import start_search
from dataset.services.duplicates import settle
from tests.support.factories import World, make_example

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]
SAID = "The crate is at sea and arrives on 3 December at the port of Oslo."


@pytest.fixture
def found(world: World) -> World:
    """Three equal examples: a cluster of pairs, and one of a standard reply with the same members. Found by a worker's run."""
    with transaction.atomic():
        for _ in range(3):
            make_example(world.project, "Where is the red crate that left Hamburg?", SAID)
    search(world)
    return world


def search(world: World) -> None:
    run = start_search(by=world.admin, project=world.project).run
    assert run is not None
    execute_run(run.pk)
    assert Run.objects.get(pk=run.pk).status == "succeeded"


def at_once(*steps: Callable[[], Any]) -> list[Any]:
    """What each step returned, or its refusal, all begun at one moment."""
    gate, results = threading.Barrier(len(steps)), [None] * len(steps)

    def work(at: int) -> None:
        try:
            gate.wait(30)
            results[at] = steps[at]()
        except ExpectedError as error:
            results[at] = error  # type: ignore[call-overload]
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(at,)) for at in range(len(steps))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_of_two_people_one_settles_and_the_other_is_told(found: World):
    cluster = DuplicateCluster.objects.get(kind="pair")
    first, second, third = Example.objects.order_by("pk").values_list("pk", flat=True)
    results = at_once(
        lambda: settle(by=found.admin, cluster=cluster, keep=[first]),
        lambda: settle(by=found.reviewer, cluster=cluster, keep=[second]),
    )
    told = [result for result in results if isinstance(result, Conflict)]
    assert len(told) == 1
    assert "settled this cluster before you" in str(told[0])
    kept = list(Example.objects.exclude(status="retired").values_list("pk", flat=True))
    assert kept == ([first] if isinstance(results[1], Conflict) else [second])
    assert third not in kept


def test_overlapping_clusters_are_settled_one_after_the_other(found: World):
    """Without an order of locks they would wait for each other for ever; and one example stays in any case."""
    pair, reply = (DuplicateCluster.objects.get(kind=kind) for kind in ("pair", "completion"))
    first, _second, third = Example.objects.order_by("pk").values_list("pk", flat=True)

    at_once(
        lambda: settle(by=found.admin, cluster=pair, keep=[first]),
        lambda: settle(by=found.reviewer, cluster=reply, keep=[third]),
    )
    assert Example.objects.exclude(status="retired").count() == 1
    for cluster in DuplicateCluster.objects.all():
        assert cluster.in_use == cluster.members.exclude(example__status="retired").count()


def test_a_search_that_ends_while_a_person_settles(found: World):
    cluster = DuplicateCluster.objects.get(kind="pair")
    first = Example.objects.order_by("pk").values_list("pk", flat=True)[0]
    results = at_once(lambda: settle(by=found.admin, cluster=cluster, keep=[first]), lambda: search(found))
    settled = DuplicateCluster.objects.filter(kind="pair", status="settled")
    if isinstance(results[0], Conflict):
        assert not settled.exists()
        assert not Example.objects.filter(status="retired").exists()
        assert DuplicateCluster.objects.get(kind="pair").pk == cluster.pk
    else:
        assert settled.get().pk == cluster.pk
        assert Example.objects.exclude(status="retired").count() == 1
    # No member is left without its cluster, and each open cluster has the members that it counts.
    for one in DuplicateCluster.objects.all():
        assert one.size == DuplicateMember.objects.filter(cluster=one).count()
