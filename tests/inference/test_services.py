"""What may be asked of engines and of the live pointer, by whom, and what is left behind when it fails."""

import itertools
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from core.errors import Conflict, Refused
from core.models import AuditEntry, Event
from inference import handlers, health, queries
from inference.models import Deployment, Engine, Route
from inference.queries import engine_model_name, is_served, live_version
from inference.reconcile.plan import make_plan
from inference.services import ensure_deployment, point_route, request_load, request_unload
from inference.services.deployments import note_failed, note_loaded, note_waiting
from tests.inference.conftest import Served
from tests.support.factories import load_onto, make_answer_row, make_base_model, make_engine, make_version
from training.models import ModelVersion

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]
REPORT = {"checked": 1, "differing": [], "differing_count": 0, "at": "now", "engine": "x"}


# --- deployments -------------------------------------------------------------------------------------------
def test_the_event_makes_one_deployment_however_often_it_comes(world: Any) -> None:
    version = make_version(world.project, world.admin)
    event = Event(kind="model_version.registered", payload={"version": version.pk})
    handlers.serve_registered_version(event)
    handlers.serve_registered_version(event)
    assert Deployment.objects.filter(version=version).count() == 1
    handlers.serve_registered_version(Event(kind="x", payload={"version": 0}))
    assert Deployment.objects.count() == 1


def test_asking_for_the_check_again_wakes_a_failed_deployment(world: Any) -> None:
    version = make_version(world.project, world.admin)
    deployment = ensure_deployment(by=None, version=version)
    note_failed(deployment=deployment, reason="ids differ", report=REPORT)
    version.refresh_from_db()
    assert version.status == ModelVersion.Status.REJECTED
    assert version.parity_report == REPORT
    ensure_deployment(by=None, version=version)
    deployment.refresh_from_db()
    assert (deployment.status, deployment.error) == ("waiting", "")


def test_loading_and_unloading_are_asked_once(served: Served) -> None:
    admin = served.world.admin
    with pytest.raises(Conflict):
        request_load(by=admin, version=served.base)
    request_unload(by=admin, version=served.base)
    with pytest.raises(Conflict):
        request_unload(by=admin, version=served.base)
    deployment = Deployment.objects.get(version=served.base)
    before = deployment.requested_at
    # Changed his mind before the reconciler came round.
    request_load(by=admin, version=served.base)
    deployment.refresh_from_db()
    assert deployment.wanted == Deployment.Wanted.LOADED
    assert deployment.requested_at > before
    verbs = AuditEntry.objects.filter(actor_id=admin.pk, object_type="inference.deployment")
    assert [entry.action for entry in verbs.order_by("pk")] == [
        "deployment.unload_requested",
        "deployment.requested",
    ]


def test_the_live_version_stays_loaded(served: Served) -> None:
    with pytest.raises(Refused, match="is live"):
        request_unload(by=served.world.admin, version=served.adapter)
    assert Deployment.objects.get(version=served.adapter).wanted == Deployment.Wanted.LOADED


def test_rejected_versions_are_not_loaded(world: Any) -> None:
    version = make_version(world.project, world.admin, status=ModelVersion.Status.REJECTED)
    with pytest.raises(Refused, match="was rejected"):
        request_load(by=world.admin, version=version)
    assert not Deployment.objects.exists()


def test_how_long_it_took_counts_from_the_wish_and_not_from_a_restart(world: Any) -> None:
    version = make_version(world.project, world.admin)
    engine = make_engine(version.base_model)
    deployment = ensure_deployment(by=None, version=version)
    Deployment.objects.filter(pk=deployment.pk).update(
        status="loading", engine=engine, requested_at=timezone.now() - timedelta(seconds=30)
    )
    deployment.refresh_from_db()
    note_loaded(deployment=deployment, report=REPORT)
    assert 30 <= deployment.seconds_to_load < 40
    note_waiting(deployment=deployment, reason="engine down", engine=engine)
    took = deployment.seconds_to_load
    note_loaded(deployment=deployment, report=REPORT)
    deployment.refresh_from_db()
    assert deployment.seconds_to_load == took


