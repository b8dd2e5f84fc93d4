"""Losses on test rows at the gate: what is compared with what, who may measure, and what starts by itself."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.models import Event, Role, Run
from release import handlers, queries, services
from release.lineage import who_decided
from tests.support.factories import (
    make_held_out,
    make_losses,
    make_served,
    make_training,
    make_version,
    spread_losses,
)
from tests.support.reading import text_of
from training.models import LossMeasurement, MetricPoint, RowLoss

pytestmark = pytest.mark.django_db


def gate_of(version):
    return queries.candidate(queries.version_of(version.project).get(pk=version.pk))


def loss_check(version):
    return next(check for check in gate_of(version).gate.checks if check.name == "held_out_loss")


def live(world, version, replaces=None):
    return services.make_live(by=world.admin, version=version, replaces=replaces, sign_off=True, note="x")


def trained_on(version, dataset, *, seconds=9.0):
    """The version was trained on `dataset`, and its 3 evaluations of 30 rows took `seconds`."""
    training = version.training_run
    training.dataset = dataset
    training.measured = {"load": 4.0, "evaluate": seconds}
    training.data_facts = {"validation_rows": 30}
    training.save()
    for step in range(3):
        MetricPoint.objects.create(training_run=training, series="validation", step=step, epoch=0, loss=2)
    return version


# --- what is compared ------------------------------------------------------------------------------------------
def test_while_nothing_is_live_the_base_is_the_one_to_match(versions):
    check = loss_check(versions.v1)
    assert (
        check.result == "pass"
        and f"3.00 with {versions.base}, 1.80 now on the same 40 test rows" in check.says
    )


def test_the_live_version_is_compared_on_the_same_rows_not_on_its_own(world, versions):
    """Live v1 has 1.81; v2 has 2.93, far better than the base, and must not pass for that."""
    make_losses(versions.v2, versions.v1, spread_losses(2.93, 1.81, 40))
    assert loss_check(versions.v2).result == "pass"
    live(world, versions.v1)
    check = loss_check(versions.v2)
    assert check.result == "fail" and "1.81 live, 2.93 now on the same 40 test rows" in check.says


def test_what_was_only_measured_against_the_base_holds_once_another_is_live(world, versions):
    live(world, versions.v1)
    check = loss_check(versions.v2)
    assert check.result == "hold" and f"same test rows as that of {versions.v1}" in check.says


def test_four_rows_do_not_pass(versions):
    LossMeasurement.objects.all().delete()
    make_losses(versions.v1, versions.base, spread_losses(1.0, 3.0, 4))
    assert loss_check(versions.v1).result == "hold"


@pytest.mark.parametrize(
    ("status", "result", "words"),
    [
        ("running", "hold", "being measured"),
        ("failed", "hold", "disk is full"),
        ("cancelled", "hold", "not been measured"),
    ],
)
def test_an_unfinished_measurement_holds(versions, status, result, words):
    run = LossMeasurement.objects.get(version=versions.v1).run
    Run.objects.filter(pk=run.pk).update(status=status, error_message="The disk is full.")
    check = loss_check(versions.v1)
    assert check.result == result and words in check.says


def test_conditions_that_changed_since_hold(world, versions):
    assert loss_check(versions.v1).result == "pass"
    RowLoss.objects.filter(version=versions.base).first().delete()
    assert "no longer have a loss" in loss_check(versions.v1).says
    RowLoss.objects.filter(version=versions.v2).update(precision="bfloat16")
    assert "different precision" in loss_check(versions.v2).says
    world.project.system_prompt = "Another one."
    world.project.save()
    check = loss_check(versions.v3)
    assert check.result == "hold" and f"system prompt of {versions.base} was different" in check.says


def test_the_base_itself_has_nothing_to_match_until_something_is_live(world, versions):
    assert queries.measuring(versions.base) is None
    assert "nothing is live" in loss_check(versions.base).says
    live(world, versions.v1)
    assert queries.measuring(versions.base).against == versions.v1


# --- pages and API ---------------------------------------------------------------------------------------------
def test_an_admin_measures_and_everyone_at_the_gate_reads_the_table(world, versions, as_user, page_of):
    trained_on(versions.v1, make_held_out(world.project, 8))
    LossMeasurement.objects.filter(version=versions.v1).delete()
    address = page_of("release:version", versions.v1.pk)
    admin, viewer = as_user(world.admin), as_user(world.viewer)
    page = text_of(admin.get(address))
    assert "Measure on 8 test rows" in page and "It takes about" in page
    assert "Measure on" not in text_of(viewer.get(address))
    assert viewer.post(page_of("release:measure", versions.v1.pk)).status_code == 403
    assert admin.get(page_of("release:measure", versions.v1.pk)).status_code == 405
    assert admin.post(page_of("release:measure", versions.v1.pk)).status_code == 302
    assert admin.post(page_of("release:measure", versions.v1.pk)).status_code == 409
    found = LossMeasurement.objects.get(version=versions.v1)
    assert (found.against, found.run.queue, found.run.created_by) == (versions.base, "gpu", world.admin)
    assert "data-run-reload" in admin.get(address).content.decode()
    Run.objects.filter(pk=found.run_id).update(status="failed", error_message="No.")
    page = text_of(admin.get(address))
    assert "Its loss could not be measured: No." in page
    # The run's own card tells the same and starts it again, for those who may.
    assert "Failed No. Try again" in page
    seen = text_of(viewer.get(address))
    assert "Failed No." in seen and "Try again" not in seen


def test_the_table_shows_each_slice(world, versions, as_user, page_of):
    LossMeasurement.objects.filter(version=versions.v1).delete()
    make_losses(
        versions.v1, versions.base, spread_losses(1.8, 3.0, 60), slices=("customs", "delay", "claims")
    )
    few = make_version(world.project, world.admin, base_model=versions.base.base_model)
    make_losses(make_served(few), versions.base, spread_losses(1.8, 3.0, 6), slices=("customs",))
    page = text_of(as_user(world.viewer).get(page_of("release:version", versions.v1.pk)))
    for name in ("All", "customs", "delay", "claims", "better"):
        assert name in page
    assert "−1.20" in page
    assert "unknown" in text_of(as_user(world.viewer).get(page_of("release:version", few.pk)))


def test_without_test_rows_the_page_says_what_to_do(world, versions, as_user, page_of):
    LossMeasurement.objects.filter(version=versions.v1).delete()
    page = text_of(as_user(world.admin).get(page_of("release:version", versions.v1.pk)))
    assert "has no test rows. Freeze a dataset with test rows" in page
    assert as_user(world.admin).post(page_of("release:measure", versions.v1.pk)).status_code == 400
    assert as_user(world.admin).post(page_of("release:measure", versions.base.pk)).status_code == 400
    assert not Run.objects.filter(kind="test_loss", status="queued").exists()


def test_the_api_measures_and_shows_the_figures(world, versions, as_user):
    trained_on(versions.v1, make_held_out(world.project, 8))
    api = f"/api/v1/projects/{world.project.slug}/gate/{versions.v1.pk}/"
    admin = as_user(world.admin)
    loss = admin.get(api).json()["test_loss"]
    assert (loss["state"], loss["n"], loss["groups"], loss["opponent"]) == (
        "measured",
        40,
        40,
        str(versions.base),
    )
    assert loss["loss"] == pytest.approx(1.8) and loss["opponent_loss"] == pytest.approx(3.0, abs=0.01)
    assert loss["low"] < loss["difference"] < loss["high"] < 0
    assert [(one["slice"], one["n"], one["against_opponent"]) for one in loss["slices"]] == [
        ("customs", 40, "better")
    ]
    assert as_user(world.viewer).post(api + "measure/").status_code == 403
    started = admin.post(api + "measure/")
    assert started.status_code == 202 and started.json()["kind"] == "test_loss"
    assert admin.post(api + "measure/").status_code == 409
    running = admin.get(api).json()["test_loss"]
    assert running["state"] == "running" and running["loss"] is None and running["slices"] == []


def test_summaries_are_said_in_full(world, versions, as_user, page_of):
    """What passed comes first, on every page and in the record."""
    made = live(world, versions.v1)
    assert made.gate_says == "6 of 8 passed, 2 on hold"
    viewer = as_user(world.viewer)
    for address in (
        page_of("release:home"),
        page_of("release:version", versions.v2.pk),
        page_of("release:release", made.pk),
        page_of("core:audit"),
    ):
        assert "passed, 2 on hold" in text_of(viewer.get(address)) or "passed, 3 on hold" in text_of(
            viewer.get(address)
        ), address
    api = f"/api/v1/projects/{world.project.slug}"
    assert viewer.get(f"{api}/releases/").json()["results"][0]["gate_says"] == "6 of 8 passed, 2 on hold"
    assert viewer.get(f"{api}/candidates/").json()[0]["gate"]["says"] == "5 of 8 passed, 3 on hold."


def test_the_home_costs_the_same_with_more_measurements(world, versions, as_user, page_of):
    def cost():
        client = as_user(world.viewer)
        client.get(page_of("release:home"))
        with CaptureQueriesContext(connection) as captured:
            assert client.get(page_of("release:home")).status_code == 200
        return len(captured)

    before = cost()
    for _ in range(4):
        more = make_served(make_version(world.project, world.admin, base_model=versions.base.base_model))
        make_losses(more, versions.base, spread_losses(1.8, 3.0))
    assert cost() <= before


# --- what else the gate says -----------------------------------------------------------------------------------
def test_all_prompts_that_differ_are_counted_not_only_those_shown(versions):
    versions.v1.parity_report = {"checked": 8, "differing": [{"prompt": "x"}] * 5, "differing_count": 8}
    versions.v1.save()
    check = next(check for check in gate_of(versions.v1).gate.checks if check.name == "token_parity")
    assert check.result == "fail" and check.says.startswith("8 of 8 prompts differ")


def test_a_comparison_says_on_how_many_prompts_the_answers_differ(world, versions):
    from evaluation.models import Prompt
    from tests.support.factories import make_campaign

    campaign = make_campaign(world.project, world.admin, prompts=4, versions=(versions.base, versions.v1))
    Prompt.objects.filter(pk=campaign.prompts.first().pk).update(same_answer=True)
    step = next(one for one in who_decided(versions.v1) if one.kind == "Comparison")
    assert "on 3 of 4 prompts the two answers differ" in step.detail


# --- by itself -------------------------------------------------------------------------------------------------
def ready(version):
    handlers.measure_ready_version(
        Event(project=version.project, kind="model_version.ready", payload={"version": version.pk})
    )
    return Run.objects.filter(kind="test_loss", status="queued")


def test_a_version_that_becomes_ready_is_measured_beside_what_it_would_replace(world, versions):
    LossMeasurement.objects.all().delete()
    dataset = make_held_out(world.project, 8)
    live(world, trained_on(versions.v1, dataset))
    started = ready(trained_on(versions.v2, dataset))
    found = LossMeasurement.objects.get(version=versions.v2)
    assert started.count() == 1 and found.against == versions.v1 and found.run.created_by is None
    assert ready(versions.v2).count() == 1  # called again, nothing more


@pytest.mark.parametrize("why", ["slow", "unknown", "no rows", "base", "measured", "not ready"])
def test_it_does_not_start_where_it_makes_no_sense(world, versions, why):
    if why != "measured":
        LossMeasurement.objects.all().delete()
    if why != "no rows":
        trained_on(versions.v1, make_held_out(world.project, 8), seconds=90_000 if why == "slow" else 9)
    if why == "unknown":
        versions.v1.training_run.points.all().delete()
    if why == "not ready":
        type(versions.v1).objects.filter(pk=versions.v1.pk).update(status="registered")
    assert ready(versions.base if why == "base" else versions.v1).count() == 0


def test_roles_may_not_measure_in_another_project(world, versions, as_user, page_of):
    for role, person in world.people().items():
        if role == "admin":
            continue
        expected = 403 if role in Role.values else 404
        assert as_user(person).post(page_of("release:measure", versions.v1.pk)).status_code == expected


def test_make_training_is_not_needed_for_a_base(world, versions):
    """A base and a trained version have one dataset between them: that of the trained one."""
    from training.losses import count_test_rows, datasets_of

    dataset = make_held_out(world.project, 5)
    training = make_training(world.project, world.admin, dataset=dataset)
    trained = make_version(world.project, world.admin, training_run=training)
    assert datasets_of(trained, versions.base) == [dataset]
    assert count_test_rows(trained, versions.base) == 5
