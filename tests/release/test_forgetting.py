"""What a version may forget: the gate's criterion, the budget, its page and its API."""

import json

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from core.errors import Invalid
from core.models import AuditEntry, Run
from release import queries, services
from release.budgets import budget_of, forgetting_of
from release.forgetting import Budget, Forgetting, judge
from release.models import ForgettingBudget
from tests.support.factories import make_forgetting, make_version, task_figures
from training.forgetting import ItemResult, figures_of
from training.models import ForgettingMeasurement


# --- the judgement, without a database -------------------------------------------------------------------------
def result(tasks, **budget):
    return judge(Forgetting("measured", tasks, Budget(**budget)))


def test_only_a_whole_interval_within_the_budget_passes():
    assert result(task_figures())[0] == "pass"
    assert result(task_figures(lost=8))[0] == "hold"
    assert result(task_figures(lost=8), answers=25)[0] == "pass"
    assert result(task_figures(lost=30))[0] == "fail"
    assert result(task_figures(lost=30), answers=60)[0] == "pass"
    assert result(task_figures(), answers=0)[0] == "hold"


def test_few_items_are_inconclusive_and_never_pass():
    outcome, says = result(task_figures(items=15, right=12))
    assert outcome == "hold" and "too few items" in says


def test_a_task_that_the_base_model_cannot_do_is_named_and_does_not_count():
    outcome, says = result(task_figures(right=4))
    assert outcome == "pass" and says.endswith("can hardly do it: world facts.")
    only = [one for one in task_figures(right=4) if one.task == "facts"]
    assert result(only)[0] == "hold"


def test_refusals_and_losses_have_budgets_of_their_own():
    def refusals(lost):
        return [figures_of("refusals", [ItemResult(1, 1, 1, True, at >= lost) for at in range(80)])]

    assert result(refusals(12), answers=100)[0] == "hold"
    assert result(refusals(12), refusals=30)[0] == "pass"
    prose = [figures_of("prose", [ItemResult(30, 32 + at % 3, 10) for at in range(80)])]
    assert result(prose)[0] == "fail"
    assert result(prose, loss=0.4)[0] == "pass"
    assert "nats per token" in result(prose)[1]


def test_the_sentence_has_figures_interval_and_budget():
    says = result(task_figures(lost=30))[1]
    assert "world facts: worse by 38 points (95% interval 26 to 48; at most 10)" in says


# --- from the database -----------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_the_gate_reads_the_measurement(world, versions):
    def criterion():
        version = queries.version_of(world.project).get(pk=versions.v2.pk)
        checks = queries.candidate(version).gate.checks
        return next(check for check in checks if check.name == "forgetting")

    assert criterion().result == "pass"
    measurement = ForgettingMeasurement.objects.get(version=versions.v2)
    ForgettingMeasurement.objects.filter(pk=measurement.pk).update(set_version="0" * 64)
    assert criterion().result == "hold" and "earlier general questions" in criterion().says
    for status in (Run.Status.QUEUED, Run.Status.FAILED, Run.Status.CANCELLED):
        Run.objects.filter(pk=measurement.run_id).update(status=status)
        assert criterion().result == "hold"
    measurement.delete()
    assert criterion().result == "hold" and "not been measured" in criterion().says
    make_forgetting(versions.v2, lost=30)
    assert criterion().result == "fail"
    services.set_forgetting_budget(by=world.admin, project=world.project, budget=Budget(answers=60))
    assert criterion().result == "pass"


@pytest.mark.django_db
def test_more_versions_need_no_more_queries(world, versions):
    def count(found):
        with CaptureQueriesContext(
            connection,
        ) as queries_made:
            forgetting_of(found)
        return len(queries_made)

    assert count([versions.v1]) == count([versions.v1, versions.v2, versions.v3, versions.base]) == 2
    assert forgetting_of([]) == {}
    assert forgetting_of([versions.base])[versions.base.pk].state == "base"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "wrong", [{"answers": -1}, {"refusals": 101}, {"loss": float("nan")}, {"loss": float("inf")}]
)
def test_a_budget_outside_its_bounds_is_refused(world, wrong):
    with pytest.raises(Invalid) as caught:
        services.set_forgetting_budget(by=world.admin, project=world.project, budget=Budget(**wrong))
    assert set(caught.value.fields) == set(wrong)
    assert not ForgettingBudget.objects.exists() and budget_of(world.project) == Budget()


@pytest.mark.django_db
def test_the_database_refuses_it_too(world):
    with pytest.raises(IntegrityError), transaction.atomic():
        ForgettingBudget.objects.create(
            project=world.project, answers=101, refusals=1, loss=1, changed_by=world.admin
        )


@pytest.mark.django_db
def test_an_admin_sets_the_budget_on_its_page(world, as_user, page_of):
    client, url = as_user(world.admin), page_of("release:forgetting-budget")
    assert b'value="10.0"' in client.get(url).content
    assert client.post(url, {"answers": "120", "refusals": "5", "loss": "0.2"}).status_code == 422
    assert not ForgettingBudget.objects.exists()
    answer = client.post(url, {"answers": "15", "refusals": "5", "loss": "0.2"})
    assert answer.status_code == 302 and budget_of(world.project) == Budget(15, 5, 0.2)
    entry = AuditEntry.objects.get(action="release.forgetting_budget_changed")
    assert entry.actor_id == world.admin.pk and entry.detail["answers"] == 15
    assert as_user(world.viewer).get(url).status_code == 403
    assert as_user(world.neighbour).get(url).status_code == 404
    assert budget_of(world.other) == Budget()


@pytest.mark.django_db
def test_the_budget_in_the_api(world, as_user):
    url = f"/api/v1/projects/{world.project.slug}/forgetting-budget/"
    client = as_user(world.admin)
    assert client.get(url).json() == {"answers": 10.0, "refusals": 10.0, "loss": 0.1}
    body = {"answers": 20, "refusals": 0, "loss": 0.3}
    put = client.put(url, json.dumps(body), content_type="application/json")
    assert put.status_code == 200 and put.json() == body == client.get(url).json()
    for wrong in ({"answers": 20}, {**body, "loss": -1}, {**body, "more": 1}, {**body, "loss": "much"}):
        refused = client.put(url, json.dumps(wrong), content_type="application/json")
        assert refused.status_code == 422, wrong
    viewer = as_user(world.viewer)
    assert viewer.get(url).status_code == 200
    assert viewer.put(url, json.dumps(body), content_type="application/json").status_code == 403


@pytest.mark.django_db
def test_a_base_model_forgot_nothing(world, versions):
    version = queries.version_of(world.project).get(
        pk=make_version(world.project, base_model=versions.base.base_model).pk
    )
    checks = {check.name: check.result for check in queries.candidate(version).gate.checks}
    assert checks["forgetting"] == "pass"