def test_a_failing_write_leaves_nothing(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from inference.services import deployments

    version = make_version(world.project, world.admin)
    deployment = ensure_deployment(by=None, version=version)

    def broken(**_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(deployments, "mark_ready", broken)
    with pytest.raises(RuntimeError):
        note_loaded(deployment=deployment, report=REPORT)
    deployment.refresh_from_db()
    version.refresh_from_db()
    assert (deployment.status, version.status) == ("waiting", "registered")


# --- the live pointer --------------------------------------------------------------------------------------
def test_making_live_and_going_back(served: Served) -> None:
    project, admin = served.world.project, served.world.admin
    route = point_route(by=admin, project=project, version=served.base)
    assert (route.version, queries.way_back(project).target) == (served.base, served.adapter)
    assert live_version(project) == served.base
    with pytest.raises(Conflict, match="live already"):
        point_route(by=admin, project=project, version=served.base)
    back = point_route(by=admin, project=project, version=served.adapter, rolling_back=True)
    assert (back.version, queries.way_back(project).target) == (served.adapter, None)
    with pytest.raises(Conflict, match="was not live before"):
        point_route(by=admin, project=project, version=served.base, rolling_back=True)
    assert live_version(project) == served.adapter
    entry = AuditEntry.objects.filter(action="route.changed").first()
    assert entry is not None
    assert entry.detail == {"to": served.adapter.served_name, "before": served.base.served_name}


def test_what_cannot_go_live(served: Served) -> None:
    project, admin = served.world.project, served.world.admin
    foreign = make_version(served.world.other, base_model=served.base.base_model)
    load_onto(foreign, served.engine)
    with pytest.raises(Refused, match="another project"):
        point_route(by=admin, project=project, version=foreign)
    waiting = make_version(project, admin, base_model=served.base.base_model, number=8)
    with pytest.raises(Refused, match="not ready"):
        point_route(by=admin, project=project, version=waiting)
    Engine.objects.update(status=Engine.Status.DOWN)
    with pytest.raises(Refused, match="cannot answer now"):
        point_route(by=admin, project=project, version=served.base)
    assert live_version(project) == served.adapter


def test_eight_people_making_two_versions_live_leave_one_order_of_events(served: Served) -> None:
    project, admin = served.world.project, served.world.admin
    Route.objects.all().delete()
    barrier = threading.Barrier(8)

    def press(version: Any) -> None:
        barrier.wait()
        try:
            point_route(by=admin, project=project, version=version)
        except Conflict:
            pass
        finally:
            connection.close()

    threads = [
        threading.Thread(target=press, args=[(served.base, served.adapter)[number % 2]])
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = list(AuditEntry.objects.filter(action="route.changed").order_by("pk"))
    told = [(entry.detail["before"], entry.detail["to"]) for entry in entries]
    assert told[0][0] == ""
    assert all(before[1] == after[0] for before, after in itertools.pairwise(told))
    route = Route.objects.get()
    assert route.version.served_name == told[-1][1]
    target = queries.way_back(project).target
    assert (target.served_name if target else "") == told[-1][0]


def test_the_way_back_passes_over_what_was_rejected(served: Served) -> None:
    """Live in this order: adapter, base, adapter, third. What was rejected answers nobody, and nobody goes back to it."""
    project, admin = served.world.project, served.world.admin
    third = make_version(project, admin, base_model=served.base.base_model, number=8)
    load_onto(third, served.engine)
    for version in (served.base, served.adapter, third):
        point_route(by=admin, project=project, version=version)
    assert queries.way_back(project).target == served.adapter

    def reject(version: Any) -> None:
        ModelVersion.objects.filter(pk=version.pk).update(status=ModelVersion.Status.REJECTED)

    reject(served.adapter)
    back = queries.way_back(project)
    assert (back.target, back.rejected) == (served.base, [served.adapter])
    point_route(by=admin, project=project, version=served.base, rolling_back=True)
    back = queries.way_back(project)
    assert (back.target, back.rejected) == (None, [served.adapter])


def test_ways_back_of_many_projects_cost_two_queries(served: Served, django_assert_num_queries: Any) -> None:
    project, admin = served.world.project, served.world.admin
    point_route(by=admin, project=project, version=served.base)
    foreign = make_version(served.world.other, admin, base_model=served.base.base_model)
    Route.objects.create(project=served.world.other, version=foreign, way_back=[foreign.pk, 10**9])
    with django_assert_num_queries(2):
        found = queries.ways_back(Route.objects.all())
    assert found[project.pk].target == served.adapter
    assert found[served.world.other.pk].target is None


# --- reading -----------------------------------------------------------------------------------------------
def test_names_that_engines_use(served: Served) -> None:
    assert engine_model_name(served.base) == "smollm2"
    assert engine_model_name(served.adapter) == served.adapter.served_name
    assert is_served(served.base)
    Deployment.objects.filter(version=served.base).update(status="waiting")
    assert not is_served(served.base)


def test_speed_is_measured_over_finished_answers(served: Served) -> None:
    for first in (100, 200, 300):
        make_answer_row(served.adapter, first_token_ms=first, duration_ms=first + 1000, completion_tokens=21)
    make_answer_row(served.adapter, status="failed", first_token_ms=9000)
    make_answer_row(served.base, completion_tokens=1, first_token_ms=50, duration_ms=50)
    found = queries.speeds(served.world.project)
    fast = found[served.adapter.pk]
    assert (fast.n, fast.first_ms, fast.tokens_per_second) == (3, 200.0, 20.0)
    assert fast.first_ms_p95 == pytest.approx(290)
    assert found[served.base.pk].tokens_per_second is None


def test_plan_prefers_what_is_live_then_what_runs(world: Any) -> None:
    base = make_base_model()
    kind = ModelVersion.Kind.FULL
    first, second, third = (
        make_version(world.project, world.admin, base_model=base, kind=kind) for _ in range(3)
    )
    wanted = [ensure_deployment(by=None, version=version) for version in (first, second, third)]
    Deployment.objects.filter(version=second).update(
        engine=make_engine(base, version=second, name="second", status=Engine.Status.UP)
    )
    wanted = list(Deployment.objects.select_related("version__base_model", "version__project").order_by("pk"))
    assert list(make_plan(wanted, live=set(), max_full=1).full) == [second.pk]
    assert list(make_plan(wanted, live={third.pk}, max_full=1).full) == [third.pk]
    assert list(make_plan(wanted, live={third.pk}, max_full=2).full) == [third.pk, second.pk]
    # What one rolls back to stays loaded, even beside something that runs.
    kept = make_plan(wanted, live={third.pk}, previous={first.pk}, max_full=2)
    assert list(kept.full) == [third.pk, first.pk]
    none = make_plan(wanted, live=set(), max_full=0)
    assert len(none.waiting) == 3
    assert "GUILDHALL_ENGINE_MAX_FULL is 0" in next(iter(none.waiting.values()))


def test_a_base_that_is_not_ready_gets_no_engine(world: Any) -> None:
    base = make_base_model(status="preparing")
    version = make_version(world.project, world.admin, base_model=base)
    deployment = ensure_deployment(by=None, version=version)
    plan = make_plan([deployment], live=set(), max_full=1)
    assert not plan.bases
    assert "is not ready yet" in plan.waiting[deployment.pk]


def test_health_tells_of_engines_without_names(served: Served) -> None:
    def told() -> list[tuple[bool, str]]:
        return [(part.up, part.detail) for part in health.engines()]

    assert told() == [(True, "answers")]
    Engine.objects.update(status=Engine.Status.DOWN)
    assert told() == [(False, "down; it is started again automatically")]
    Engine.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert told() == [(False, "the engines process is not responding")]
    assert health.engines()[0].since is not None
    assert "smollm2" not in str(health.engines())
    Engine.objects.update(status=Engine.Status.STOPPED)
    assert told() == [(True, "none is needed")]
    Deployment.objects.update(status="waiting")
    assert told() == [(False, "a model version is waiting for the engines process")]
